"""The part of a plane that a set of points dominates, and how much a new one is expected to add to it.

Both numbers are wanted as large as can be. With the points that no other dominates in order of the first number, the
plane above them is a row of strips; what a new point adds is a sum over the strips of a width times a height, and for
independent normal numbers its expectation is a sum of products (M. Emmerich, K. Yang, A. Deutz, H. Wang and C. Fonseca,
A Multicriteria Generalization of Bayesian Global Optimization, in Advances in Stochastic and Deterministic Global
Optimization, Springer 2016).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def front(points: Floats) -> NDArray[np.int64]:
    """Which of points [n, 2] no other dominates, the first number growing, the second falling; of equal points one."""
    order = np.lexsort((-points[:, 1], -points[:, 0]))
    second = points[order, 1]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(second)[:-1]])
    return np.asarray(order[second > before][::-1])


def hypervolume(points: Floats, reference: Floats) -> float:
    """The area between points [n, 2] and the reference [2] below them; points that do not exceed it add nothing."""
    low, height = _strips(points, reference)
    return float(np.sum(np.diff(low) * (height[:-1] - reference[1])))


def expected_improvement(points: Floats, reference: Floats, mean: Floats, spread: Floats) -> Floats:
    """How much area [m] a new point is expected to add to that of `points` [n, 2].

    Its numbers are normal and independent, with mean and standard deviation [m, 2].
    """
    low, height = _strips(points, reference)
    over = _ramp(mean[:, :1], spread[:, :1], low)
    width = over - np.hstack([over[:, 1:], np.zeros((len(mean), 1))])
    return np.asarray((np.maximum(width, 0.0) * _ramp(mean[:, 1:], spread[:, 1:], height)).sum(1))


def _strips(points: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Where strips begin along the first number [s], the last without end; above what [s] nothing is dominated."""
    known = points[(points > reference).all(1)]
    known = known[front(known)] if len(known) else known
    return np.append(reference[0], known[:, 0]), np.append(known[:, 1], reference[1])


def _ramp(mean: Floats, spread: Floats, start: Floats) -> Floats:
    """E[max(y - start, 0)], [m, s], of y with mean and standard deviation [m, 1]."""
    from scipy.special import ndtr

    z = (mean - start) / spread
    return np.asarray(spread * (np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi) + z * ndtr(z)))

"""Weighted draws of a posterior that are led from some data to more, and the evidence that comes with it.

What new data say is let in by degrees, each as large as leaves enough draws with weight (P. Del Moral, A. Doucet and
A. Jasra, J. R. Stat. Soc. B 68, 411, 2006). Then draws are chosen anew by weight and moved, along differences of other
draws (C. ter Braak, Stat. Comput. 16, 239, 2006), at times by whole ones, which leads from mode to mode. The product of
the mean weights is the evidence.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Fit = Callable[[Floats], tuple[Floats, Floats]]
"""Of unknowns z [K, D]: the log density of the data known before [K], and of those that are new given them [K]."""
_KEPT, _MOVES, _LEAP, _SMALL = 0.5, 5, 0.15, 1e-3
_DEGREES = 60
"""The most by which new data are let in."""


class LateError(Exception):
    """The draws did not arrive in time."""


@dataclass(frozen=True)
class Draws:
    """Unknowns z [K, D], standard normal beforehand, log weights [K] (normalised), log probability of all data."""

    z: Floats
    log_weights: Floats
    log_evidence: float

    @staticmethod
    def of_prior(count: int, size: int, rng: np.random.Generator) -> Draws:
        """`count` draws before any data."""
        return Draws(rng.normal(size=(count, size)), np.full(count, -math.log(count)), 0.0)

    def even(self, count: int, rng: np.random.Generator) -> Draws:
        """`count` equally likely ones of them."""
        chosen = _systematic(self.log_weights, count, rng)
        return Draws(self.z[chosen], np.full(count, -math.log(count)), self.log_evidence)


def led(draws: Draws, fit: Fit, rng: np.random.Generator, ends: float = math.inf) -> Draws:
    """The draws given the new data too. Raises LateError past the time `ends` (monotonic).

    Where no draw gives the data any probability, the evidence is zero and the draws stay.
    """
    z, weights, evidence, reached = draws.z, draws.log_weights, draws.log_evidence, 0.0
    old, new = fit(z)
    for degree in range(_DEGREES):
        step = _next_step(weights, new, 1.0 - reached) if degree < _DEGREES - 1 else 1.0 - reached
        raised = weights + step * new
        total = _log_sum(raised)
        if not math.isfinite(total):
            return Draws(z, draws.log_weights, -math.inf)
        reached, weights, evidence = reached + step, raised - total, evidence + total
        if reached >= 1.0 and _effective(weights) >= _KEPT * len(z):
            break
        chosen = _systematic(weights, len(z), rng)
        z, old, new = z[chosen], old[chosen], new[chosen]
        weights = np.full(len(z), -math.log(len(z)))
        for _ in range(_MOVES):
            if time.monotonic() > ends:
                raise LateError
            z, old, new = _moved(z, old, new, reached, fit, rng)
        if reached >= 1.0:
            break
    return Draws(z, weights, evidence)


def _moved(
    z: Floats, old: Floats, new: Floats, reached: float, fit: Fit, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """One proposal for each draw: first for one half along differences of the other, then for that."""
    z, old, new = z.copy(), old.copy(), new.copy()
    order = rng.permutation(len(z))
    half = len(z) // 2
    for mine, others in ((order[:half], order[half:]), (order[half:], order[:half])):
        tried = z[mine] + _differences(z[others], len(mine), rng)
        tried_old, tried_new = fit(tried)
        gain = tried_old - old[mine] + reached * (tried_new - new[mine])
        gain -= 0.5 * (np.square(tried).sum(-1) - np.square(z[mine]).sum(-1))
        taken = np.log(rng.random(len(mine))) < gain
        at = mine[taken]
        z[at], old[at], new[at] = tried[taken], tried_old[taken], tried_new[taken]
    return z, old, new


def _differences(others: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Between two different `others` [m, D], stretched, [count, D]; some as they are, and a little of chance."""
    first = rng.integers(len(others), size=count)
    second = (first + rng.integers(1, len(others), size=count)) % len(others)
    stretch = 2.38 / math.sqrt(2 * others.shape[1]) * np.exp(0.5 * rng.normal(size=count) - 0.3)
    stretch = np.where(rng.random(count) < _LEAP, 1.0, stretch)
    away = others[first] - others[second]
    return np.asarray(stretch[:, None] * away + _SMALL * rng.normal(size=away.shape))


def _next_step(log_weights: Floats, gains: Floats, left: float) -> float:
    """How far to let in what gains [K] say, so that enough draws still carry weight."""
    enough = _KEPT * min(_effective(log_weights), len(gains))
    if _effective(log_weights + left * gains) >= enough:
        return left
    low, high = math.log(left) - 60.0, math.log(left)
    for _ in range(40):
        middle = 0.5 * (low + high)
        fits = _effective(log_weights + math.exp(middle) * gains) >= enough
        low, high = (middle, high) if fits else (low, middle)
    return math.exp(low)


def _effective(log_weights: Floats) -> float:
    """How many equally likely draws these are worth."""
    top = log_weights.max()
    if not math.isfinite(top):
        return 0.0
    weights = np.exp(log_weights - top)
    return float(weights.sum() ** 2 / np.square(weights).sum())


def _log_sum(log_weights: Floats) -> float:
    top = float(log_weights.max())
    return top + math.log(np.exp(log_weights - top).sum()) if math.isfinite(top) else -math.inf


def _systematic(log_weights: Floats, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    weights = np.exp(log_weights - log_weights.max())
    places = (np.arange(count) + rng.uniform()) / count
    return np.minimum(np.searchsorted(np.cumsum(weights / weights.sum()), places), len(weights) - 1)

"""What a Gaussian process with a law for its mean predicts, and how much say the law has: the guard on the prior.

Around the most probable parameters the law is linear in z, and their uncertainty goes into the prediction as that of a
linear mean does (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 2.42). The laws, at each of
their modes, and the plain Gaussian process share the belief by their evidence: the probability of the values, each
predicted from those before it, so that a law that predicts worse than no law loses its say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from agents.bayesian.physics_mean_fit import Floats, JointPosterior, MeanFunction, Mode, Rows, modes
from agents.protocol import AgentError


@dataclass(frozen=True)
class Rival:
    """One mode of one hypothesis with its share of the belief; `mean` None is the plain Gaussian process."""

    mean: MeanFunction | None
    mode: Mode
    share: float


@dataclass(frozen=True)
class Data:
    """Values [n], turned so that the largest is wanted, at candidates `rows` [n] of `inputs` [N, d] (unit cube)."""

    inputs: Floats
    names: tuple[str, ...]
    rows: Rows
    values: Floats
    location: float
    scale: float


def believed(
    data: Data, rivals: Sequence[MeanFunction | None], before: Floats, rng: np.random.Generator, ends: float = math.inf
) -> list[Rival]:
    """Every mode of every rival, with its share; `before` [H] are the rivals' probabilities before any value.

    Raises LateError past the time `ends` (monotonic), and AgentError where not one of them has a mode.
    """
    found: list[tuple[MeanFunction | None, Mode, float]] = []
    for mean, probability in zip(rivals, before, strict=True):
        for mode in modes(_posterior(data, mean), rng, ends):
            found.append((mean, mode, math.log(probability) + mode.log_evidence))
    if not found:
        raise AgentError("neither a law nor a plain Gaussian process can be fitted to these values: check them")
    top = max(log for *_, log in found)
    weights = np.exp([log - top for *_, log in found])
    return [Rival(mean, mode, float(w / weights.sum())) for (mean, mode, _), w in zip(found, weights, strict=True)]


def _posterior(data: Data, mean: MeanFunction | None) -> JointPosterior:
    inputs = data.inputs[data.rows]
    if mean is None:
        return JointPosterior(inputs, (data.values - data.location) / data.scale, data.names)
    return JointPosterior(inputs, data.values / data.scale, data.names, mean, data.rows, data.scale)


class Predicting:
    """The prediction of one rival, in units of the values and turned as they are."""

    def __init__(self, data: Data, rival: Rival) -> None:
        self._data, self._mean, self._mode, self.share = data, rival.mean, rival.mode, rival.share
        self._stretch = math.sqrt(5.0) / rival.mode.lengthscales
        self._zero = data.location if rival.mean is None else 0.0
        self._targets = (data.values - self._zero) / data.scale
        self.noise = data.scale**2 * rival.mode.noise
        """Variance of a single measurement."""
        self._condition(data.rows)

    @property
    def has_law(self) -> bool:
        """Whether it is that of a law."""
        return self._mean is not None

    @property
    def around(self) -> Floats:
        """Covariance of z, [P, P]."""
        return np.asarray(np.linalg.inv(self._open @ self._open.T))

    def ahead(self, pending: Rows) -> Predicting:
        """Itself, once the candidates `pending` will have brought what is expected of them."""
        if len(pending):
            self._targets = np.append(self._targets, (self.at(pending)[0] - self._zero) / self._data.scale)
            self._condition(np.concatenate([self._rows, pending]))
        return self

    def at(self, rows: Rows) -> tuple[Floats, Floats]:
        """Mean and variance, without noise, at candidates `rows` [m]."""
        solved, left, said = self._parts(rows)
        mean = self._mode.constant + said + self._weights @ solved + self._moved @ left
        variance = self._mode.signal - np.square(solved).sum(0) + np.square(left).sum(0)
        scale = self._data.scale
        return self._zero + scale * mean, scale**2 * np.maximum(variance, 1e-12)

    def law_at(self, rows: Rows) -> Floats:
        """What the law says by itself [m]."""
        return self._data.scale * self._law(rows)[0]

    def between(self, rows: Rows, columns: Rows) -> Floats:
        """Posterior covariance [n, m]."""
        (solved, left, _), (others, across, _) = self._parts(rows), self._parts(columns)
        return np.asarray(self._data.scale**2 * (self._signal(rows, columns) - solved.T @ others + left.T @ across))

    def _condition(self, rows: Rows) -> None:
        self._rows = rows
        said, slope = self._law(rows)
        covariance = self._signal(rows, rows) + (self._mode.noise + 1e-10) * np.eye(len(rows))
        self._root = np.linalg.cholesky(covariance)
        self._slope = solve_triangular(self._root, slope, lower=True)
        left = self._targets - self._mode.constant - said
        self._weights = solve_triangular(self._root, left, lower=True)
        self._open = np.linalg.cholesky(np.eye(slope.shape[1]) + self._slope.T @ self._slope)
        # nothing at the mode, until values come that it has not seen
        pull = self._slope.T @ self._weights - self._mode.z
        self._moved = np.linalg.solve(self._open, pull)

    def _parts(self, rows: Rows) -> tuple[Floats, Floats, Floats]:
        """R^-1 k [n, m], the root [P, m] of what the law's parameters leave open, and the law [m]."""
        solved = solve_triangular(self._root, self._signal(self._rows, rows), lower=True)
        said, slope = self._law(rows)
        return solved, np.linalg.solve(self._open, slope.T - self._slope.T @ solved), said

    def _law(self, rows: Rows) -> tuple[Floats, Floats]:
        """The law [m] and its derivative by z [m, P], in standard deviations of the values."""
        if self._mean is None:
            return np.zeros(len(rows)), np.zeros((len(rows), 0))
        said, slope = self._mean.linear(self._mode.z, rows)
        return said / self._data.scale, slope / self._data.scale

    def _signal(self, a: Rows, b: Rows) -> Floats:
        left, right = (self._data.inputs[rows] * self._stretch for rows in (a, b))
        distance = np.sqrt(np.square(left[:, None, :] - right[None, :, :]).sum(-1))
        return np.asarray(self._mode.signal * (1.0 + distance + distance**2 / 3.0) * np.exp(-distance))


def averaged(models: Sequence[Predicting], rows: Rows) -> tuple[Floats, Floats]:
    """Mean and variance [m] of the average over the rivals, their differences included."""
    parts = [(model.share, *model.at(rows)) for model in models]
    mean = np.asarray(sum(w * m for w, m, _ in parts))
    return mean, np.asarray(sum(w * (v + np.square(m - mean)) for w, m, v in parts))

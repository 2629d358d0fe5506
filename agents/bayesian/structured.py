"""A Gaussian process around a law: the law's parameters and the process's own, uncertain together.

The value is law(x; theta) + residual(x) + noise, the residual a Matern 5/2 Gaussian process with little variance: what
the law leaves out is taken up, not forced on its parameters. Without a law there is a constant instead, integrated in
closed form, and more variance: the plain Gaussian process, rival of all laws. Priors are proper, and those of length
scales and noise are the same for all rivals. All that is unknown is written as standard normal numbers z.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.distributions import LogNormal
from physics_priors.laws.law import Law

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
LENGTHSCALE = LogNormal(0.3, 2.0)
"""Of residual or process along an axis, in units of the axis."""
RESIDUAL, SIGNAL, NOISE = LogNormal(0.05, 4.0), LogNormal(1.0, 2.0), LogNormal(0.05, 4.0)
"""Standard deviations of what a law leaves out, of a process without a law, and of a measurement's noise, in units of
the values' spread."""
_EDGE, _WIDEST, _JITTER, _CORNER = 1e-9, 6.0, 1e-10, 1e6
_FAR = 100.0
"""Spreads of the values: a law that is farther off counts as if it were so far off, and has lost in any case."""


class Hypothesis:
    """A law (None: no law at all) as the prior of values at places of the unit cube."""

    def __init__(self, law: Law | None, unit: Floats, x: Floats, location: float, scale: float) -> None:
        """Candidates at `unit` [N, d] of the cube and `x` [N, d] in the law's units; where the values are, how wide."""
        self.law, self._unit, self._x, self._location, self._scale = law, unit, x, location, scale
        axes = [LENGTHSCALE] * unit.shape[1]
        process = (*axes, SIGNAL if law is None else RESIDUAL, NOISE)
        self._logs = np.log([[prior.median for prior in process], [prior.factor for prior in process]])
        self._own = 0 if law is None else len(law.parameters)
        self.size = self._own + len(process)
        """How many numbers are unknown."""

    @property
    def name(self) -> str:
        """What it is called."""
        return "none of them" if self.law is None else self.law.name

    def parameters(self, z: Floats) -> tuple[Floats, Floats]:
        """The law's parameters [K, P] of z [K, size], and length scales, signal and noise [K, d + 2], the last two
        standard deviations in units of `scale`.
        """
        from scipy.special import ndtr

        own, z = z[:, : self._own], np.clip(z[:, self._own :], -_WIDEST, _WIDEST)
        theta = own if self.law is None else self.law.parameters.sample(np.clip(ndtr(own), _EDGE, 1 - _EDGE))
        return theta, np.exp(self._logs[0] + self._logs[1] * z)

    def left_out(self, z: Floats) -> Floats:
        """Standard deviation [K] of what the law leaves out by each z [K, size], in units of the values."""
        return np.asarray(self._scale * self.parameters(z)[1][:, -2])

    def log_densities(self, z: Floats, rows: Rows, values: Floats) -> Floats:
        """Log density [K, n] of each of the values [n], in units of `scale`, at candidates `rows` [n], given those
        before it; -inf where the law has no value.
        """
        theta, process = self.parameters(z)
        residual = (values - self._location) / self._scale - self._said(theta, rows)
        usable: NDArray[np.bool_] = np.asarray(np.isfinite(residual).all(-1))
        count = len(rows)
        # the last row of the root of the covariance, with the residual as a row more, is what it is solved to
        table = np.zeros((len(z), count + 1, count + 1))
        table[:, :count, :count] = self._covariance_of_values(process, rows)
        table[:, count, :count] = np.clip(np.where(usable[:, None], residual, 0.0), -_FAR, _FAR)
        least = np.square(process[:, -1]) + _JITTER
        table[:, count, count] = _CORNER * (1.0 + np.square(table[:, count, :count]).sum(-1) / least)
        root = np.linalg.cholesky(table)
        own = root[:, range(count), range(count)]
        found = -0.5 * np.square(root[:, count, :count]) - np.log(own) - 0.5 * math.log(2 * math.pi)
        return np.where(usable[:, None], found, -np.inf)

    def moments(self, z: Floats, rows: Rows, values: Floats, at: Rows, ahead: Rows) -> tuple[Floats, Floats]:
        """Mean and variance of the value without noise, [K, m], by each z [K, size] at candidates `at` [m], given
        values [n] at `rows` [n]; candidates `ahead` [p] are taken to bring what is expected of them.
        """
        theta, process = self.parameters(z)
        residual = (values - self._location) / self._scale - self._said(theta, rows)
        solved = self._solved(process, rows, at)
        root = np.linalg.cholesky(self._covariance_of_values(process, rows))
        weights = _solve(root, residual[:, :, None])
        mean = self._said(theta, at) + np.einsum("kn,knm->km", weights[:, :, 0], solved)
        known = solved if not len(ahead) else self._solved(process, np.append(rows, ahead), at)
        variance = np.maximum(self._variance(process)[:, None] - np.square(known).sum(1), 1e-12)
        return self._location + self._scale * mean, self._scale**2 * variance

    def _said(self, theta: Floats, rows: Rows) -> Floats:
        """The law [K, m] from `location` on, in units of `scale`; 0 where there is none."""
        if self.law is None:
            return np.zeros((len(theta), len(rows)))
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((self.law.mean(theta, self._x[rows]) - self._location) / self._scale)

    def _solved(self, process: Floats, rows: Rows, at: Rows) -> Floats:
        """R^-1 k(rows, at) [K, n, m]."""
        root = np.linalg.cholesky(self._covariance_of_values(process, rows))
        return _solve(root, self._between(process, rows, at))

    def _covariance_of_values(self, process: Floats, rows: Rows) -> Floats:
        """[K, n, n], noise included; only what is on the diagonal and below it, from which its root is made."""
        below, left = np.tril_indices(len(rows), -1)
        covariance = np.zeros((len(process), len(rows), len(rows)))
        squares = np.square(self._unit[rows[below]] - self._unit[rows[left]])
        covariance[:, below, left] = self._covariance(process, squares.T)
        own = np.square(process[:, -1]) + (1.0 + 1e-8) * self._variance(process) + _JITTER
        diagonal = np.arange(len(rows))
        covariance[:, diagonal, diagonal] = own[:, None]
        return covariance

    def _between(self, process: Floats, a: Rows, b: Rows) -> Floats:
        """Covariance [K, n, m] of the values without noise at candidates `a` [n] and `b` [m]."""
        squares = np.square(self._unit[a].T[:, :, None] - self._unit[b].T[:, None, :])
        found = self._covariance(process, squares.reshape(len(squares), -1))
        return found.reshape(len(process), len(a), len(b))

    def _covariance(self, process: Floats, squares: Floats) -> Floats:
        """Of values without noise [K, p], from squared differences [d, p]: Matern 5/2, and that of the constant where
        there is no law.
        """
        distance = (5.0 / np.square(process[:, :-2])) @ squares
        np.sqrt(distance, out=distance)
        found = distance / 3.0
        found += 1.0
        found *= distance
        found += 1.0
        np.negative(distance, out=distance)
        found *= np.exp(distance, out=distance)
        if self.law is None:
            found += 1.0
        found *= np.square(process[:, -2])[:, None]
        return np.asarray(found)

    def _variance(self, process: Floats) -> Floats:
        """Of the value without noise at any place [K]."""
        return np.asarray((2.0 if self.law is None else 1.0) * np.square(process[:, -2]))


def shares(log_evidence: Floats) -> Floats:
    """Probabilities [H] of equally likely hypotheses from their log evidences [H]."""
    weight = np.exp(log_evidence - log_evidence.max())
    return np.asarray(weight / weight.sum())


def _solve(root: NDArray[Any], right: Floats) -> Floats:
    import torch

    return np.asarray(torch.linalg.solve_triangular(torch.from_numpy(root), torch.from_numpy(right), upper=False))

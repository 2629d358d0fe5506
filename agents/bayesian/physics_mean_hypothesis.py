"""What the values may follow: a law with unknown parameters and what it leaves out, or no law at all.

value = law(x; theta) + constant + residual(x) + noise. theta are quantiles of standard normal numbers, and what is
unknown of the residual and of the noise are medians times exponentials of such, so that the unknowns u [K, D] have one
prior whatever the law. Residual and constant are a Gaussian process with the kernel 2 s^2 prod (1 + k_i) / 2 over the
axes i, k_i Matern 5/2: a constant, main effects of each axis and what is left, all of the same size (after M. Stitson
et al., Support vector regression with ANOVA decomposition kernels, 1999). The components of a patch are one axis.
Without a law it is the plain Gaussian process, the rival of all laws. NumPy is faster here than torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.hyperparameters import LogNormal, groups, lengthscale_priors
from physics_priors.laws.law import Law

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
RESIDUAL, SIGNAL = LogNormal(0.1, 1.1, 1e-4), LogNormal(1.0, 1.0, 1e-3)
"""Standard deviation of what a law leaves out, and of the values where there is no law, in units of the values."""
NOISE = LogNormal(0.1, 1.0, 1e-3)
"""Standard deviation of a measurement's noise, in units of the values."""
_FAR, _WIDER = 0.1, 2.0
"""Chance that a parameter of a law comes from a distribution so many times wider than it is said to."""
_EDGE, _JITTER, _SPAN, _APART, _DRAWS = 1e-9, 1e-10, 1e30, 10.0, 256
_BLOCK = 1 << 15
"""Numbers that are worked on at a time: what a core keeps near it."""


class MeanFunction:
    """A law at the candidates x [N, d] in its own units; `sign` -1 turns it round."""

    def __init__(self, law: Law, x: Floats, sign: float) -> None:
        self.law, self._x, self._sign = law, x, sign
        self.count = len(law.parameters)

    def theta(self, z: Floats) -> Floats:
        """Parameters [..., P] of standard normal numbers."""
        from scipy.special import ndtr

        return self.law.parameters.sample(np.clip(ndtr(z), _EDGE, 1 - _EDGE))

    def at(self, z: Floats, rows: Rows) -> Floats:
        """The law [K, m] for z [K, P] at candidates `rows` [m]; NaN or infinite where it has no value."""
        with np.errstate(all="ignore"):
            return self._sign * self.law.mean(self.theta(z), self._x[rows])

    def spread(self, rows: Rows) -> float:
        """How far the law's values at `rows` [m] lie apart (standard deviation), the median of draws of its prior."""
        z = np.random.default_rng(0).normal(size=(_DRAWS, self.count))
        with np.errstate(invalid="ignore"):
            return float(np.nanmedian(self.at(z, rows).std(-1)))


def unit_of(scale: float, expected: float) -> float:
    """What standard deviations are counted in: what the law expects, unless the first values say something else.

    A few values all of a flat part say little of how far values lie apart; `scale` is their standard deviation.
    """
    if not (math.isfinite(expected) and expected > 0):
        return scale
    return float(np.clip(expected, scale / _APART, scale * _APART))


@dataclass(frozen=True)
class Space:
    """Inputs of all candidates [N, d] in the unit cube with their names; zero and unit of the values."""

    inputs: Floats
    names: tuple[str, ...]
    location: float
    unit: float
    noise: LogNormal = NOISE
    """Standard deviation of a measurement, in units of the values."""


class Hypothesis:
    """A law, or none, as the prior of values at candidates."""

    def __init__(self, mean: MeanFunction | None, space: Space) -> None:
        self.mean, self._space = mean, space
        self.laws_own = 0 if mean is None else mean.count
        self._priors = [*lengthscale_priors(space.names), SIGNAL if mean is None else RESIDUAL, space.noise]
        own = groups(space.names)
        self._parts = [
            part for g in own for part in ([[i] for i in g] if space.names[g[0]].startswith("position") else [g])
        ]
        self.size = self.laws_own + len(self._priors)
        """How many numbers are unknown."""
        self._zero = space.location if mean is None else 0.0

    def drawn(self, count: int, rng: np.random.Generator) -> Floats:
        """Draws of the prior [count, D]; each of the law's parameters may lie far off."""
        u = rng.normal(size=(count, self.size))
        u[:, : self.laws_own] *= np.where(rng.random((count, self.laws_own)) < _FAR, _WIDER, 1.0)
        return u

    def log_prior(self, u: Floats) -> Floats:
        """Log density of the prior [K], but for a constant."""
        squares = -0.5 * np.square(u)
        z = squares[:, : self.laws_own]
        wide = np.logaddexp(z + math.log(1.0 - _FAR), z / _WIDER**2 + math.log(_FAR / _WIDER))
        return np.asarray(wide.sum(-1) + squares[:, self.laws_own :].sum(-1))

    def process(self, u: Floats) -> tuple[Floats, Floats, Floats]:
        """Length scales [K, d], variance of the process [K] and of the noise [K], in units of values squared."""
        own = zip(self._priors, u[:, self.laws_own :].T, strict=True)
        *axes, signal, noise = (np.maximum(p.median * np.exp(p.width * np.clip(z, -9, 9)), p.least) for p, z in own)
        return np.stack(axes, axis=-1), np.square(self._space.unit * signal), np.square(self._space.unit * noise)

    def log_densities(self, u: Floats, rows: Rows, values: Floats) -> Floats:
        """Log density [K, n] of each of the values [n] at candidates `rows` [n], given those before it.

        -inf where the law has no value.
        """
        residual = self.left(u, rows, values)
        usable: NDArray[np.bool_] = np.asarray(np.isfinite(residual).all(-1))
        count = len(rows)
        lengthscales, signal, noise = self.process(u)
        # the last row of the root of the covariance, with the values as a row more, is what they are solved to
        table = np.empty((len(u), count + 1, count + 1))
        table[:, :count, :count] = self.covariance(lengthscales, signal, rows, rows)
        table[:, range(count), range(count)] += self._own(signal, noise)[:, None]
        scale = np.sqrt(2.0 * signal + noise)
        table[:, count, :count] = np.where(usable[:, None], residual, 0.0)
        table[:, count, count] = _SPAN * scale**2 + np.square(table[:, count, :count]).sum(-1) / (_JITTER * noise)
        root = np.linalg.cholesky(table)
        own = root[:, range(count), range(count)]
        found = -0.5 * np.square(root[:, count, :count]) - np.log(own) - 0.5 * math.log(2 * math.pi)
        return np.where(usable[:, None], found, -np.inf)

    def left(self, u: Floats, rows: Rows, values: Floats) -> Floats:
        """What the law leaves of the values [K, n]."""
        return values - self.said(u, rows)

    def said(self, u: Floats, rows: Rows) -> Floats:
        """What the law says, or the middle of the values where there is none, [K, m]."""
        if self.mean is None:
            return np.full((len(u), len(rows)), self._zero)
        return self.mean.at(u[:, : self.laws_own], rows)

    def covariance(self, lengthscales: Floats, signal: Floats, rows: Rows, columns: Rows) -> Floats:
        """Of residual and constant at candidates [K, n, m], without noise."""
        left, right = self._space.inputs[rows], self._space.inputs[columns]
        found = np.broadcast_to(2.0 * signal[:, None, None], (len(signal), len(rows), len(columns))).copy()
        together = max(1, _BLOCK // max(1, found[0].size))
        for part in self._parts:
            squares = np.square(left[:, None, part] - right[None, :, part])
            weights = np.square(1.0 / lengthscales[:, part])
            for first in range(0, len(signal), together):
                some = slice(first, first + together)
                found[some] *= _main_effect(np.tensordot(weights[some], squares, axes=(1, 2)))
        return found

    def variance(self, signal: Floats) -> Floats:
        """Of residual and constant at any candidate [K]."""
        return 2.0 * signal

    def _own(self, signal: Floats, noise: Floats) -> Floats:
        return noise + _JITTER * signal

    def root(self, u: Floats, rows: Rows) -> Floats:
        """Of the covariance of the values at `rows`, noise included, [K, n, n]."""
        lengthscales, signal, noise = self.process(u)
        table = self.covariance(lengthscales, signal, rows, rows)
        table[:, range(len(rows)), range(len(rows))] += self._own(signal, noise)[:, None]
        return np.asarray(np.linalg.cholesky(table))


def _main_effect(squares: Floats) -> Floats:
    """(1 + k) / 2 of Matern 5/2 at squared distances, which are overwritten."""
    distance = np.sqrt(np.multiply(squares, 5.0, out=squares), out=squares)
    found = np.square(distance)
    found /= 3.0
    found += distance
    found += 1.0
    found *= np.exp(np.negative(distance, out=distance), out=distance)
    found *= 0.5
    found += 0.5
    return found

"""The exact partition function of the periodic square lattice of any size (B. Kaufman, Phys. Rev. 76, 1232, 1949).

With it the likelihood of a coupling, or of a temperature, is exact: nothing is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.lattice import Floats

_LARGEST_K, _STEP_K = 2.5, 2e-4


def log_z(rows: int, columns: int, k: Floats) -> Floats:
    """log Z [n] of the torus at couplings k [n] above zero."""
    coupling = np.atleast_1d(np.asarray(k, np.float64))
    if np.any(coupling <= 0) or not np.isfinite(coupling).all():
        raise LatticeError("the exact partition function needs couplings above zero, and finite ones")
    odd = _gammas(rows, np.arange(1, 2 * rows, 2), coupling) * columns / 2
    even = _gammas(rows, np.arange(0, 2 * rows, 2), coupling) * columns / 2
    sign = np.sign(even[:, 0])
    logs = np.stack([_log_cosh(odd), _log_sinh(odd), _log_cosh(even), _log_sinh(even)])
    signs = np.stack([np.ones_like(sign), np.ones_like(sign), np.ones_like(sign), sign])
    top = logs.max(0)
    total = np.log((signs * np.exp(logs - top)).sum(0)) + top
    return np.asarray(rows * columns / 2 * np.log(2 * np.sinh(2 * coupling)) - np.log(2) + total)


def _gammas(rows: int, number: np.ndarray[tuple[int], np.dtype[np.int64]], k: Floats) -> Floats:
    """[n, rows]; the one of number 0 keeps its sign."""
    cosh = (np.cosh(2 * k) / np.tanh(2 * k))[:, None] - np.cos(np.pi * number / rows)
    gamma = np.arccosh(np.maximum(cosh, 1.0))
    zero = number == 0
    gamma[:, zero] = (2 * k + np.log(np.tanh(k)))[:, None]
    return gamma


def _log_cosh(x: Floats) -> Floats:
    return np.asarray((np.abs(x) + np.log1p(np.exp(-2 * np.abs(x)))).sum(1))


def _log_sinh(x: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray((np.abs(x) + np.log1p(-np.exp(-2 * np.abs(x)))).sum(1))


@dataclass(frozen=True)
class CouplingTable:
    """The likelihood of k = J / kT on the periodic square lattice, on a grid of k."""

    rows: int
    columns: int
    k: Floats

    @cached_property
    def log_z(self) -> Floats:
        """log Z at every k."""
        return log_z(self.rows, self.columns, self.k)

    def log_likelihood(self, phi: Floats) -> Floats:
        """[m, n] of summed bond products phi [m] at every k."""
        return np.asarray(np.asarray(phi)[..., None] * self.k - self.log_z)

    def posterior(self, phi: Floats, prior: Floats | None = None) -> Floats:
        """Probabilities [m, n] of the grid's values, for prior weights [n] (all equal)."""
        log = self.log_likelihood(phi) + (0.0 if prior is None else np.log(prior))
        weight = np.exp(log - log.max(-1, keepdims=True))
        return np.asarray(weight / weight.sum(-1, keepdims=True))

    def mean_phi(self) -> Floats:
        """Expected phi [n], the derivative of log Z."""
        return np.asarray(np.gradient(self.log_z, self.k))


def quantiles(values: Floats, weight: Floats, levels: tuple[float, ...]) -> Floats:
    """Quantiles [m, q] of distributions weight [m, n] over a grid of increasing values [n], linear between them."""
    total = np.cumsum(weight, -1) - weight / 2
    return np.stack([np.interp(levels, row, values) for row in np.atleast_2d(total)])


def temperature_interval(phi: float, rows: int, columns: int, level: float = 0.95) -> tuple[float, float, float]:
    """(low, best, high) temperature of a ferromagnet's image in units of J, from its summed bond products `phi`.

    Equal-tailed under a prior that is flat in 1 / T. An image of the ground state has the one-sided interval
    (0, 0, high): at `high` the ground state is seen in the fraction 1 - level of images. High is infinite where
    1 / T = 0 is inside.
    """
    if phi >= 2 * rows * columns:
        return 0.0, 0.0, coldest_bound(rows, columns, level)
    table = _whole_table(rows, columns)
    k = table.k
    weight = table.posterior(np.array([phi]))
    low, high = quantiles(k, weight, ((1 - level) / 2, (1 + level) / 2))[0]
    best = k[weight[0].argmax()]
    return float(1 / high), float(1 / best), float(np.inf if low <= 2 * _STEP_K else 1 / low)


@lru_cache(maxsize=8)
def _whole_table(rows: int, columns: int) -> CouplingTable:
    return CouplingTable(rows, columns, np.linspace(_STEP_K, _LARGEST_K, round(_LARGEST_K / _STEP_K)))


def coldest_bound(rows: int, columns: int, level: float = 0.95) -> float:
    """The temperature at which all spins are equal in the fraction 1 - level of images."""
    k = np.linspace(0.3, _LARGEST_K, 8000)
    ground = np.log(2) + 2 * rows * columns * k - log_z(rows, columns, k)
    return float(1 / np.interp(np.log(1 - level), ground, k))

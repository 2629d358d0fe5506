"""The order parameter of the Ising lattice against temperature."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated

import numpy as np

from physics_priors.bounds import Bounds
from physics_priors.distributions import LogNormal
from physics_priors.ising.closed_form import critical_temperature
from physics_priors.laws.law import Floats
from physics_priors.prior import Parameter, Parameters

_EDGES = np.linspace(-3.0, 3.0, 17)
_STEP, _NODES = 1e-3, 50_001
_GRID = _STEP * np.arange(_NODES)
"""Temperatures in units of the critical one; m vanishes far below their end."""


@cache
def _integral() -> Floats:
    """The integral of m over temperature from zero to each of `_GRID`: smooth where m itself has a cliff."""
    middle = critical_temperature("square") * 0.5 * (_GRID[1:] + _GRID[:-1])
    with np.errstate(over="ignore"):
        order = np.maximum(1.0 - np.sinh(2.0 / np.maximum(middle, 1e-2)) ** -4.0, 0.0) ** 0.125
    return np.concatenate([[0.0], np.cumsum(order * np.diff(_GRID))])


def _integral_at(reduced: Floats) -> Floats:
    """That integral at any temperature, between the nodes of the even grid."""
    table = _integral()
    place = np.clip(reduced / _STEP, 0.0, _NODES - 1)
    below = np.minimum(place.astype(np.int64), _NODES - 2)
    low = table[below]
    return np.asarray(low + (place - below) * (table[below + 1] - low))


@cache
def _shares() -> Floats:
    """Part of a normal distribution between neighbouring `_EDGES`."""
    from scipy.special import ndtr

    parts = np.diff(ndtr(_EDGES))
    return np.asarray(parts / parts.sum())


@dataclass(frozen=True)
class IsingOrder:
    """A (1 - sinh(2 J / T)^-4)^(1/8) below the critical temperature of the square lattice, nothing above (C. N. Yang).

    A finite lattice has no sharp transition: the law is averaged over critical temperatures spread normally by the
    relative width `rounding`. critical_K, amplitude and rounding are (median, factor of one standard deviation) of
    log-normal priors; T is one axis [K].
    """

    critical_K: tuple[float, float] = (600.0, 1.2)
    amplitude: tuple[float, float] = (1.0, 1.2)
    rounding: tuple[float, float] = (0.05, 1.6)
    axis: Annotated[int, Bounds("", 0, 100)] = 0
    name: str = "Ising order"

    def __post_init__(self) -> None:
        for name in ("critical_K", "amplitude", "rounding"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def parameters(self) -> Parameters:
        return Parameters(
            (
                Parameter("critical_K", "K", LogNormal(*self.critical_K)),
                Parameter("amplitude", "", LogNormal(*self.amplitude)),
                Parameter("rounding", "", LogNormal(*self.rounding)),
            )
        )

    def mean(self, theta: Floats, x: Floats) -> Floats:
        spread = np.maximum(1.0 + theta[:, 2, None, None] * _EDGES[:, None], 0.05)
        reduced = x[None, None, :, self.axis] / (theta[:, 0, None, None] * spread)
        between = np.diff(_integral_at(reduced), axis=1) / np.diff(reduced, axis=1)
        return np.asarray(theta[:, 1:2] * np.einsum("k,nkm->nm", _shares(), between))

"""Order parameters at a surface or interface with the extrapolation length lambda: eta - lambda eta' = 0 at z = 0.

The correlation length is L_C = sqrt(g / |a|) of f = a eta^2/2 + b eta^4/4 + g eta'^2/2.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def linear_profile(z: ArrayLike, bulk: float, correlation: float, extrapolation: float) -> Floats:
    """The profile of Borisevich, PRL 109 065702 (2012), linear in the deviation from the bulk."""
    k = math.sqrt(2) / correlation
    return np.asarray(bulk * (1 - np.exp(-k * np.asarray(z, dtype=np.float64)) / (1 + k * extrapolation)))


def surface_ratio(correlation: float, extrapolation: float) -> float:
    """Exact eta(0) / bulk: the positive t with t = (k lambda / 2) (1 - t^2), k = sqrt 2 / L_C."""
    s = math.sqrt(2) * extrapolation / correlation
    return (math.sqrt(1 + s**2) - 1) / s if s else 0.0


def exact_profile(z: ArrayLike, bulk: float, correlation: float, extrapolation: float) -> Floats:
    """Exact profile of the 2-4 polynomial: bulk tanh((z + z0) / (sqrt 2 L_C))."""
    delta = math.sqrt(2) * correlation
    shift = delta * math.atanh(surface_ratio(correlation, extrapolation))
    return np.asarray(bulk * np.tanh((np.asarray(z, dtype=np.float64) + shift) / delta))


def from_fit(decay: float, depth: float) -> tuple[float, float]:
    """L_C and lambda from a fit bulk (1 - depth exp(-z / decay)), the linear form: biased where depth is large."""
    correlation = math.sqrt(2) * decay
    return correlation, (1 / depth - 1) * correlation / math.sqrt(2)


def fit(z: ArrayLike, eta: ArrayLike, *, exact: bool = False) -> tuple[float, float, float]:
    """Bulk value, L_C and lambda by least squares of a measured profile (either form) with equal relative errors."""
    from scipy.optimize import least_squares

    z, eta = np.asarray(z, dtype=np.float64), np.asarray(eta, dtype=np.float64)
    form = exact_profile if exact else linear_profile

    def misfit(p: Floats) -> Floats:
        model = form(z, float(p[0]), math.exp(float(p[1])), math.exp(float(p[2])))
        return np.asarray(eta / model - 1)

    start = np.array([eta.max(), math.log(np.ptp(z) / 8), math.log(np.ptp(z) / 10)])
    found = least_squares(misfit, start).x
    return float(found[0]), math.exp(float(found[1])), math.exp(float(found[2]))

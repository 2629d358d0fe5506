# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Standard normal numbers for compiled kernels, by inversion: each uses one uniform number. Importing loads Numba.

M. J. Wichura, Applied Statistics 37, 477 (1988), algorithm AS 241 (PPND16): about 16 digits.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.draws import uniform

Floats = NDArray[np.float64]
_CENTRAL = 0.425
"""From a half: within, one rational function does."""


@njit(cache=True, forceinline=True, error_model="numpy")
def normal(key: np.uint64, index: np.uint64) -> float:
    """A standard normal number."""
    draw = uniform(key, index)
    return _central(draw - 0.5) if abs(draw - 0.5) <= _CENTRAL else _tail(draw)


@njit(cache=True, forceinline=True, error_model="numpy")
def invert(draws: Floats, out: Floats, count: int) -> None:
    """Standard normal numbers of the first `count` uniform ones.

    First all as if they were central, without branches, so that it is fast, then those that are not.
    """
    for i in range(count):
        out[i] = _central(draws[i] - 0.5)
    for i in range(count):
        if abs(draws[i] - 0.5) > _CENTRAL:
            out[i] = _tail(draws[i])


@njit(cache=True, forceinline=True, error_model="numpy")
def _central(q: float) -> float:
    r = _CENTRAL * _CENTRAL - q * q
    above = 3.3430575583588128105e4 + r * 2.5090809287301226727e3
    above = 4.5921953931549871457e4 + r * (6.7265770927008700853e4 + r * above)
    above = 1.9715909503065514427e3 + r * (1.3731693765509461125e4 + r * above)
    above = 3.3871328727963666080e0 + r * (1.3314166789178437745e2 + r * above)
    below = 2.8729085735721942674e4 + r * 5.2264952788528545610e3
    below = 2.1213794301586595867e4 + r * (3.9307895800092710610e4 + r * below)
    below = 6.8718700749205790830e2 + r * (5.3941960214247511077e3 + r * below)
    below = 1.0 + r * (4.2313330701600911252e1 + r * below)
    return q * above / below


@njit(cache=True, error_model="numpy")
def _tail(draw: float) -> float:
    r = math.sqrt(-math.log(min(draw, 1.0 - draw)))
    far = _far_tail(r - 5.0) if r > 5.0 else _near_tail(r - 1.6)
    return far if draw > 0.5 else -far


@njit(cache=True, error_model="numpy")
def _near_tail(r: float) -> float:
    above = 2.27238449892691845833e-2 + r * 7.74545014278341407640e-4
    above = 1.27045825245236838258e0 + r * (2.41780725177450611770e-1 + r * above)
    above = 5.76949722146069140550e0 + r * (3.64784832476320460504e0 + r * above)
    above = 1.42343711074968357734e0 + r * (4.63033784615654529590e0 + r * above)
    below = 5.47593808499534494600e-4 + r * 1.05075007164441684324e-9
    below = 1.48103976427480074590e-1 + r * (1.51986665636164571966e-2 + r * below)
    below = 1.67638483018380384940e0 + r * (6.89767334985100004550e-1 + r * below)
    return above / (1.0 + r * (2.05319162663775882187e0 + r * below))


@njit(cache=True, error_model="numpy")
def _far_tail(r: float) -> float:
    above = 2.71155556874348757815e-5 + r * 2.01033439929228813265e-7
    above = 2.65321895265761230930e-2 + r * (1.24266094738807843860e-3 + r * above)
    above = 1.78482653991729133580e0 + r * (2.96560571828504891230e-1 + r * above)
    above = 6.65790464350110377720e0 + r * (5.46378491116411436990e0 + r * above)
    below = 1.42151175831644588870e-7 + r * 2.04426310338993978564e-15
    below = 7.86869131145613259100e-4 + r * (1.84631831751005468180e-5 + r * below)
    below = 1.36929880922735805310e-1 + r * (1.48753612908506148525e-2 + r * below)
    return above / (1.0 + r * (5.99832206555887937690e-1 + r * below))

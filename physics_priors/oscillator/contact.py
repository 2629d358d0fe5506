"""Contact resonance: a clamped beam whose tip end is held by the spring of the contact.

The wave number x = k L of a flexural mode obeys k_contact / k_lever = (x^3 / 3) (1 + cos x cosh x) /
(sinh x cos x - sin x cosh x); its frequency is f_free (x / x_free)^2 (Rabe, Janser, Arnold, Rev. Sci. Instrum. 67,
3281 (1996), tip at the very end, normal spring only).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
FREE: Final = (1.8751040687119611, 4.694091132974174, 7.854757438237613)
"""Wave numbers of the free beam: 1 + cos x cosh x = 0."""
PINNED: Final = (3.9266023120479188, 7.068582745628732, 10.210176122813031)
"""Wave numbers of the beam with an infinitely stiff contact: tan x = tanh x."""
_KNOTS: Final = 4096


def stiffness_ratio(wave_number: ArrayLike) -> Floats:
    """Stiffness of the contact in units of the lever's, at which a mode has this wave number."""
    x = np.asarray(wave_number, dtype=np.float64)
    above = 1.0 + np.cos(x) * np.cosh(x)
    below = np.sinh(x) * np.cos(x) - np.sin(x) * np.cosh(x)
    return np.asarray(x**3 / 3.0 * above / below)


def resonance_Hz(free_Hz: ArrayLike, ratio: ArrayLike, mode: int = 0) -> Floats:
    """Contact resonance of a lever of free resonance `free_Hz` (of its first mode) at a stiffness ratio of 0 or more.

    Interpolated in a table of the exact relation, relative error below 1e-6.
    """
    ratios, waves = _table(mode)
    log = np.log1p(np.asarray(ratio, dtype=np.float64))
    wave = np.interp(log, np.log1p(ratios), waves)
    return np.asarray(np.asarray(free_Hz) * np.square(wave / FREE[0]))


def hertz_stiffness_N_m(force_nN: ArrayLike, radius_nm: ArrayLike, reduced_modulus_GPa: ArrayLike) -> Floats:
    """Stiffness of a Hertzian contact, (6 E*^2 R F)^(1/3) [N/m]."""
    product = 6.0 * np.square(np.asarray(reduced_modulus_GPa, dtype=np.float64)) * np.asarray(radius_nm)
    return np.asarray(np.cbrt(product * np.asarray(force_nN)))


@lru_cache(maxsize=8)
def _table(mode: int) -> tuple[Floats, Floats]:
    """Rising stiffness ratios and their wave numbers; denser towards the pinned end, where the ratio diverges."""
    first, last = FREE[mode], PINNED[mode]
    near = 1.0 - np.geomspace(1.0, 1e-7, _KNOTS)
    waves = first + (last - first) * near
    ratios = np.maximum(stiffness_ratio(waves), 0.0)
    ratios[0] = 0.0
    return ratios, waves

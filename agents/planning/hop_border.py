"""Keeping a dopant off the border of the field, across which no look finds it again."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.protocol import Observation
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
NO_BORDER: Final = np.full((2, 2), np.inf)
_WIDE_BONDS: Final = 2.2
"""How far from the border it begins to count."""
_TOLL: Final = 2.0
"""Bonds of progress that a hop gives up for every bond that it goes into that strip."""

_NOTHING: Final = 0.05
"""[bonds] what gains less than that is not worth a dwell."""
_TWO_HOPS: Final = 1.8
"""[bonds] As far do two hops bring it, and a little more."""
_LEAST_NM: Final = 0.04
"""As near to the border the dopant may go where there is no other way."""
_INWARDS: Final = 0.3
"""[bonds] what a hop away from the border gains where no hop gains anything."""


def room_of(observation: Observation, extent_nm: tuple[float, float, float, float] | None) -> Floats:
    """How far the dopant is from the border [axis, side] in nm; infinite where the field is not known."""
    if extent_nm is None or "dopant" not in observation:
        return NO_BORDER
    x0, x1, y0, y1 = extent_nm
    share = 0.5 * (1.0 + np.asarray(observation["dopant"], dtype=np.float64))
    size_nm = np.array([x1 - x0, y1 - y0])
    return np.stack([share * size_nm, (1.0 - share) * size_nm], axis=-1)


def held_back(gain: Floats, neighbours_nm: Floats, room_nm: Floats) -> Floats:
    """What hops to neighbours [k, 2] gain, with what they bring the dopant nearer to the border, or away from it.

    Where nothing would gain then, waiting would cost more than the border does: hops gain what they gain but those that
    leave the field, and where none is left, the one that brings the dopant farthest from the border gains a little.
    """
    after_nm = room_nm + np.stack([neighbours_nm, -neighbours_nm], axis=-1)
    tolled = np.asarray(gain + _toll(room_nm) - _toll(after_nm))
    if not len(gain) or tolled.max() > _NOTHING:
        return tolled
    left_nm = after_nm.min(axis=(-2, -1))
    inside = np.where(left_nm > _LEAST_NM, gain, np.minimum(gain, -1.0) - 1.0)
    if inside.max() <= 0.0:
        inside[int(left_nm.argmax())] = _INWARDS
    return np.asarray(inside)


def near_border(room_nm: Floats) -> bool:
    """Whether two hops may bring the dopant out of the field, for room [axis, side]."""
    return bool(np.min(room_nm) < _TWO_HOPS * BOND_NM)


def _toll(room_nm: Floats) -> Floats:
    """For room [..., axis, side]."""
    nearest = np.min(room_nm, axis=(-2, -1)) / BOND_NM
    return np.asarray(_TOLL * np.maximum(_WIDE_BONDS - nearest, 0.0))

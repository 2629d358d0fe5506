"""Where the trace ends dwells at once although nothing has moved: what the beam stands on is too bright to watch by.

Contamination that the beam has grown does that, or a beam that is nearer to the silicon than is believed. Such places
are remembered from the dopant, and shunned while the dopant is near.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NO_GLARE: Final = np.empty((0, 2))
_WITHIN_NM: Final = 0.025
_FAR_NM: Final = 0.4
_EARLY: Final = 0.7
"""Of the longest dwell: what ended sooner and in vain was ended by the trace."""
_AGAIN: Final = 2
"""How often: once may be noise."""
_LEFT: Final = 0.02
"""What such a place is still worth, so that there is a best one where all are bright."""


def seen_in_vain(glare_nm: Floats, beam_nm: Floats, seconds: float, longest_s: float) -> Floats:
    """The places [n, 2] from the dopant after a dwell in which nothing moved."""
    return np.vstack([glare_nm, beam_nm]) if seconds < _EARLY * longest_s else glare_nm


def carried_along(glare_nm: Floats, way_nm: Floats) -> Floats:
    """The same after the dopant went some way; those far away are forgotten."""
    moved = glare_nm - way_nm
    return np.asarray(moved[np.hypot(*moved.T) < _FAR_NM])


def dimmed(places_nm: Floats, glare_nm: Floats) -> Floats:
    """By what the worth of dwells at places [m, 2] goes down: 1 for those that can be watched."""
    away = np.hypot(*np.moveaxis(places_nm[:, None] - glare_nm[None], -1, 0))
    return np.where((away < _WITHIN_NM).sum(1) >= _AGAIN, _LEFT, 1.0)

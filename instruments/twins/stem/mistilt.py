"""A tilted specimen: every atom is displaced by its depth times the tilt, and deep atoms count less.

Channelling keeps the beam on a column near the entrance and spreads it below, so the image of a tilted column stands
where its first nanometres are: not at the middle of the column, and not at the same depth for every element. The linear
model says this with one attenuation length for each element; `benchmarks.multislice` measures what it has to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instruments.errors import InvalidRequest

Floats = NDArray[np.float64]
ATTENUATION_NM: Final[Mapping[int, float]] = {38: 2.08, 22: 1.14}
"""Attenuation length by element as multislice gave it, for SrTiO3 along [001] at 100 kV, 25 mrad and 80 to 200 mrad
(`stem.multislice_tilt_depth`); for other elements nothing is attenuated."""
_LARGEST_RAD: Final = 0.1


def displaced(positions_nm: Floats, tilt_rad: Floats) -> Floats:
    """Places (x, y) [N, 2] of atoms (x, y, depth) [N, 3] seen by a beam that the specimen is tilted against.

    tilt_rad [2] along x and y: an atom at depth z moves by z tan(tilt). InvalidRequest beyond 0.1 rad, where columns
    are no columns any more.
    """
    tilt = np.asarray(tilt_rad, dtype=np.float64)
    if tilt.shape != (2,) or not np.all(np.abs(tilt) <= _LARGEST_RAD):
        raise InvalidRequest(f"tilt_rad={tilt_rad!r} must be two numbers of at most {_LARGEST_RAD} rad")
    return np.asarray(positions_nm[:, :2] + positions_nm[:, 2:] * np.tan(tilt))


def attenuation(
    positions_nm: Floats, species: NDArray[np.int64], lengths_nm: Mapping[int, float] = ATTENUATION_NM
) -> Floats:
    """Factor [N] of each atom's brightness: exp(-depth / length of its element), 1 where no length is known."""
    lengths = np.array([lengths_nm.get(int(number), np.inf) for number in species])
    return np.asarray(np.exp(-positions_nm[:, 2] / lengths))


def mean_depth_nm(depths_nm: Floats, length_nm: float) -> float:
    """Depth of the centre of a column's image, atoms at `depths_nm` [n]: its shift for each radian of a small tilt."""
    if not (length_nm > 0 and len(depths_nm)):
        raise InvalidRequest("length_nm must be positive, and there must be atoms")
    weight = np.exp(-depths_nm / length_nm)
    return float(np.sum(depths_nm * weight) / np.sum(weight))

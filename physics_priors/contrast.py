"""How bright an atom is in an annular dark field: Z to the power gamma, times a cross-section.

gamma is 1.64 for a medium-angle detector (O. L. Krivanek et al., Nature 464, 571, 2010) and rises to 2 towards high
angles; the cross-section of carbon, 1e-3 to 1e-2 square angstrom at 60 kV, is an instrument's to calibrate.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

MEDIUM_ANGLE: Final = 1.64
HEAVIEST: Final = 118
_CARBON: Final = 6


def relative(species: ArrayLike, gamma: float = MEDIUM_ANGLE) -> NDArray[np.float64]:
    """Z^gamma of atomic numbers; 0, an empty site, gives nothing; ValueError where there is no such element."""
    return np.asarray(elements(species).astype(np.float64) ** gamma)


def cross_section_nm2(species: ArrayLike, carbon_nm2: float, gamma: float = MEDIUM_ANGLE) -> NDArray[np.float64]:
    """Cross-section [nm^2] for scattering onto the detector, given that of carbon."""
    return np.asarray(carbon_nm2 * relative(species, gamma) / relative(_CARBON, gamma))


def elements(species: ArrayLike) -> NDArray[np.int64]:
    """The atomic numbers as whole numbers; ValueError where there is no such element."""
    numbers = np.asarray(species)
    if not np.issubdtype(numbers.dtype, np.integer) or np.any((numbers < 0) | (numbers > HEAVIEST)):
        raise ValueError(f"unknown element: atomic numbers are whole and from 1 to {HEAVIEST} (0 is an empty site)")
    return numbers.astype(np.int64)

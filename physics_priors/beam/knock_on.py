"""Knock-on of an atom at rest: the McKinley-Feshbach cross section, in barn.

W. A. McKinley and H. Feshbach, Phys. Rev. 74, 1759 (1948), integrated from the displacement energy to the largest
transfer as in F. Banhart, Rep. Prog. Phys. 62, 1181 (1999), eq. 5. Good for light atoms (Z up to about 28).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.electron import ALPHA, BOHR_NM, REST_ENERGY_EV, RYDBERG_EV, beta, largest_transfer_eV

Floats = NDArray[np.float64]

BARN_NM2: Final = 1e-10
BARN_A2: Final = 1e-8
HEAVIEST: Final = 28
"""Largest atomic number for which the expansion in Z alpha is used."""


def mckinley_feshbach_barn(
    energy_keV: ArrayLike, atomic_number: int, mass_u: ArrayLike, displacement_eV: ArrayLike
) -> Floats:
    """Cross section [barn] for giving an atom at rest more than the displacement energy; exactly 0 below threshold."""
    return above_barn(energy_keV, atomic_number, largest_transfer_eV(energy_keV, mass_u), displacement_eV)


def above_barn(energy_keV: ArrayLike, atomic_number: int, largest_eV: ArrayLike, displacement_eV: ArrayLike) -> Floats:
    """As `mckinley_feshbach_barn` for a given largest transfer [eV], which may be that of a moving atom."""
    needed, largest = positive(displacement_eV, "displacement_eV"), np.asarray(largest_eV, dtype=np.float64)
    speed, z = beta(energy_keV), light(atomic_number)
    x = np.minimum(needed / largest, 1.0)
    spin = np.pi * z * ALPHA * speed
    bracket = 1 + 2 * spin * np.sqrt(x) - x * (1 + 2 * spin + (speed**2 + spin) * np.log(1 / x))
    return np.asarray(_scale_barn(z, speed) * np.where(x < 1.0, bracket / x, 0.0))


def differential_barn_eV(
    energy_keV: ArrayLike, atomic_number: int, mass_u: ArrayLike, transfer_eV: ArrayLike
) -> Floats:
    """Cross section per transferred energy [barn / eV]; 0 above the largest transfer."""
    speed, z = beta(energy_keV), light(atomic_number)
    largest, given = largest_transfer_eV(energy_keV, mass_u), positive(transfer_eV, "transfer_eV")
    x = given / largest
    shape = 1 - speed**2 * x + np.pi * ALPHA * z * speed * (np.sqrt(x) - x)
    return np.asarray(_scale_barn(z, speed) * largest / given**2 * np.where(x <= 1.0, shape, 0.0))


def planar_escape_eV(displacement_eV: ArrayLike, largest_eV: ArrayLike) -> Floats:
    """Energy [eV] to put in the place of the displacement energy for sputtering from a surface at normal incidence.

    Only the recoil's part along the beam helps it over a planar barrier: the root of the two energies' product.
    """
    return np.sqrt(positive(displacement_eV, "displacement_eV") * positive(largest_eV, "largest_eV"))


def light(atomic_number: int) -> int:
    """The atomic number itself; raises ValueError where it is no light element's."""
    if not 1 <= atomic_number <= HEAVIEST:
        raise ValueError(f"atomic_number={atomic_number}: McKinley-Feshbach holds for 1 to {HEAVIEST}; use Mott tables")
    return atomic_number


def positive(value: ArrayLike, name: str) -> Floats:
    """The value as an array; raises ValueError unless all of it is above 0."""
    array = np.asarray(value, dtype=np.float64)
    if not np.all(array > 0):
        raise ValueError(f"{name}={value!r} must be above 0")
    return array


def not_negative(value: ArrayLike, name: str) -> Floats:
    """The value as an array; raises ValueError where it is below 0 or no number."""
    array = np.asarray(value, dtype=np.float64)
    if not np.all(array >= 0):
        raise ValueError(f"{name}={value!r} must not be below 0")
    return array


def _scale_barn(atomic_number: int, speed: Floats) -> Floats:
    length_nm = 2 * atomic_number * RYDBERG_EV / REST_ENERGY_EV * BOHR_NM
    return np.asarray(np.pi * length_nm**2 / BARN_NM2 * (1 - speed**2) / speed**4)

"""Several dopants followed from look to look, in the survey's frame, which the lattice is brought back to.

Lengths in nm. Ground is a place less how far the lattice is now from where the survey saw it. Which atom is which does
not follow from a look: each dopant seen is taken for the one that makes the way of all of them shortest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from environments.lattice import matched, median_shift, picked

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_SAME_SITE_BONDS = 0.35
_BESIDE_BONDS = 1.35
NEIGHBOURS = 3


@dataclass(frozen=True)
class Dopants:
    """ground_nm [B, k, 2] of each, near_nm [B, k, 3, 2] the ways to its neighbours (NaN for none), home_nm [B, 2]."""

    ground_nm: Floats
    near_nm: Floats
    home_nm: Floats

    @staticmethod
    def nothing(rows: int, count: int, place_nm: tuple[float, float]) -> Dopants:
        """Before the survey: all at one place."""
        ground = np.tile(np.array(place_nm, dtype=np.float64), (rows, count, 1))
        return Dopants(ground, np.full((rows, count, NEIGHBOURS, 2), np.nan), np.zeros((rows, 2)))

    @property
    def now_nm(self) -> Floats:
        """Where they are now [B, k, 2]."""
        return np.asarray(self.ground_nm + self.home_nm[:, None])


@dataclass(frozen=True)
class Look:
    """Atoms [B, n] of looks: which rows [B] there is one of, and whether each dopant [B, k] may and must be in it."""

    position_nm: Floats
    species: Floats
    rows: Bools
    may: Bools
    must: Bools


def found(position_nm: Floats, species: Floats, element: int, place_nm: Floats, count: int) -> tuple[Floats, Bools]:
    """The `count` dopants nearest to a place [2], [B, count, 2], and in which rows [B] there are as many."""
    ground = np.tile(place_nm, (len(position_nm), count, 1))
    enough = np.zeros(len(position_nm), dtype=bool)
    for row, (position, kind) in enumerate(zip(position_nm, species, strict=True)):
        there = position[kind == element]
        away = np.hypot(*(there - place_nm).T)
        nearest = there[np.argsort(away, kind="stable")[:count]]
        ground[row, : len(nearest)], enough[row] = nearest, len(nearest) == count
    return ground, enough


def followed(known: Dopants, look: Look, lattice_nm: Floats, element: int, bond_nm: float) -> tuple[Dopants, Bools]:
    """The dopants after looks, and which of them [B, k] should have been in one and were not.

    lattice_nm [B, C, 2] is the survey's. A dopant that was not in a look stays where it was seen last.
    """
    rows = np.flatnonzero(look.rows)
    missing = np.zeros(look.may.shape, dtype=bool)
    if not len(rows):
        return known, missing
    home, ground, near = known.home_nm.copy(), known.ground_nm.copy(), known.near_nm.copy()
    position = look.position_nm[rows]
    index = matched(lattice_nm[rows], position, home[rows], _SAME_SITE_BONDS * bond_nm)
    home[rows] = median_shift(lattice_nm[rows], picked(position, index), home[rows])
    for row in rows:
        there = np.isfinite(look.position_nm[row, :, 0])
        atoms = look.position_nm[row, there] - home[row]
        own = np.flatnonzero(look.species[row, there] == element)
        asked = np.flatnonzero(look.may[row])
        chosen, seen = linear_sum_assignment(distances(ground[row, asked], atoms[own]))
        missing[row] = look.must[row]
        for dopant, atom in zip(asked[chosen], own[seen], strict=True):
            ground[row, dopant], missing[row, dopant] = atoms[atom], False
            if look.must[row, dopant]:
                near[row, dopant] = _neighbours(atoms, int(atom), bond_nm)
    return Dopants(ground, near, home), missing


def distances(some_nm: Floats, others_nm: Floats) -> Floats:
    """Between places [..., m, 2] and [..., n, 2]: [..., m, n]."""
    return np.asarray(np.linalg.norm(some_nm[..., :, None, :] - others_nm[..., None, :, :], axis=-1))


def shortest(away: Floats) -> Floats:
    """The sum [B] of distances [B, k, k] of the best assignment of dopants to targets."""
    return np.array([one[linear_sum_assignment(one)].sum() for one in away])


def _neighbours(atoms: Floats, own: int, bond_nm: float) -> Floats:
    """Ways [3, 2] to the atoms beside one, in the order of the look; NaN where there are fewer."""
    ways = atoms - atoms[own]
    away = np.hypot(*ways.T)
    beside = ways[(away < _BESIDE_BONDS * bond_nm) & (away > 0.0)][:NEIGHBOURS]
    return np.pad(beside, [(0, NEIGHBOURS - len(beside)), (0, 0)], constant_values=np.nan)

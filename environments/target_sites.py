"""Sites of a survey as targets of several dopants: at random, or next to places that are given. Lengths in nm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.dopants import distances
from instruments.keys import Keys

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """How far a target is from its dopant, at least and at most, from other targets, and from the border."""

    nearest_nm: float
    farthest_nm: float
    apart_nm: float
    margin_nm: float
    bond_nm: float


def sites_at_random(
    keys: Keys, rows: NDArray[np.bool_], lattice_nm: Floats, dopants_nm: Floats, low_nm: Floats, high_nm: Floats,
    wanted: Wanted,
) -> Floats:  # fmt: skip
    """A target [B, k, 2] for each dopant [B, k, 2] in the wanted rows [B], among the atoms [B, C, 2] of the survey.

    Drawn as those of `move_dopant`. Where no site is as wanted, any that is deep enough; else the dopant's own place.
    """
    from environments import dopant_kernel

    free, targets, still = lattice_nm.copy(), dopants_nm.copy(), np.zeros((len(keys), 2))
    for number in range(dopants_nm.shape[1]):
        numbers, target = np.zeros((len(keys), dopant_kernel.NUMBERS)), targets[:, number].copy()
        numbers[:, dopant_kernel.REACHED] = number
        dopant_kernel.choose(
            rows, keys, free, still, dopants_nm[:, number].copy(), low_nm, high_nm, wanted.margin_nm,
            wanted.nearest_nm, wanted.farthest_nm, wanted.bond_nm, target, numbers,
        )  # fmt: skip
        targets[:, number] = target
        free[np.linalg.norm(free - target[:, None], axis=-1) < wanted.apart_nm] = np.nan
    return targets


def sites_next_to(places_nm: Floats, lattice_nm: Floats) -> Floats:
    """The sites [B, k, 2] of the survey next to places [k, 2]; the places themselves where there is none."""
    there = [sites[np.isfinite(sites[:, 0])] for sites in lattice_nm]
    return np.array([s[distances(places_nm, s).argmin(-1)] if len(s) else places_nm for s in there])

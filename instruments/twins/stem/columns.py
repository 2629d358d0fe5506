"""Columns of atoms along the beam, and how an ideal detector sees them in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.keys import Keys
from instruments.requests import ScanImage
from instruments.twins.stem.samples.sites import Sites

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SEEN: Final = 3.0
"""Standard deviations of the counts that a column must stand out by."""
_SAME_NM: Final = 1e-3


@dataclass(frozen=True)
class Columns:
    """Places [C, 2] nm of a sample's columns, and the column [N] that every site belongs to."""

    positions_nm: Floats
    of_site: Ints

    def strength(self, species: Ints, cross_section_nm2: Floats) -> Floats:
        """Scattering cross section [C] of the atoms that are there."""
        return np.asarray(np.bincount(self.of_site, cross_section_nm2[species], minlength=len(self.positions_nm)))

    def heaviest(self, species: Ints) -> Ints:
        """Largest atomic number [C] in each column, 0 where it is empty."""
        largest = np.zeros(len(self.positions_nm), dtype=np.int64)
        np.maximum.at(largest, self.of_site, species)
        return largest


@dataclass(frozen=True)
class Look:
    """What a frame does to every column: fluence [B] e/nm^2, and counts per electron, all [B, C].

    bright is what is seen with the probe on the column, own its atoms' cross section [nm^2], heavy its largest atomic
    number; moved [B, 2] is what was added to a place in the frame to reach the material; `peak` [1/nm^2] the density
    in the middle of an atom's image.
    """

    fluence: Floats
    bright: Floats
    own: Floats
    heavy: Ints
    moved: Floats
    peak: float


def columns_of(sites: Sites) -> Columns:
    """The columns of a sample, in the order of their first site."""
    cells = np.round(sites.positions_nm[:, :2] / _SAME_NM).astype(np.int64)
    _, first, which = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return Columns(np.ascontiguousarray(sites.positions_nm[first[order], :2]), rank[which.ravel()])


def seen(columns: Columns, frames: Sequence[ScanImage], look: Look, keys: Keys, noisy: bool) -> dict[str, Floats]:
    """Position [B, C, 2] nm, intensity [B, C] in counts per electron, and species; NaN where nothing is seen.

    A column is seen in an area of 1 / peak: its counts there are Poisson, its position as uncertain as the centre of
    that many counts, and it is missing where its own counts do not stand out by `SEEN` standard deviations.
    """
    from instruments.twins.draws import poisson_counts

    dose = look.fluence[:, None]
    expected = dose * look.bright / look.peak
    counts = poisson_counts(expected, random.fold(keys, 0)) if noisy else expected
    own = dose * look.own
    spread = np.sqrt(np.maximum(expected, 1e-9)) / np.maximum(own, 1e-9) / np.sqrt(2.0 * np.pi * look.peak)
    away = random.normal(random.fold(keys, 1), 2 * own.shape[1]).reshape(*own.shape, 2) if noisy else 0.0
    place = columns.positions_nm - look.moved[:, None] + spread[..., None] * away
    there = (own > SEEN * np.sqrt(np.maximum(expected, 1e-9))) & _inside(
        columns.positions_nm - look.moved[:, None], frames
    )
    return {
        "position": np.where(there[..., None], place, np.nan),
        "intensity": np.where(there, counts * look.peak / np.maximum(dose, 1e-9), np.nan),
        "species": np.where(there, look.heavy.astype(np.float64), np.nan),
    }


def _inside(places: Floats, frames: Sequence[ScanImage]) -> NDArray[np.bool_]:
    """Which places [B, C, 2] lie in the frame of their row."""
    turn = -np.array([frame.rotation_rad for frame in frames])[:, None]
    away = places - np.array([frame.center_nm for frame in frames])[:, None]
    x, y = away[..., 0], away[..., 1]
    along = np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y], axis=-1)
    half = np.array([frame.size_nm for frame in frames])[:, None] / 2
    return np.asarray((np.abs(along) <= half).all(axis=-1))

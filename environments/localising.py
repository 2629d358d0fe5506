"""Where atoms are, from several looks at different doses, and how well that is known, from how looks disagree.

The variance of a position goes with one over fluence times brightness. By how much is not assumed: it is learned from
the scatter between looks, pooled over all atoms of a kind, since neighbours' tails make dim kinds worse than their
brightness says. Every look is registered to the others by its median displacement, so what is known is where atoms are
relative to the others of their looks: the frame's own place follows the drift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from environments.lattice import matched, median_shift, picked

Floats = NDArray[np.float64]
MATCH_NM = 0.09
_FEWEST = 5
"""Atoms that a look must share with what is known to be registered by itself."""


@dataclass(frozen=True)
class Located:
    """B rows of C atoms, found in the first look; NaN pads."""

    places_nm: Floats
    """[B, C, 2] mean of all looks, by fluence."""
    fluence: Floats
    """[B, C] e/nm^2 of all looks in which the atom was seen."""
    bright: Floats
    """[B, C] mean brightness, by fluence."""
    kind: NDArray[np.int64]
    """[B, C] atomic number, or the octave of brightness where that is not known; 0 pads."""
    scatter: Floats
    """[B, C, 2]: sums of squared displacements between looks, scaled to a brightness and fluence of 1, and how many."""
    shift_nm: Floats
    """[B, 2] where atoms are now, less `places_nm`."""
    lost: NDArray[np.bool_]
    """[B, C] was it missing in the last look that covered it."""

    @property
    def sd_nm(self) -> Floats:
        """Standard deviation [B, C] of each coordinate; infinite before two looks disagreed, and for what is lost."""
        sums, count = _pooled(self.scatter[..., 0], self.kind), _pooled(self.scatter[..., 1], self.kind)
        unit = np.where(count > 0, sums / np.maximum(count, 1.0), np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.lost, np.inf, np.sqrt(unit / (self.bright * self.fluence)))


def first(position_nm: Floats, intensity: Floats, fluence: Floats, species: Floats | None = None) -> Located:
    """After a single look with a fluence [B] e/nm^2; species [B, C] where they are known, else NaN."""
    there = np.isfinite(position_nm[..., 0])
    dose = np.where(there, fluence[:, None], np.nan)
    bright = np.where(there, np.where(np.isfinite(intensity), intensity, 1.0), np.nan)
    kind = np.where(there, _kinds(bright, species), 0)
    nothing, shift = np.zeros((*there.shape, 2)), np.zeros((len(position_nm), 2))
    return Located(position_nm, dose, bright, kind, nothing, shift, np.zeros(there.shape, dtype=bool))


def updated(
    known: Located, position_nm: Floats, intensity: Floats, fluence: Floats, covered: NDArray[np.bool_]
) -> Located:
    """After another look; `covered` [B, C] says which atoms its frame held for certain."""
    index = matched(known.places_nm, position_nm, known.shift_nm, MATCH_NM)
    seen, bright = picked(position_nm, index), picked(intensity[..., None], index)[..., 0]
    bright = np.where(np.isfinite(bright), bright, known.bright)
    enough = np.isfinite(seen[..., 0]).sum(axis=1) >= _FEWEST
    shift = np.where(enough[:, None], median_shift(known.places_nm, seen, known.shift_nm), known.shift_nm)
    there, dose = np.isfinite(seen[..., 0]), np.broadcast_to(fluence[:, None], known.fluence.shape)
    away = seen - shift[:, None] - known.places_nm
    share = np.where(there, dose / (dose + known.fluence), 0.0)
    return replace(
        known,
        places_nm=known.places_nm + share[..., None] * np.where(there[..., None], away, 0.0),
        bright=known.bright + share * np.where(there, bright - known.bright, 0.0),
        fluence=known.fluence + np.where(there, dose, 0.0),
        scatter=known.scatter + _scatter(known, away, there, dose),
        shift_nm=shift,
        lost=(known.lost & ~there) | (covered & ~there & np.isfinite(known.fluence)),
    )


def _scatter(known: Located, away: Floats, there: NDArray[np.bool_], dose: Floats) -> Floats:
    """What displacements [B, C, 2] add to `scatter`: each has the variances of both looks."""
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.square(away).sum(-1) * known.bright / (1.0 / dose + 1.0 / known.fluence)
    return np.stack([np.where(there, unit, 0.0), 2.0 * there], axis=-1)


def _kinds(bright: Floats, species: Floats | None) -> NDArray[np.int64]:
    """Atomic numbers, or octaves of brightness below zero where they are not known."""
    known = np.full(bright.shape, np.nan) if species is None else species
    with np.errstate(divide="ignore", invalid="ignore"):
        octave = np.floor(np.nan_to_num(np.log2(bright), nan=0.0, posinf=0.0, neginf=0.0))
    return np.where(np.isfinite(known), np.nan_to_num(known), octave - 1000.0).astype(np.int64)


def _pooled(values: Floats, kind: NDArray[np.int64]) -> Floats:
    """The sum [B, C] of the values of all atoms of a row that are of the same kind."""
    out = np.zeros(values.shape)
    for row, kinds in enumerate(kind):
        _, which = np.unique(kinds, return_inverse=True)
        out[row] = np.bincount(which, values[row])[which] if len(which) else 0.0
    return out

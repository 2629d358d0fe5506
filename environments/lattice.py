"""Atoms found in one look matched with those of another, and what became of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instruments.batch import ResultBatch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def atoms_of(result: ResultBatch, rows: int) -> tuple[Floats, Floats, Floats]:
    """Positions [B, n, 2] nm, intensities and species [B, n] of AtomPositions; n is 0 where nothing usable came."""
    if "position" not in result.values:
        return np.empty((rows, 0, 2)), np.empty((rows, 0)), np.empty((rows, 0))
    position = np.asarray(result.values["position"], dtype=np.float64)
    unknown = np.full(position.shape[:2], np.nan)
    others = (np.asarray(result.values.get(name, unknown), dtype=np.float64) for name in ("intensity", "species"))
    intensity, species = others
    return position, intensity, species


def matched(known_nm: Floats, found_nm: Floats, shift_nm: Floats, reach_nm: float) -> Ints:
    """Index [B, C] into the found atoms [B, n, 2] of each known one [B, C, 2] moved by `shift_nm` [B, 2]; -1: none.

    Each takes the nearest within reach.
    """
    from scipy.spatial import cKDTree

    index = np.full(known_nm.shape[:2], -1, dtype=np.int64)
    for row, (known, found) in enumerate(zip(known_nm + shift_nm[:, None], found_nm, strict=True)):
        there, asked = (np.flatnonzero(np.isfinite(places[:, 0])) for places in (found, known))
        if len(there) and len(asked):
            tree = cKDTree(found[there])
            distance, nearest = (np.asarray(a) for a in tree.query(known[asked], distance_upper_bound=reach_nm))
            near = np.isfinite(distance)
            index[row, asked[near]] = there[nearest[near]]
    return index


def picked(values: Floats, index: Ints) -> Floats:
    """Values [B, n, ...] by an index [B, C], NaN where it is -1."""
    if values.shape[1] == 0:
        return np.full((*index.shape, *values.shape[2:]), np.nan)
    rows = np.arange(len(index))[:, None]
    chosen = values[rows, np.maximum(index, 0)]
    return np.where((index >= 0).reshape(*index.shape, *[1] * (values.ndim - 2)), chosen, np.nan)


def median_shift(known_nm: Floats, seen_nm: Floats, before_nm: Floats) -> Floats:
    """Median way [B, 2] from known atoms [B, C, 2] to where they were seen; `before_nm` where none was."""
    after = before_nm.copy()
    for row, way in enumerate(seen_nm - known_nm):
        kept = way[np.isfinite(way[:, 0])]
        if len(kept):
            after[row] = np.median(kept, axis=0)
    return after


def row_medians(values: Floats, where: NDArray[np.bool_], other: float) -> Floats:
    """Median [B] of values [B, n] where they count and are finite; `other` where there is none."""
    kept = [row[mask & np.isfinite(row)] for row, mask in zip(values, where, strict=True)]
    return np.array([np.median(row) if len(row) else other for row in kept])

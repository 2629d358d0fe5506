# mypy: disable-error-code="untyped-decorator, no-any-return"
"""What a survey of the whole field says of many samples, compiled: atoms near a place, how bright atoms are.

Importing this loads Numba. Lengths in nm.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def closest(position: Floats, place: Floats, most: int) -> Floats:
    """The atoms [B, at most `most`, 2] of a survey [B, n, 2] that are nearest to a place [B, 2], nearest first.

    NaN where a survey has fewer.
    """
    count = min(most, position.shape[1])
    found, away = np.full((len(position), count, 2), np.nan), np.empty(count)
    for b in range(len(position)):
        kept = 0
        for n in range(position.shape[1]):
            distance = (position[b, n, 0] - place[b, 0]) ** 2 + (position[b, n, 1] - place[b, 1]) ** 2
            if not np.isfinite(distance) or (kept == count and distance >= away[kept - 1]):
                continue
            m = kept if kept < count else count - 1
            while m > 0 and away[m - 1] > distance:
                away[m], found[b, m, 0], found[b, m, 1] = away[m - 1], found[b, m - 1, 0], found[b, m - 1, 1]
                m -= 1
            away[m], found[b, m, 0], found[b, m, 1] = distance, position[b, n, 0], position[b, n, 1]
            kept = min(kept + 1, count)
    return found


@njit(cache=True, error_model="numpy")
def brightness(intensity: Floats, species: Floats, element: int) -> Floats:
    """Median intensity [B, 2] of an element and of all others in surveys [B, n]; NaN where there is none."""
    medians, values = np.full((len(species), 2), np.nan), np.empty((2, species.shape[1]))
    for b in range(len(species)):
        own = others = 0
        for n in range(species.shape[1]):
            if not np.isfinite(intensity[b, n]) or np.isnan(species[b, n]):
                continue
            if species[b, n] == element:
                values[0, own] = intensity[b, n]
                own += 1
            else:
                values[1, others] = intensity[b, n]
                others += 1
        if own > 0:
            medians[b, 0] = np.median(values[0, :own])
        if others > 0:
            medians[b, 1] = np.median(values[1, :others])
    return medians

# mypy: disable-error-code="untyped-decorator, no-any-return"
"""What the kernels know about the atoms of a world, kept from request to request. Importing loads Numba.

Pairs and odd sites change with events only. To list them anew is to look through all sites and to draw the disorder
of some again; to copy them from the latest list is ten times faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.stem.event_pairs import find_pairs_here
from instruments.twins.stem.event_tuples import (
    COUNT,
    DIFFERENT,
    MOST_ODD,
    MOST_PAIRS,
    ODD,
    PAIR,
    PAIRS,
    REMEMBERED,
    VACANCIES,
    WORK,
)  # fmt: skip

Floats = NDArray[np.float64]
_KNOWN, _COUNT, _VACANCIES, _DIFFERENT, _FIRST_ODD = range(5)
_FIRST_PAIR = _FIRST_ODD + 3 * MOST_ODD
"""Of what is remembered: whether something is known, how many of what, where the odd sites and the pairs begin."""


@njit(cache=True)
def find_pairs(site_key: np.uint64, world: Any, shared: Any, strength: Floats) -> None:
    """List what there is, and remember it; in a place of its own, so that kernels stay small."""
    find_pairs_here(site_key, world, shared, strength)
    kept, work = world[REMEMBERED], world[WORK]
    odd, pairs = int(work[DIFFERENT]), int(work[COUNT])
    kept[_KNOWN] = 1.0 if odd <= MOST_ODD and pairs <= MOST_PAIRS else 0.0
    if kept[_KNOWN] == 0.0:
        return
    kept[_COUNT], kept[_VACANCIES], kept[_DIFFERENT] = work[COUNT], work[VACANCIES], work[DIFFERENT]
    for n in range(odd):
        for i in range(3):
            kept[_FIRST_ODD + 3 * n + i] = world[ODD][n, i]
    for n in range(pairs):
        for i in range(PAIR):
            kept[_FIRST_PAIR + PAIR * n + i] = world[PAIRS][n, i]


@njit(cache=True, forceinline=True)
def recall_pairs(site_key: np.uint64, world: Any, shared: Any, strength: Floats) -> None:
    """What was remembered; all is listed anew where nothing was, or where it was too much."""
    kept, work = world[REMEMBERED], world[WORK]
    if kept[_KNOWN] == 0.0:
        find_pairs(site_key, world, shared, strength)
        return
    work[COUNT], work[VACANCIES], work[DIFFERENT] = kept[_COUNT], kept[_VACANCIES], kept[_DIFFERENT]
    odd, pairs = world[ODD], world[PAIRS]
    for n in range(int(kept[_DIFFERENT])):
        for i in range(3):
            odd[n, i] = kept[_FIRST_ODD + 3 * n + i]
    for n in range(int(kept[_COUNT])):
        for i in range(PAIR):
            pairs[n, i] = kept[_FIRST_PAIR + PAIR * n + i]

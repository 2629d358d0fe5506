# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Who stands beside whom in a sulphur sheet: vacancies to hop to, metal that holds, holes that grow; compiled."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.stem.sulphur_world import COLLAPSED

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SULPHUR = 16
_SUPPORT = 2
"""Metal neighbours that a sulphur atom needs; with fewer it goes with the metal."""


@njit(cache=True, inline="always")
def metals(i: int, species: Ints, bonded: Ints) -> int:
    """Metal atoms bonded to a site."""
    found = 0
    for n in range(bonded.shape[1]):
        if bonded[i, n] >= 0 and species[bonded[i, n]] > SULPHUR:
            found += 1
    return found


@njit(cache=True, inline="always")
def supported(i: int, species: Ints, bonded: Ints) -> bool:
    """Whether enough metal holds a sulphur atom there."""
    return metals(i, species, bonded) >= _SUPPORT


@njit(cache=True)
def vacant_neighbours(species: Ints, hops: Ints) -> Ints:
    """For every sulphur, how many sites it could hop to; 0 for the others."""
    found = np.zeros(len(species), np.int64)
    for i in range(len(species)):
        if species[i] == SULPHUR:
            for n in range(hops.shape[1]):
                if hops[i, n] >= 0 and species[hops[i, n]] == 0:
                    found[i] += 1
    return found


@njit(cache=True)
def chosen(i: int, number: int, species: Ints, hops: Ints) -> int:
    """The vacant neighbour of a number, counted from 0."""
    last = -1
    for n in range(hops.shape[1]):
        if hops[i, n] >= 0 and species[hops[i, n]] == 0:
            last = hops[i, n]
            if number == 0:
                return last
            number -= 1
    return last


@njit(cache=True)
def collapse(site: int, species: Ints, bonded: Ints, fewest: int, log: Floats, logged: int, instant: float) -> int:
    """Metal left with fewer than `fewest` sulphur goes, and sulphur left with too little metal goes with it: a hole."""
    open_sites = [site]
    while len(open_sites) > 0:
        gone = open_sites.pop()
        for n in range(bonded.shape[1]):
            i = bonded[gone, n]
            if i < 0 or species[i] == 0:
                continue
            if species[i] == SULPHUR:
                falls = not supported(i, species, bonded)
            else:
                held = 0
                for m in range(bonded.shape[1]):
                    if bonded[i, m] >= 0 and species[bonded[i, m]] == SULPHUR:
                        held += 1
                falls = held < fewest
            if falls:
                species[i] = 0
                logged = noted(log, logged, instant, i, COLLAPSED, -1)
                open_sites.append(i)
    return logged


@njit(cache=True, inline="always")
def noted(log: Floats, logged: int, instant: float, site: int, kind: int, to: int) -> int:
    """Write an event into the log, where there is room; the events ever logged."""
    if logged < len(log):
        log[logged, 0], log[logged, 1], log[logged, 2], log[logged, 3] = instant, site, kind, to
    return logged + 1

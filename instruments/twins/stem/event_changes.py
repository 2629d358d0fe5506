# mypy: disable-error-code="untyped-decorator, no-any-return"
"""What one event does to the atoms of a world, compiled; for the tuples see `event_tuples`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.stem.event_tuples import (
    BONDING,
    CARBON,
    CENTRE,
    EVENT_LOG,
    HIDDEN,
    MOVING,
    NEAR,
    NEIGHBOUR,
    SLOT,
    SPECIES,
)  # fmt: skip
from instruments.twins.stem.world import (
    CAPTURE,
    CAPTURED,
    CLOCK,
    EJECTED,
    FOLDED,
    HOPPED,
    JUMPED,
    KNOCKED,
    LOGGED,
    TURNED,
    TURNED_BACK,
    UNFOLDED,
)  # fmt: skip

Floats = NDArray[np.float64]
Small = NDArray[np.int8]
Ints = NDArray[np.int64]
_KINDS = (EJECTED, FOLDED, UNFOLDED, TURNED, TURNED_BACK, JUMPED)


@njit(cache=True)
def hop_to(c: int, n: int, world: Any) -> None:
    """The dopant of site `c` and the carbon of site `n` change places."""
    species = world[SPECIES]
    _note(world, c, HOPPED, n)
    species[n] = species[c]
    species[c] = CARBON


@njit(cache=True)
def knock(site: int, world: Any, shared: Any) -> None:
    """A carbon atom leaves, and a turned bond of it is turned back."""
    if site < 0:
        return
    bonding = world[BONDING]
    if bonding[site] >= 2:
        bonding[shared[NEAR][site, bonding[site] - 2]] = 0
        bonding[site] = 0
    world[SPECIES][site] = 0
    _note(world, site, KNOCKED, -1)


@njit(cache=True)
def capture(wanted: float, world: Any) -> None:
    """A vacancy, chosen by `wanted`, takes up a carbon adatom."""
    species = world[SPECIES]
    for c in range(len(species)):
        if species[c] == 0:
            wanted -= world[HIDDEN][CAPTURE]
            if wanted < 0.0:
                species[c] = CARBON
                _note(world, c, CAPTURED, -1)
                return


@njit(cache=True)
def do_other(kind: int, pair: Floats, world: Any, shared: Any) -> None:
    """An event of a pair that is no hop: `kind` is its place among the cross sections."""
    c, n, species, bonding = int(pair[CENTRE]), int(pair[NEIGHBOUR]), world[SPECIES], world[BONDING]
    leaves = kind == 0 or kind == 5
    _note(world, n if leaves else c, _KINDS[kind], c if leaves else n)
    if kind == 0:
        species[n] = 0
    elif kind == 1:
        bonding[c] = 1
    elif kind == 2:
        bonding[c] = 0
    elif kind == 3:
        bonding[c] = 2 + int(pair[SLOT])
        bonding[n] = 2 + _slot(n, c, shared)
    elif kind == 4:
        bonding[c] = 0
        bonding[n] = 0
    else:
        species[c] = CARBON
        species[n] = 0


@njit(cache=True)
def _slot(of: int, wanted: int, shared: Any) -> int:
    """Which neighbour of a site another one is."""
    for k in range(shared[NEAR].shape[1]):
        if shared[NEAR][of, k] == wanted:
            return k
    return 0


@njit(cache=True)
def _note(world: Any, site: int, kind: int, to: int) -> None:
    log, moving = world[EVENT_LOG], world[MOVING]
    place = int(moving[LOGGED]) % len(log)
    log[place, 0], log[place, 1], log[place, 2], log[place, 3] = moving[CLOCK], site, kind, to
    moving[LOGGED] += 1.0

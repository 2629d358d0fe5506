# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Centres of events in graphene with the carbons beside them, and the rates that the beam gives each pair, compiled.

For the tuples see `event_tuples`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.normals import normal
from instruments.twins.stem.event_tuples import (
    BLOCK,
    BONDING,
    BOX,
    CARBON,
    CENTRE,
    COUNT,
    CX,
    CY,
    DIFFERENT,
    EACH,
    HIDDEN,
    HIT,
    HOME,
    HOP,
    NEAR,
    NEIGHBOUR,
    ODD,
    PAIRS,
    REACH_NM,
    SILICON,
    SLOT,
    SPECIES,
    UX,
    UY,
    VACANCIES,
    WORK,
    XY,
)  # fmt: skip
from instruments.twins.stem.splines import read
from instruments.twins.stem.world import (
    ANISO_X,
    ANISO_Y,
    DISORDER,
    EJECT,
    FACTOR,
    FOLD,
    JUMP,
    TURN,
    TURN_BACK,
    TURN_SILICON,
    UNFOLD,
)  # fmt: skip

Floats = NDArray[np.float64]
Small = NDArray[np.int8]
Ints = NDArray[np.int64]
_PLAIN = CARBON * 0x0101010101010101
"""Eight carbons."""


@njit(cache=True, forceinline=True, error_model="numpy")
def find_pairs_here(site_key: np.uint64, world: Any, shared: Any, strength: Floats) -> None:
    """List all pairs, count the vacancies, and list what an image has more or less than that of the perfect sheet.

    Sites are looked through by eight, and those by eight again: nearly all are plain carbon.
    """
    species, bonding, work, home = world[SPECIES], world[BONDING], world[WORK], shared[HOME]
    work[COUNT] = work[VACANCIES] = work[DIFFERENT] = 0.0
    words = len(species) // BLOCK
    kinds, bonds = species[: BLOCK * words].view(np.int64), bonding[: BLOCK * words].view(np.int64)
    word = 0
    while word < words:
        if word % BLOCK == 0 and word + BLOCK <= words and _all_plain(word, kinds, bonds, home):
            word += BLOCK
            continue
        if (kinds[word] ^ _PLAIN) | bonds[word] | home[1, word] != 0:
            for c in range(BLOCK * word, BLOCK * word + BLOCK):
                if species[c] != CARBON or bonding[c] >= 2 or home[0, c] != CARBON:
                    _list_site(c, site_key, world, shared, strength)
        word += 1
    for c in range(BLOCK * words, len(species)):
        _list_site(c, site_key, world, shared, strength)


@njit(cache=True, forceinline=True, error_model="numpy")
def _all_plain(first: int, kinds: Ints, bonds: Ints, home: Ints) -> bool:
    """Whether `BLOCK` eights of sites are all plain carbon."""
    odd = 0
    for n in range(first, first + BLOCK):
        odd |= (kinds[n] ^ _PLAIN) | bonds[n] | home[1, n]
    return odd == 0


@njit(cache=True, forceinline=True, error_model="numpy")
def _list_site(c: int, site_key: np.uint64, world: Any, shared: Any, strength: Floats) -> None:
    """What is to be said of one site."""
    species, pairs, work, near = world[SPECIES], world[PAIRS], world[WORK], shared[NEAR]
    if species[c] != shared[HOME][0, c] or world[BONDING][c] >= 2:
        _list_odd(c, world, shared, strength)
    if species[c] == CARBON:
        return
    work[VACANCIES] += species[c] == 0
    count = int(work[COUNT])
    for k in range(near.shape[1]):
        n = near[c, k]
        if n < 0 or species[n] != CARBON:
            continue
        pair = pairs[count]
        if _rates_of(c, n, k, world, pair):
            _places_of(c, n, shared, pair)
            if pair[HOP] > 0.0:
                pair[HOP] *= _strayed(c, k, pair, world[HIDDEN], site_key)
            count += 1
    work[COUNT] = count


@njit(cache=True, forceinline=True, error_model="numpy")
def _list_odd(c: int, world: Any, shared: Any, strength: Floats) -> None:
    """What a site's image has more or less: at its place, and where its atom went."""
    odd, bonding, species, work = world[ODD], world[BONDING], world[SPECIES], world[WORK]
    m = int(work[DIFFERENT])
    odd[m, 0], odd[m, 1], odd[m, 2] = shared[XY][c, 0], shared[XY][c, 1], -strength[shared[HOME][0, c]]
    if bonding[c] >= 2:
        tx, ty = turned(c, bonding[c] - 2, shared)
        odd[m + 1, 0], odd[m + 1, 1], odd[m + 1, 2] = odd[m, 0] + tx, odd[m, 1] + ty, strength[species[c]]
        work[DIFFERENT] += 2.0
        return
    odd[m, 2] += strength[species[c]]
    work[DIFFERENT] += 1.0


@njit(cache=True, forceinline=True, error_model="numpy")
def _rates_of(c: int, n: int, k: int, world: Any, pair: Floats) -> bool:
    """Fill in what a pair can do; whether it can do anything."""
    hidden, species, bonding = world[HIDDEN], world[SPECIES], world[BONDING]
    pair[CENTRE], pair[NEIGHBOUR], pair[SLOT], pair[HOP] = c, n, k, 0.0
    for kind in range(6):
        pair[EACH + kind] = 0.0
    if bonding[c] >= 2:
        if bonding[c] != 2 + k:
            return False
        pair[EACH + 4] = hidden[TURN_BACK]
    elif bonding[n] != 0:
        return False
    elif species[c] == 0:
        pair[EACH], pair[EACH + 5] = hidden[EJECT], hidden[JUMP]
    elif bonding[c] == 1:
        pair[EACH], pair[EACH + 2] = hidden[EJECT], hidden[UNFOLD]
    else:
        pair[HOP] = hidden[FACTOR]
        pair[EACH] = hidden[EJECT]
        if species[c] == SILICON:
            pair[EACH + 1], pair[EACH + 3] = hidden[FOLD], hidden[TURN_SILICON]
        else:
            pair[EACH + 3] = hidden[TURN]
    pair[HIT] = pair[EACH] + pair[EACH + 1] + pair[EACH + 2] + pair[EACH + 3] + pair[EACH + 4] + pair[EACH + 5]
    return pair[HIT] + pair[HOP] > 0.0


@njit(cache=True, forceinline=True, error_model="numpy")
def nearest(x: float, side: float, repeats: float) -> float:
    """A distance along one axis on a sheet that may repeat."""
    if repeats > 0.0 and abs(x) > 0.5 * side:
        x -= side * math.floor(x / side + 0.5)
    return x


@njit(cache=True, forceinline=True, error_model="numpy")
def _places_of(c: int, n: int, shared: Any, pair: Floats) -> None:
    xy, box = shared[XY], shared[BOX]
    pair[CX], pair[CY] = xy[c, 0], xy[c, 1]
    pair[UX] = nearest(xy[n, 0] - xy[c, 0], box[0], box[2])
    pair[UY] = nearest(xy[n, 1] - xy[c, 1], box[1], box[2])


@njit(cache=True, forceinline=True, error_model="numpy")
def _strayed(c: int, k: int, pair: Floats, hidden: Floats, site_key: np.uint64) -> float:
    """Factor of a hop from anisotropy and from the disorder of the site."""
    if hidden[DISORDER] == 0.0 and hidden[ANISO_X] == 0.0 and hidden[ANISO_Y] == 0.0:
        return 1.0
    length = math.sqrt(pair[UX] * pair[UX] + pair[UY] * pair[UY])
    strayed = (hidden[ANISO_X] * pair[UX] + hidden[ANISO_Y] * pair[UY]) / length
    if hidden[DISORDER] > 0.0:
        strayed += hidden[DISORDER] * normal(site_key, np.uint64(16 * c + k))
    return math.exp(strayed)


@njit(cache=True, forceinline=True, error_model="numpy")
def law_rate(along: float, across: float, family: int, parts: Floats, table: Floats, low: float, step: float) -> float:
    """Rate per second and picoampere of a law that is no cross section."""
    if family == 2:
        return _tabulated(table, (along - low) / step, (across - low) / step)
    total = 0.0
    for n in range(len(parts)):
        away = (along - parts[n, 1]) ** 2 + (across - parts[n, 2]) ** 2
        total += parts[n, 0] * math.exp(-away / (2.0 * parts[n, 3] ** 2))
    return total


@njit(cache=True, forceinline=True, error_model="numpy")
def _tabulated(table: Floats, u: float, v: float) -> float:
    i, j = math.floor(u), math.floor(v)
    if i < 0 or j < 0 or i >= table.shape[0] - 1 or j >= table.shape[1] - 1:
        return 0.0
    a, b = u - i, v - j
    first = (1 - b) * table[i, j] + b * table[i, j + 1]
    second = (1 - b) * table[i + 1, j] + b * table[i + 1, j + 1]
    return (1 - a) * first + a * second


@njit(cache=True, forceinline=True, error_model="numpy")
def pair_rates(
    x: float, y: float, current: float, pairs: Floats, p: int, box: Floats, probe: Floats, step: float, family: int,
    parts: Floats, barn_nm2: float, table: Floats, low: float, table_step: float,
) -> Any:  # fmt: skip
    """Rate of a pair's hop, and electrons per nm^2 and second on its neighbour."""
    bx, by = nearest(x - pairs[p, CX], box[0], box[2]), nearest(y - pairs[p, CY], box[1], box[2])
    if bx * bx + by * by > 1.3 * REACH_NM * REACH_NM:
        return 0.0, 0.0
    ux, uy, flux = pairs[p, UX], pairs[p, UY], 0.0
    if pairs[p, HIT] > 0.0 or family == 1:
        middle = probe.shape[0] // 2
        flux = current * box[3] * max(read(probe, middle + (uy - by) / step, middle + (ux - bx) / step), 0.0)
    if pairs[p, HOP] == 0.0:
        return 0.0, flux
    if family == 1:
        return pairs[p, HOP] * barn_nm2 * flux, flux
    inverse = 1.0 / (ux * ux + uy * uy)
    along, across = (bx * ux + by * uy) * inverse, (ux * by - uy * bx) * inverse
    return pairs[p, HOP] * current * law_rate(along, across, family, parts, table, low, table_step), flux


@njit(cache=True, forceinline=True, error_model="numpy")
def pairs_rate(
    x: float, y: float, current: float, pairs: Floats, count: int, box: Floats, probe: Floats, step: float, family: int,
    parts: Floats, barn_nm2: float, table: Floats, low: float, table_step: float,
) -> float:  # fmt: skip
    """Rate of all that pairs can do."""
    total = 0.0
    for p in range(count):
        hop, flux = pair_rates(
            x, y, current, pairs, p, box, probe, step, family, parts, barn_nm2, table, low, table_step
        )
        total += hop + flux * pairs[p, HIT]
    return total


@njit(cache=True, forceinline=True, error_model="numpy")
def turned(c: int, k: int, shared: Any) -> Any:
    """How far an atom is from its site when its bond to neighbour k is turned by a right angle about its middle."""
    xy, box = shared[XY], shared[BOX]
    n = shared[NEAR][c, k]
    ux, uy = nearest(xy[n, 0] - xy[c, 0], box[0], box[2]), nearest(xy[n, 1] - xy[c, 1], box[1], box[2])
    return 0.5 * (ux + uy), 0.5 * (uy - ux)

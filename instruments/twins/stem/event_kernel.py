# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Atoms in graphene under the beam, event by event: exact continuous-time Monte Carlo, compiled.

While the beam stands still all rates are constant; from exposure to exposure they change. A unit exponential number is
used up by the total rate; where it is used up, at that very instant, one event happens, chosen by the rates (the
direct method of D. T. Gillespie, J. Phys. Chem. 81, 2340, 1977, for rates that change with time). So an event does not
know how the exposures were cut. Importing this loads Numba. Lengths in nm, cross sections in nm^2, time in s.

For the tuples see `event_tuples`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.draws import uniform
from instruments.twins.stem.event_books import touch
from instruments.twins.stem.event_changes import capture, do_other, hop_to, knock
from instruments.twins.stem.event_memory import find_pairs
from instruments.twins.stem.event_pairs import nearest, pair_rates, pairs_rate
from instruments.twins.stem.event_tuples import (
    BOX,
    CARBON,
    CELLS,
    CENTRE,
    COUNT,
    DIFFERENT,
    DRAWN,
    EACH,
    HIDDEN,
    LANDED,
    LEFT,
    LISTED,
    MOVING,
    NEIGHBOUR,
    ODD,
    PADDED,
    PAIRS,
    REACH_NM,
    SPECIES,
    VACANCIES,
    WORK,
    XY,
)  # fmt: skip
from instruments.twins.stem.splines import read, spread
from instruments.twins.stem.world import (
    BULK,
    CAPTURE,
    CLOCK,
    CURRENT,
    ELECTRONS,
    FULL,
    GROWTH,
)  # fmt: skip

Floats = NDArray[np.float64]
Small = NDArray[np.int8]
Ints = NDArray[np.int64]


@njit(cache=True, forceinline=True)
def wind(key: np.uint64, world: Any) -> None:
    """A fresh exponential number."""
    work = world[WORK]
    work[LEFT] = -math.log(uniform(key, np.uint64(work[DRAWN])))
    work[DRAWN] += 1.0


@njit(cache=True, forceinline=True, error_model="numpy")
def probe_density(dx: float, dy: float, optics: Any) -> float:
    """Part of the current per nm^2 that an atom gets of a beam that is (dx, dy) away from it."""
    middle = optics[0].shape[0] // 2
    density = read(optics[0], middle - dy / optics[1], middle - dx / optics[1])
    return max(density, 0.0)


@njit(cache=True)
def _bulk(x: float, y: float, world: Any, shared: Any, optics: Any, wanted: float) -> Any:
    """Flux on all carbon in reach, or up to the one where the sum passes `wanted`, and that one."""
    box, species, xy = shared[BOX], world[SPECIES], shared[XY]
    first, last = reach(x, y, box, shared[CELLS])
    total, electrons_s = 0.0, world[MOVING][CURRENT] * box[3]
    for m in range(first, last):
        i = shared[LISTED][0, m]
        if species[i] == CARBON:
            dx, dy = nearest(x - xy[i, 0], box[0], box[2]), nearest(y - xy[i, 1], box[1], box[2])
            total += electrons_s * probe_density(dx, dy, optics)
            if total > wanted:
                return total, i
    return total, -1


@njit(cache=True, forceinline=True, error_model="numpy")
def reach(x: float, y: float, box: Floats, cells: Ints) -> Any:
    """First and last + 1 in the list of sites near a place."""
    columns = cells.shape[1] // 2
    column = math.floor((x / box[0] + 0.5) * columns) % columns
    row = math.floor((y / box[1] + 0.5) * cells.shape[0]) % cells.shape[0]
    return cells[row, 2 * column], cells[row, 2 * column + 1]


@njit(cache=True, forceinline=True, error_model="numpy")
def _sheet(x: float, y: float, box: Floats, image: Floats, step_y: float, step_x: float) -> float:
    """The perfect sheet, whose table is padded by `PADDED` cells on all sides."""
    u, v = (x + 0.5 * box[0]) / box[0], (y + 0.5 * box[1]) / box[1]
    u, v = u - math.floor(u), v - math.floor(v)
    return read(image, v * box[1] / step_y + PADDED, u * box[0] / step_x + PADDED)


@njit(cache=True, forceinline=True, error_model="numpy")
def _odd_atoms(x: float, y: float, count: int, odd: Floats, box: Floats, atom: Floats, step: float) -> float:
    """What atoms that are not as in the perfect sheet add to it: odd rows are (x, y, strength)."""
    total, middle = 0.0, atom.shape[0] // 2
    for m in range(count):
        dx, dy = nearest(x - odd[m, 0], box[0], box[2]), nearest(y - odd[m, 1], box[1], box[2])
        if dx * dx + dy * dy < REACH_NM * REACH_NM:
            total += odd[m, 2] * read(atom, middle + dy / step, middle + dx / step)
    return total


@njit(cache=True, forceinline=True, error_model="numpy")
def clouded(hidden: Floats, electrons: float) -> float:
    """Counts per electron of the contamination."""
    if hidden[FULL] == 0.0:
        return 0.0
    return hidden[FULL] * -math.expm1(-electrons / hidden[GROWTH])


@njit(cache=True, forceinline=True, error_model="numpy")
def happening(x: float, y: float, world: Any, shared: Any, optics: Any, law: Any) -> Any:
    """Under a beam at a place: the rate of all events, and counts per electron without the contamination."""
    work, hidden, box, steps = world[WORK], world[HIDDEN], shared[BOX], optics[3]
    total = work[VACANCIES] * hidden[CAPTURE]
    total += pairs_rate(
        x, y, world[MOVING][CURRENT], world[PAIRS], int(work[COUNT]), box, optics[0], optics[1], law[0], law[1],
        law[2], law[3], law[4], law[5],
    )  # fmt: skip
    if hidden[BULK] > 0.0:
        total += hidden[BULK] * _bulk(x, y, world, shared, optics, np.inf)[0]
    bright = _sheet(x, y, box, optics[2], steps[0], steps[1])
    bright += _odd_atoms(x, y, int(work[DIFFERENT]), world[ODD], box, optics[4], optics[1])
    return total, bright


@njit(cache=True, forceinline=True, error_model="numpy")
def pass_under(
    x: float, y: float, duration: float, total: float, bright: float, keys: Any, world: Any, shared: Any, optics: Any,
    law: Any,
) -> Any:  # fmt: skip
    """One exposure of one world, in place, its electrons not yet booked; the counts that the detector expects of it.

    `total` and `bright` are of `happening` at this place; they come back as they are at the end. keys: that of the
    request, and that of what belongs to a site.
    """
    moving, work, hidden, left, counts = world[MOVING], world[WORK], world[HIDDEN], duration, 0.0
    electrons_s = moving[CURRENT] * shared[BOX][3]
    while True:
        happens = total * left > work[LEFT]
        pause = work[LEFT] / total if happens else left
        counts += (bright + clouded(hidden, moving[ELECTRONS])) * electrons_s * pause
        moving[CLOCK] += pause
        moving[ELECTRONS] += electrons_s * pause
        if not happens:
            break
        left -= pause
        _event(x, y, total, keys, world, shared, optics, law)
        total, bright = happening(x, y, world, shared, optics, law)
    work[LEFT] -= total * left
    return counts, total, bright


@njit(cache=True)
def expose(
    x: float, y: float, duration: float, keys: Any, world: Any, shared: Any, optics: Any, law: Any
) -> float:  # fmt: skip
    """As `strike`, the electrons onto the map."""
    counts = strike(x, y, duration, keys, world, shared, optics, law)
    land(x, y, duration, world, shared)
    return counts


@njit(cache=True)
def strike(
    x: float, y: float, duration: float, keys: Any, world: Any, shared: Any, optics: Any, law: Any
) -> float:  # fmt: skip
    """As `pass_under`, without its rate and brightness; in a place of its own, so that kernels stay small."""
    total, bright = happening(x, y, world, shared, optics, law)
    counts, _, _ = pass_under(x, y, duration, total, bright, keys, world, shared, optics, law)
    return counts


@njit(cache=True, forceinline=True, error_model="numpy")
def land(x: float, y: float, duration: float, world: Any, shared: Any) -> None:
    """The electrons of an exposure onto the map, at the place of the middle of the probe."""
    landed, box, electrons = world[LANDED], shared[BOX], world[MOVING][CURRENT] * shared[BOX][3] * duration
    touch(world[MOVING])
    spread(landed, (y / box[1] + 0.5) * landed.shape[0], (x / box[0] + 0.5) * landed.shape[1], electrons)


@njit(cache=True)
def wait(duration: float, keys: Any, world: Any, shared: Any, strength: Floats) -> None:
    """Time without a beam, in place: vacancies are filled."""
    moving, work, left = world[MOVING], world[WORK], duration
    while work[VACANCIES] * world[HIDDEN][CAPTURE] * left > work[LEFT]:
        total = work[VACANCIES] * world[HIDDEN][CAPTURE]
        pause = work[LEFT] / total
        left -= pause
        moving[CLOCK] += pause
        capture(total * uniform(keys[0], np.uint64(work[DRAWN])), world)
        work[DRAWN] += 1.0
        find_pairs(keys[1], world, shared, strength)
        wind(keys[0], world)
    work[LEFT] -= work[VACANCIES] * world[HIDDEN][CAPTURE] * left
    moving[CLOCK] += left


@njit(cache=True)
def _event(x: float, y: float, total: float, keys: Any, world: Any, shared: Any, optics: Any, law: Any) -> None:
    """One event of those whose rates sum to `total`, and what can happen after it."""
    work = world[WORK]
    _happen(x, y, total * uniform(keys[0], np.uint64(work[DRAWN])), world, shared, optics, law)
    work[DRAWN] += 1.0
    find_pairs(keys[1], world, shared, optics[5])
    wind(keys[0], world)


@njit(cache=True)
def _happen(x: float, y: float, wanted: float, world: Any, shared: Any, optics: Any, law: Any) -> None:
    """Carry out the event at which the sum of the rates passes `wanted`."""
    pairs, current = world[PAIRS], world[MOVING][CURRENT]
    for p in range(int(world[WORK][COUNT])):
        hop, flux = pair_rates(
            x, y, current, pairs, p, shared[BOX], optics[0], optics[1], law[0], law[1], law[2], law[3], law[4], law[5]
        )
        if wanted < hop:
            hop_to(int(pairs[p, CENTRE]), int(pairs[p, NEIGHBOUR]), world)
            return
        wanted -= hop
        for kind in range(6):
            if wanted < flux * pairs[p, EACH + kind]:
                do_other(kind, pairs[p], world, shared)
                return
            wanted -= flux * pairs[p, EACH + kind]
    bulk = world[HIDDEN][BULK]
    if bulk > 0.0:
        most, _ = _bulk(x, y, world, shared, optics, np.inf)
        if wanted < bulk * most:
            knock(_bulk(x, y, world, shared, optics, wanted / bulk)[1], world, shared)
            return
        wanted -= bulk * most
    capture(wanted, world)

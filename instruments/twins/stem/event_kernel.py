# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Atoms in graphene under the beam, event by event: exact continuous-time Monte Carlo, compiled.

While the beam stands still all rates are constant; from exposure to exposure they change. A unit exponential number is
used up by the total rate; where it is used up, at that very instant, one event happens, chosen by the rates (the
direct method of D. T. Gillespie, J. Phys. Chem. 81, 2340, 1977, for rates that change with time). So an event does not
know how the exposures were cut. Importing this loads Numba. Lengths in nm, cross sections in nm^2, time in s.

Kernels take tuples. `shared`: (xy [N, 2], neighbours [N, K], home [N], (width, height, repeats, electrons per pA s),
cells, near). `optics`: (probe, its step, lattice image, (step y, step x), atom image, strength by Z), images as spline
coefficients. `law`: (family, parts, barn_nm2, table, low, step), see `physics_priors.hops.laws`. `world`, of one row:
(hidden, moving, species, bonding, landed, log, pairs, odd, work); a pair is a centre (any site that is not plain
carbon) with a carbon beside it, a row of `PAIR` numbers; `odd` rows (x, y, strength) are what an image has more or less
than that of the perfect sheet.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.draws import normal, uniform
from instruments.twins.stem.splines import read, spread
from instruments.twins.stem.world import (
    ANISO_X,
    ANISO_Y,
    BULK,
    CAPTURE,
    CAPTURED,
    CLOCK,
    CURRENT,
    DISORDER,
    EJECT,
    EJECTED,
    ELECTRONS,
    FACTOR,
    FOLD,
    FOLDED,
    FULL,
    GROWTH,
    HOPPED,
    JUMP,
    JUMPED,
    KNOCKED,
    LOGGED,
    TURN,
    TURN_BACK,
    TURN_SILICON,
    TURNED,
    TURNED_BACK,
    UNFOLD,
    UNFOLDED,
)  # fmt: skip

Floats = NDArray[np.float64]
Small = NDArray[np.int8]
Ints = NDArray[np.int64]
HIDDEN, MOVING, SPECIES, BONDING, LANDED, EVENT_LOG, PAIRS, ODD, WORK = range(9)
"""Of a world's tuple."""
CENTRE, NEIGHBOUR, SLOT, HOP, HIT, CX, CY, UX, UY, EACH = range(10)
PAIR = EACH + 6
"""Columns of a pair: sites, which neighbour, hop factor, sum of cross sections, centre, way, each cross section."""
LEFT, DRAWN, COUNT, VACANCIES, DIFFERENT = range(5)
"""Of the clockwork: what is left of the exponential number, numbers drawn, pairs, vacancies and odd sites there are."""
CLOCKWORK = 5
REACH_NM = 1.0
PADDED = 3  # as in event_tables
_CARBON, _SILICON = 6, 14
_BLOCK, _PLAIN = 64, np.int8(_CARBON)
_KINDS = (EJECTED, FOLDED, UNFOLDED, TURNED, TURNED_BACK, JUMPED)
XY, NEAR, HOME, BOX, CELLS, LISTED = range(6)


@njit(cache=True, inline="always")
def wind(key: np.uint64, world: Any) -> None:
    """A fresh exponential number."""
    work = world[WORK]
    work[LEFT] = -math.log(uniform(key, np.uint64(work[DRAWN])))
    work[DRAWN] += 1.0


@njit(cache=True)
def scratch(shared: Any) -> Any:
    """Room for the pairs, the odd sites and the clockwork of any world; used again from row to row."""
    sites, near = shared[NEAR].shape
    return np.empty((sites * near, PAIR)), np.empty((2 * sites, 3)), np.zeros(CLOCKWORK)


@njit(cache=True, inline="always")
def _perfect(species: Small, bonding: Small, home: Small, first: int, last: int) -> bool:
    """Whether some sites are all plain carbon: without branches, so that it is fast."""
    different = np.int8(0)
    for i in range(first, last):
        different |= (species[i] ^ _PLAIN) | bonding[i] | (home[i] ^ _PLAIN)
    return different == 0


@njit(cache=True)
def find_pairs(site_key: np.uint64, world: Any, shared: Any, strength: Floats) -> None:
    """List all pairs, count the vacancies, and list what an image has more or less than that of the perfect sheet."""
    species, bonding, pairs, work = world[SPECIES], world[BONDING], world[PAIRS], world[WORK]
    count, vacancies = 0, 0
    near, home = shared[NEAR], shared[HOME]
    work[DIFFERENT] = 0.0
    for first in range(0, len(species), _BLOCK):
        last = min(first + _BLOCK, len(species))
        if _perfect(species, bonding, home, first, last):
            continue
        for c in range(first, last):
            if species[c] != home[c] or bonding[c] >= 2:
                _list_odd(c, world, shared, strength)
            if species[c] == _CARBON:
                continue
            vacancies += species[c] == 0
            for k in range(near.shape[1]):
                n = near[c, k]
                if n < 0 or species[n] != _CARBON:
                    continue
                pair = pairs[count]
                if _rates_of(c, n, k, world, pair):
                    _places_of(c, n, shared, pair)
                    pair[HOP] *= _strayed(c, k, pair, world[HIDDEN], site_key)
                    count += 1
    work[COUNT], work[VACANCIES] = count, vacancies


@njit(cache=True, inline="always")
def _list_odd(c: int, world: Any, shared: Any, strength: Floats) -> None:
    """What a site's image has more or less: at its place, and where its atom went."""
    odd, bonding, species, work = world[ODD], world[BONDING], world[SPECIES], world[WORK]
    m = int(work[DIFFERENT])
    odd[m, 0], odd[m, 1], odd[m, 2] = shared[XY][c, 0], shared[XY][c, 1], -strength[shared[HOME][c]]
    if bonding[c] >= 2:
        tx, ty = turned(c, bonding[c] - 2, shared)
        odd[m + 1, 0], odd[m + 1, 1], odd[m + 1, 2] = odd[m, 0] + tx, odd[m, 1] + ty, strength[species[c]]
        work[DIFFERENT] += 2.0
        return
    odd[m, 2] += strength[species[c]]
    work[DIFFERENT] += 1.0


@njit(cache=True, inline="always")
def _rates_of(c: int, n: int, k: int, world: Any, pair: Floats) -> bool:
    """Fill in what a pair can do; whether it can do anything."""
    hidden, species, bonding = world[HIDDEN], world[SPECIES], world[BONDING]
    pair[CENTRE], pair[NEIGHBOUR], pair[SLOT], pair[HOP] = c, n, k, 0.0
    pair[EACH:] = 0.0
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
        if species[c] == _SILICON:
            pair[EACH + 1], pair[EACH + 3] = hidden[FOLD], hidden[TURN_SILICON]
        else:
            pair[EACH + 3] = hidden[TURN]
    pair[HIT] = pair[EACH] + pair[EACH + 1] + pair[EACH + 2] + pair[EACH + 3] + pair[EACH + 4] + pair[EACH + 5]
    return pair[HIT] + pair[HOP] > 0.0


@njit(cache=True, inline="always")
def nearest(x: float, side: float, repeats: float) -> float:
    """A distance along one axis on a sheet that may repeat."""
    if repeats > 0.0 and abs(x) > 0.5 * side:
        x -= side * math.floor(x / side + 0.5)
    return x


@njit(cache=True, inline="always")
def _places_of(c: int, n: int, shared: Any, pair: Floats) -> None:
    xy, box = shared[XY], shared[BOX]
    pair[CX], pair[CY] = xy[c, 0], xy[c, 1]
    pair[UX] = nearest(xy[n, 0] - xy[c, 0], box[0], box[2])
    pair[UY] = nearest(xy[n, 1] - xy[c, 1], box[1], box[2])


@njit(cache=True, inline="always")
def _strayed(c: int, k: int, pair: Floats, hidden: Floats, site_key: np.uint64) -> float:
    """Factor of a hop from anisotropy and from the disorder of the site."""
    if hidden[DISORDER] == 0.0 and hidden[ANISO_X] == 0.0 and hidden[ANISO_Y] == 0.0:
        return 1.0
    length = math.hypot(pair[UX], pair[UY])
    strayed = (hidden[ANISO_X] * pair[UX] + hidden[ANISO_Y] * pair[UY]) / length
    if hidden[DISORDER] > 0.0:
        strayed += hidden[DISORDER] * normal(site_key, np.uint64(16 * c + k))
    return math.exp(strayed)


@njit(cache=True, inline="always")
def law_rate(along: float, across: float, family: int, parts: Floats, table: Floats, low: float, step: float) -> float:
    """Rate per second and picoampere of a law that is no cross section."""
    if family == 2:
        return _tabulated(table, (along - low) / step, (across - low) / step)
    total = 0.0
    for n in range(len(parts)):
        away = (along - parts[n, 1]) ** 2 + (across - parts[n, 2]) ** 2
        total += parts[n, 0] * math.exp(-away / (2.0 * parts[n, 3] ** 2))
    return total


@njit(cache=True)
def _tabulated(table: Floats, u: float, v: float) -> float:
    i, j = math.floor(u), math.floor(v)
    if i < 0 or j < 0 or i >= table.shape[0] - 1 or j >= table.shape[1] - 1:
        return 0.0
    a, b = u - i, v - j
    first = (1 - b) * table[i, j] + b * table[i, j + 1]
    second = (1 - b) * table[i + 1, j] + b * table[i + 1, j + 1]
    return (1 - a) * first + a * second


@njit(cache=True, inline="always")
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


@njit(cache=True)
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


@njit(cache=True)
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
        i = shared[LISTED][m]
        if species[i] == _CARBON:
            dx, dy = nearest(x - xy[i, 0], box[0], box[2]), nearest(y - xy[i, 1], box[1], box[2])
            total += electrons_s * probe_density(dx, dy, optics)
            if total > wanted:
                return total, i
    return total, -1


@njit(cache=True)
def reach(x: float, y: float, box: Floats, cells: Ints) -> Any:
    """First and last + 1 in the list of sites near a place."""
    column = math.floor((x / box[0] + 0.5) * cells.shape[1]) % cells.shape[1]
    row = math.floor((y / box[1] + 0.5) * cells.shape[0]) % cells.shape[0]
    return cells[row, column, 0], cells[row, column, 1]


@njit(cache=True)
def _sheet(x: float, y: float, box: Floats, image: Floats, step_y: float, step_x: float) -> float:
    """The perfect sheet, whose table is padded by `PADDED` cells on all sides."""
    u, v = (x + 0.5 * box[0]) / box[0], (y + 0.5 * box[1]) / box[1]
    u, v = u - math.floor(u), v - math.floor(v)
    return read(image, v * box[1] / step_y + PADDED, u * box[0] / step_x + PADDED)


@njit(cache=True)
def _odd_atoms(x: float, y: float, count: int, odd: Floats, box: Floats, atom: Floats, step: float) -> float:
    """What atoms that are not as in the perfect sheet add to it: odd rows are (x, y, strength)."""
    total, middle = 0.0, atom.shape[0] // 2
    for m in range(count):
        dx, dy = nearest(x - odd[m, 0], box[0], box[2]), nearest(y - odd[m, 1], box[1], box[2])
        if dx * dx + dy * dy < REACH_NM * REACH_NM:
            total += odd[m, 2] * read(atom, middle + dy / step, middle + dx / step)
    return total


@njit(cache=True)
def clouded(hidden: Floats, electrons: float) -> float:
    """Counts per electron of the contamination."""
    if hidden[FULL] == 0.0:
        return 0.0
    return hidden[FULL] * -math.expm1(-electrons / hidden[GROWTH])


@njit(cache=True)
def turned(c: int, k: int, shared: Any) -> Any:
    """How far an atom is from its site when its bond to neighbour k is turned by a right angle about its middle."""
    xy, box = shared[XY], shared[BOX]
    n = shared[NEAR][c, k]
    ux, uy = nearest(xy[n, 0] - xy[c, 0], box[0], box[2]), nearest(xy[n, 1] - xy[c, 1], box[1], box[2])
    return 0.5 * (ux + uy), 0.5 * (uy - ux)


@njit(cache=True)
def expose(
    x: float, y: float, duration: float, keys: Any, world: Any, shared: Any, optics: Any, law: Any, lands: bool
) -> float:
    """One exposure of one world, in place; the counts that the detector expects of it.

    keys: that of the request, and that of what belongs to a site. `lands`: whether the electrons are booked here.
    """
    moving, work, hidden, pairs, box = world[MOVING], world[WORK], world[HIDDEN], world[PAIRS], shared[BOX]
    current, left, counts, odd, steps = moving[CURRENT], duration, 0.0, world[ODD], optics[3]
    electrons_s = current * box[3]
    while True:
        total = work[VACANCIES] * hidden[CAPTURE]
        total += pairs_rate(
            x, y, current, pairs, int(work[COUNT]), box, optics[0], optics[1], law[0], law[1], law[2], law[3], law[4],
            law[5],
        )  # fmt: skip
        if hidden[BULK] > 0.0:
            total += hidden[BULK] * _bulk(x, y, world, shared, optics, np.inf)[0]
        bright = _sheet(x, y, box, optics[2], steps[0], steps[1])
        bright += _odd_atoms(x, y, int(work[DIFFERENT]), odd, box, optics[4], optics[1])
        happens = total * left > work[LEFT]
        pause = work[LEFT] / total if happens else left
        counts += (bright + clouded(hidden, moving[ELECTRONS])) * electrons_s * pause
        moving[CLOCK] += pause
        moving[ELECTRONS] += electrons_s * pause
        if not happens:
            break
        left -= pause
        _happen(x, y, total * uniform(keys[0], np.uint64(work[DRAWN])), world, shared, optics, law)
        work[DRAWN] += 1.0
        find_pairs(keys[1], world, shared, optics[5])
        wind(keys[0], world)
    work[LEFT] -= total * left
    if lands:
        land(x, y, electrons_s * duration, world[LANDED], box)
    return counts


@njit(cache=True)
def land(x: float, y: float, electrons: float, landed: Floats, box: Floats) -> None:
    """Book electrons at the place of the middle of the probe."""
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
        _capture(total * uniform(keys[0], np.uint64(work[DRAWN])), world)
        work[DRAWN] += 1.0
        find_pairs(keys[1], world, shared, strength)
        wind(keys[0], world)
    work[LEFT] -= work[VACANCIES] * world[HIDDEN][CAPTURE] * left
    moving[CLOCK] += left


@njit(cache=True)
def _happen(x: float, y: float, wanted: float, world: Any, shared: Any, optics: Any, law: Any) -> None:
    """Carry out the event at which the sum of the rates passes `wanted`."""
    pairs, current = world[PAIRS], world[MOVING][CURRENT]
    for p in range(int(world[WORK][COUNT])):
        hop, flux = pair_rates(
            x, y, current, pairs, p, shared[BOX], optics[0], optics[1], law[0], law[1], law[2], law[3], law[4], law[5]
        )
        if wanted < hop:
            _hop(int(pairs[p, CENTRE]), int(pairs[p, NEIGHBOUR]), world)
            return
        wanted -= hop
        for kind in range(6):
            if wanted < flux * pairs[p, EACH + kind]:
                _do(kind, pairs[p], world, shared)
                return
            wanted -= flux * pairs[p, EACH + kind]
    bulk = world[HIDDEN][BULK]
    if bulk > 0.0:
        most, _ = _bulk(x, y, world, shared, optics, np.inf)
        if wanted < bulk * most:
            _knock(_bulk(x, y, world, shared, optics, wanted / bulk)[1], world, shared)
            return
        wanted -= bulk * most
    _capture(wanted, world)


@njit(cache=True)
def _hop(c: int, n: int, world: Any) -> None:
    species = world[SPECIES]
    _note(world, c, HOPPED, n)
    species[n] = species[c]
    species[c] = _CARBON


@njit(cache=True)
def _knock(site: int, world: Any, shared: Any) -> None:
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
def _capture(wanted: float, world: Any) -> None:
    species = world[SPECIES]
    for c in range(len(species)):
        if species[c] == 0:
            wanted -= world[HIDDEN][CAPTURE]
            if wanted < 0.0:
                species[c] = _CARBON
                _note(world, c, CAPTURED, -1)
                return


@njit(cache=True)
def _do(kind: int, pair: Floats, world: Any, shared: Any) -> None:
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
        species[c] = _CARBON
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

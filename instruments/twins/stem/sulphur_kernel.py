# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Sulphur under the beam, event by event: exact Monte Carlo of exposures one after the other, compiled.

Every sulphur atom has a clock of exponential length for being lost and one for hopping into a vacant neighbour; clocks
run with the hazard that the present exposure puts on the atom, so that an event comes at its exact instant, whatever
the exposures are (the next-reaction method: Gibson and Bruck, J. Phys. Chem. A 104, 1876, 2000). Importing this loads
Numba. Lengths in nm, cross sections in nm^2, time in s.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.draws import mixed, poisson, uniform
from instruments.twins.stem.sulphur_world import COLLAPSED, HEALED, HOPPED, LOST

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FLUX, BRIGHT, LOSE, HOP, LOSS_RATE, HOP_RATE, READY, EDGE = range(8)
"""Rows of the work table [8, N]; READY is when a gas molecule sits on the atom, EDGE is 1 beside a hole."""
_SULPHUR = 16
_SUPPORT = 2
"""Metal neighbours that a sulphur atom needs; with fewer it goes with the metal."""
_CLOCKS, _COUNTS, _WAITING, _GAS = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_ARRIVED = -2


@njit(cache=True)
def expose(
    places: Floats,
    seconds: Floats,
    limit_s: float,
    electrons_s: float,
    background: float,
    until: Floats,
    noisy: bool,
    key: np.uint64,
    sample: Any,
    tables: Any,
    rates: Any,
    species: Ints,
    log: Floats,
    logged: int,
    start_s: float,
    counts: Floats,
    landed: Floats,
    loaded: NDArray[np.bool_],
    blanked_s: float,
) -> tuple[float, int]:
    """Expose one world, in place; the seconds of exposure until its end, and the number of events ever logged.

    places [K, 2] and seconds [K] in order, cut at `limit_s`; `until` is (low, high, samples), samples 0 for never.
    counts [K] becomes the detected counts, NaN where it was not reached; `landed` [G, G] gets the electrons.
    log [E, 4] rows are (instant, site, kind, destination). `loaded` [N] says on which atoms a gas molecule sits, before
    the `blanked_s` that went by without the beam, and then at the end.
    """
    bonded, hops, extent = sample[1], sample[2], sample[4]
    near_start, near = sample[5], sample[6]
    count_key, drawn = mixed(key, _COUNTS), np.zeros(1, np.uint64)
    clock_key = mixed(key, _CLOCKS)
    work = np.zeros((8, len(species)))
    for i in range(len(species)):
        _wind(i, work, clock_key, drawn)
    _arrivals(loaded, blanked_s, rates[3], mixed(key, _GAS), work)
    vacant = _vacant_neighbours(species, hops)
    _mark_edges(species, bonded, work)
    spent, outside = 0.0, 0
    counts[:] = np.nan
    for k in range(len(places)):
        duration = min(seconds[k], limit_s - spent)
        if limit_s - spent <= 0.0:
            break
        if duration <= 0.0:
            continue
        first, last = _reach(places[k], extent, near_start)
        _shine(places[k], first, last, sample, tables, electrons_s, work[FLUX], work[BRIGHT])
        left, mean = duration, 0.0
        while True:
            now = spent + duration - left
            seen = _hazards(near[first:last], species, vacant, rates, work, tables[2], now)
            pause, which, hopping = _next(near[first:last], work, left, now)
            mean += (background + seen) * electrons_s * pause
            for i in near[first:last]:
                work[LOSE, i] -= pause * work[LOSS_RATE, i]
                work[HOP, i] -= pause * work[HOP_RATE, i]
            left -= pause
            if which == _ARRIVED:
                continue
            if which < 0:
                break
            instant = start_s + spent + duration - left
            logged = _happens(
                which, hopping, instant, species, sample, vacant, work, clock_key, drawn, rates[5], log, logged
            )
            loaded[which] = False
            vacant = _vacant_neighbours(species, hops)
            _mark_edges(species, bonded, work)
        spent += duration
        _land(landed, places[k], extent, electrons_s * duration)
        counts[k] = poisson(mean, count_key, np.uint64(k)) if noisy else mean
        outside = outside + 1 if counts[k] < until[0] or counts[k] > until[1] else 0
        if until[2] > 0.0 and outside >= until[2]:
            break
    for i in range(len(species)):
        loaded[i] = species[i] == _SULPHUR and work[READY, i] <= spent
    return spent, logged


@njit(cache=True)
def _arrivals(loaded: NDArray[np.bool_], blanked_s: float, gas_s: float, key: np.uint64, work: Floats) -> None:
    """When a gas molecule sits on each atom, in seconds of exposure: memoryless, so drawn anew for every request."""
    for i in range(len(loaded)):
        if loaded[i]:
            work[READY, i] = -blanked_s
        elif gas_s > 0.0:
            work[READY, i] = -math.log(uniform(key, np.uint64(i))) / gas_s - blanked_s
        else:
            work[READY, i] = math.inf


@njit(cache=True)
def _mark_edges(species: Ints, bonded: Ints, work: Floats) -> None:
    for i in range(len(species)):
        work[EDGE, i] = 1.0 if species[i] == _SULPHUR and _metals(i, species, bonded) < 3 else 0.0


@njit(cache=True, inline="always")
def _wind(i: int, work: Floats, key: np.uint64, drawn: NDArray[np.uint64]) -> None:
    """Fresh clocks of one site."""
    work[LOSE, i] = -math.log(uniform(key, drawn[0]))
    work[HOP, i] = -math.log(uniform(key, drawn[0] + np.uint64(1)))
    drawn[0] += np.uint64(2)


@njit(cache=True, inline="always")
def _hazards(sites: Ints, species: Ints, vacant: Ints, rates: Any, work: Floats, strength: Floats, now: float) -> float:
    """Set the rates [1/s] of all sites in reach; the counts per electron that they make together.

    Ejection is faster next to vacancies; an atom at a hole on which a gas molecule sits is etched as well.
    """
    seen = 0.0
    for i in sites:
        work[LOSS_RATE, i] = work[HOP_RATE, i] = 0.0
        if species[i] == 0:
            continue
        seen += work[BRIGHT, i] * strength[species[i]]
        if species[i] == _SULPHUR:
            rate = rates[0][i] * work[FLUX, i] * (1.0 + (rates[2] - 1.0) * min(vacant[i], 1))
            if work[EDGE, i] > 0.0 and work[READY, i] <= now:
                rate += rates[4] * work[FLUX, i]
            work[LOSS_RATE, i] = rate
            work[HOP_RATE, i] = rates[1] * work[FLUX, i] * vacant[i]
    return seen


@njit(cache=True, inline="always")
def _next(sites: Ints, work: Floats, left: float, now: float) -> tuple[float, int, bool]:
    """Time until the next event, its site, and whether it is a hop; (left, -1, False) where none comes before.

    A gas molecule that arrives at a hole's edge changes rates: the site is then _ARRIVED.
    """
    pause, which, hopping = left, -1, False
    for i in sites:
        if work[LOSE, i] < work[LOSS_RATE, i] * pause:
            pause, which, hopping = work[LOSE, i] / work[LOSS_RATE, i], i, False
        if work[HOP, i] < work[HOP_RATE, i] * pause:
            pause, which, hopping = work[HOP, i] / work[HOP_RATE, i], i, True
        if work[EDGE, i] > 0.0 and now < work[READY, i] < now + pause:
            pause, which, hopping = work[READY, i] - now, _ARRIVED, False
    return pause, which, hopping


@njit(cache=True)
def _happens(
    which: int,
    hopping: bool,
    instant: float,
    species: Ints,
    sample: Any,
    vacant: Ints,
    work: Floats,
    key: np.uint64,
    drawn: NDArray[np.uint64],
    fewest: float,
    log: Floats,
    logged: int,
) -> int:
    """Carry an event out, with what collapses after it; the number of events ever logged."""
    pick = uniform(key, drawn[0])
    drawn[0] += np.uint64(1)
    _wind(which, work, key, drawn)
    if hopping:
        to = _chosen(which, int(pick * vacant[which]), species, sample[2])
        species[which], species[to] = 0, _SULPHUR
        _wind(to, work, key, drawn)
        logged = _noted(log, logged, instant, which, HOPPED, to)
    else:
        species[which] = 0
        logged = _noted(log, logged, instant, which, LOST, -1)
    return _collapse(which, species, sample[1], int(fewest), log, logged, instant)


@njit(cache=True)
def wait(
    seconds: float,
    heal_s: float,
    hop_s: float,
    key: np.uint64,
    sample: Any,
    fewest: int,
    species: Ints,
    home: Ints,
    log: Floats,
    logged: int,
    start_s: float,
) -> int:
    """What happens with time, beam or no beam: vacancies heal and hop, one world in place; the events ever logged.

    `home` [N] are the species of the perfect sample; only sulphur heals, next to enough metal.
    """
    bonded, hops = sample[1], sample[2]
    stream, drawn, elapsed = mixed(key, _WAITING), np.uint64(0), 0.0
    while True:
        vacant = _vacant_neighbours(species, hops)
        total = 0.0
        for i in range(len(species)):
            if species[i] == 0 and home[i] == _SULPHUR and _supported(i, species, bonded):
                total += heal_s
            elif species[i] == _SULPHUR:
                total += hop_s * vacant[i]
        if total <= 0.0:
            return logged
        elapsed += -math.log(uniform(stream, drawn)) / total
        if elapsed > seconds:
            return logged
        wanted = uniform(stream, drawn + np.uint64(1)) * total
        pick = uniform(stream, drawn + np.uint64(2))
        drawn += np.uint64(3)
        for i in range(len(species)):
            share = 0.0
            if species[i] == 0 and home[i] == _SULPHUR and _supported(i, species, bonded):
                share = heal_s
            elif species[i] == _SULPHUR:
                share = hop_s * vacant[i]
            wanted -= share
            if share > 0.0 and wanted <= 0.0:
                if species[i] == 0:
                    species[i] = _SULPHUR
                    logged = _noted(log, logged, start_s + elapsed, i, HEALED, -1)
                else:
                    to = _chosen(i, int(pick * vacant[i]), species, hops)
                    species[i], species[to] = 0, _SULPHUR
                    logged = _noted(log, logged, start_s + elapsed, i, HOPPED, to)
                    logged = _collapse(i, species, bonded, fewest, log, logged, start_s + elapsed)
                break


@njit(cache=True)
def brightness(places: Floats, sample: Any, tables: Any, species: Ints, out: Floats) -> None:
    """Expected counts per incident electron at places [K, 2], into `out` [K]."""
    extent, near_start, near = sample[4], sample[5], sample[6]
    work = np.zeros((2, len(species)))
    for k in range(len(places)):
        first, last = _reach(places[k], extent, near_start)
        _shine(places[k], first, last, sample, tables, 1.0, work[FLUX], work[BRIGHT])
        out[k] = 0.0
        for i in near[first:last]:
            out[k] += work[BRIGHT, i] * tables[2][species[i]]


@njit(cache=True, inline="always")
def _metals(i: int, species: Ints, bonded: Ints) -> int:
    found = 0
    for n in range(bonded.shape[1]):
        if bonded[i, n] >= 0 and species[bonded[i, n]] > _SULPHUR:
            found += 1
    return found


@njit(cache=True, inline="always")
def _supported(i: int, species: Ints, bonded: Ints) -> bool:
    return _metals(i, species, bonded) >= _SUPPORT


@njit(cache=True)
def _vacant_neighbours(species: Ints, hops: Ints) -> Ints:
    """For every sulphur, how many sites it could hop to; 0 for the others."""
    found = np.zeros(len(species), np.int64)
    for i in range(len(species)):
        if species[i] == _SULPHUR:
            for n in range(hops.shape[1]):
                if hops[i, n] >= 0 and species[hops[i, n]] == 0:
                    found[i] += 1
    return found


@njit(cache=True)
def _chosen(i: int, number: int, species: Ints, hops: Ints) -> int:
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
def _collapse(site: int, species: Ints, bonded: Ints, fewest: int, log: Floats, logged: int, instant: float) -> int:
    """Metal left with fewer than `fewest` sulphur goes, and sulphur left with too little metal goes with it: a hole."""
    open_sites = [site]
    while len(open_sites) > 0:
        gone = open_sites.pop()
        for n in range(bonded.shape[1]):
            i = bonded[gone, n]
            if i < 0 or species[i] == 0:
                continue
            if species[i] == _SULPHUR:
                falls = not _supported(i, species, bonded)
            else:
                held = 0
                for m in range(bonded.shape[1]):
                    if bonded[i, m] >= 0 and species[bonded[i, m]] == _SULPHUR:
                        held += 1
                falls = held < fewest
            if falls:
                species[i] = 0
                logged = _noted(log, logged, instant, i, COLLAPSED, -1)
                open_sites.append(i)
    return logged


@njit(cache=True, inline="always")
def _noted(log: Floats, logged: int, instant: float, site: int, kind: int, to: int) -> int:
    if logged < len(log):
        log[logged, 0], log[logged, 1], log[logged, 2], log[logged, 3] = instant, site, kind, to
    return logged + 1


@njit(cache=True, inline="always")
def _reach(place: Floats, extent: Floats, near_start: Ints) -> tuple[int, int]:
    """First and last + 1 in the list of sites that a probe at a place can touch."""
    rows, columns = near_start.shape[0], near_start.shape[1]
    column = math.floor((place[0] / extent[0] + 0.5) * columns) % columns
    row = math.floor((place[1] / extent[1] + 0.5) * rows) % rows
    return near_start[row, column, 0], near_start[row, column, 1]


@njit(cache=True)
def _shine(
    place: Floats,
    first: int,
    last: int,
    sample: Any,
    tables: Any,
    electrons_s: float,
    flux: Floats,
    bright: Floats,
) -> None:
    """Flux [1 / (nm^2 s)] at the sites in reach, and the density that their thermal image sees per electron."""
    position, kind, extent, near = sample[0], sample[3], sample[4], sample[6]
    step, image = tables[0], tables[1]
    most = image.shape[1] - 1
    for n in range(first, last):
        i = near[n]
        dx, dy = position[i, 0] - place[0], position[i, 1] - place[1]
        dx -= extent[0] * math.floor(dx / extent[0] + 0.5)
        dy -= extent[1] * math.floor(dy / extent[1] + 0.5)
        r = math.sqrt(dx * dx + dy * dy) / step
        cell = int(r)
        if cell >= most:
            flux[i], bright[i] = 0.0, 0.0
            continue
        part = r - cell
        flux[i] = electrons_s * (image[0, cell] + part * (image[0, cell + 1] - image[0, cell]))
        line = 1 if kind[i] == 0 else 2
        bright[i] = image[line, cell] + part * (image[line, cell + 1] - image[line, cell])


@njit(cache=True, inline="always")
def _land(landed: Floats, place: Floats, extent: Floats, electrons: float) -> None:
    rows, columns = landed.shape
    column = math.floor((place[0] / extent[0] + 0.5) * columns) % columns
    row = math.floor((place[1] / extent[1] + 0.5) * rows) % rows
    landed[row, column] += electrons


@njit(cache=True)
def poisson_counts(means: Floats, keys: NDArray[np.uint64]) -> Floats:
    """Counts [B, C] of means [B, C], one key a row."""
    out = np.empty(means.shape)
    for row in range(means.shape[0]):
        for column in range(means.shape[1]):
            out[row, column] = poisson(means[row, column], keys[row], np.uint64(column))
    return out

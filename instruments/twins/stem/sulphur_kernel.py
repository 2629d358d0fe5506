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
from instruments.twins.stem.sulphur_bonds import SULPHUR, chosen, collapse, metals, noted, supported, vacant_neighbours
from instruments.twins.stem.sulphur_light import BRIGHT, FLUX, land, reach, shine
from instruments.twins.stem.sulphur_world import HEALED, HOPPED, LOST

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LOSE, HOP, LOSS_RATE, HOP_RATE, READY, EDGE = range(2, 8)
"""Rows of the work table [8, N] after FLUX and BRIGHT.

READY is when a gas molecule sits on the atom, EDGE is 1 beside a hole.
"""
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
    vacant = vacant_neighbours(species, hops)
    _mark_edges(species, bonded, work)
    spent, outside = 0.0, 0
    counts[:] = np.nan
    for k in range(len(places)):
        duration = min(seconds[k], limit_s - spent)
        if limit_s - spent <= 0.0:
            break
        if duration <= 0.0:
            continue
        first, last = reach(places[k], extent, near_start)
        shine(places[k], first, last, sample, tables, electrons_s, work[FLUX], work[BRIGHT])
        mean, logged, vacant = _during(
            near[first:last], duration, spent, start_s, electrons_s, background, sample, tables, rates, species,
            vacant, work, clock_key, drawn, log, logged, loaded,
        )  # fmt: skip
        spent += duration
        land(landed, places[k], extent, electrons_s * duration)
        counts[k] = poisson(mean, count_key, np.uint64(k)) if noisy else mean
        outside = outside + 1 if counts[k] < until[0] or counts[k] > until[1] else 0
        if until[2] > 0.0 and outside >= until[2]:
            break
    for i in range(len(species)):
        loaded[i] = species[i] == SULPHUR and work[READY, i] <= spent
    return spent, logged


@njit(cache=True)
def _during(
    sites: Ints,
    duration: float,
    spent: float,
    start_s: float,
    electrons_s: float,
    background: float,
    sample: Any,
    tables: Any,
    rates: Any,
    species: Ints,
    vacant: Ints,
    work: Floats,
    key: np.uint64,
    drawn: NDArray[np.uint64],
    log: Floats,
    logged: int,
    loaded: NDArray[np.bool_],
) -> tuple[float, int, Ints]:
    """One exposure, from event to event: electrons detected on average, events logged, vacancies beside each site."""
    left, mean = duration, 0.0
    while True:
        now = spent + duration - left
        seen = _hazards(sites, species, vacant, rates, work, tables[2], now)
        pause, which, hopping = _next(sites, work, left, now)
        mean += (background + seen) * electrons_s * pause
        for i in sites:
            work[LOSE, i] -= pause * work[LOSS_RATE, i]
            work[HOP, i] -= pause * work[HOP_RATE, i]
        left -= pause
        if which == _ARRIVED:
            continue
        if which < 0:
            return mean, logged, vacant
        instant = start_s + spent + duration - left
        logged = _happens(which, hopping, instant, species, sample, vacant, work, key, drawn, rates[5], log, logged)
        loaded[which] = False
        vacant = vacant_neighbours(species, sample[2])
        _mark_edges(species, sample[1], work)


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
        work[EDGE, i] = 1.0 if species[i] == SULPHUR and metals(i, species, bonded) < 3 else 0.0


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
        if species[i] == SULPHUR:
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
        to = chosen(which, int(pick * vacant[which]), species, sample[2])
        species[which], species[to] = 0, SULPHUR
        _wind(to, work, key, drawn)
        logged = noted(log, logged, instant, which, HOPPED, to)
    else:
        species[which] = 0
        logged = noted(log, logged, instant, which, LOST, -1)
    return collapse(which, species, sample[1], int(fewest), log, logged, instant)


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
        vacant = vacant_neighbours(species, hops)
        total = 0.0
        for i in range(len(species)):
            if species[i] == 0 and home[i] == SULPHUR and supported(i, species, bonded):
                total += heal_s
            elif species[i] == SULPHUR:
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
            if species[i] == 0 and home[i] == SULPHUR and supported(i, species, bonded):
                share = heal_s
            elif species[i] == SULPHUR:
                share = hop_s * vacant[i]
            wanted -= share
            if share > 0.0 and wanted <= 0.0:
                if species[i] == 0:
                    species[i] = SULPHUR
                    logged = noted(log, logged, start_s + elapsed, i, HEALED, -1)
                else:
                    to = chosen(i, int(pick * vacant[i]), species, hops)
                    species[i], species[to] = 0, SULPHUR
                    logged = noted(log, logged, start_s + elapsed, i, HOPPED, to)
                    logged = collapse(i, species, bonded, fewest, log, logged, start_s + elapsed)
                break

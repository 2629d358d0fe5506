"""The same events as `event_kernel`, slowly and plainly: what the kernel is compared with.

Gillespie's direct method for a beam that stands still: all rates are made anew after every event, from the sites and
from the law as physics states it, with NumPy's own random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instruments.cost import ELECTRONS_PER_PA_S
from instruments.twins.stem.event_rates import hop_factors
from instruments.twins.stem.event_tables import STEP_NM
from instruments.twins.stem.world import (
    BULK,
    CAPTURE,
    CAPTURED,
    CURRENT,
    EJECT,
    EJECTED,
    FOLD,
    FOLDED,
    HOPPED,
    JUMP,
    JUMPED,
    KNOCKED,
    TURN,
    TURN_BACK,
    TURN_SILICON,
    TURNED,
    TURNED_BACK,
    UNFOLD,
    UNFOLDED,
    World,
)

if TYPE_CHECKING:
    from instruments.twins.stem.microscope import StemMicroscope

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """One thing that can happen, with its rate per second; `site` and `to` as in the log."""

    kind: int
    site: int
    to: int
    rate: float


def dwell(
    core: StemMicroscope, world: World, row: int, place_nm: Floats, seconds: float, rng: np.random.Generator
) -> list[tuple[float, Event]]:
    """Instants and events of a beam that stands on a place of the material; `world` is left as it is."""
    species, bonding = world.species[row].copy(), world.bonding[row].copy()
    happened: list[tuple[float, Event]] = []
    clock = 0.0
    while True:
        possible = events(core, world, row, species, bonding, place_nm)
        rates = np.array([event.rate for event in possible])
        if not rates.sum() > 0:
            return happened
        clock += rng.exponential(1.0 / rates.sum())
        if clock > seconds:
            return happened
        event = possible[int(rng.choice(len(possible), p=rates / rates.sum()))]
        _carry_out(core, event, species, bonding)
        happened.append((clock, event))


def events(
    core: StemMicroscope, world: World, row: int, species: NDArray[np.int8], bonding: NDArray[np.int8], place_nm: Floats
) -> list[Event]:
    """Everything that can happen now."""
    hidden, sites = world.hidden[row], core.sites
    flux = _flux_1_nm2_s(core, world, row, place_nm)
    found = [Event(CAPTURED, int(c), -1, float(hidden[CAPTURE])) for c in np.flatnonzero(species == 0)]
    found += [Event(KNOCKED, int(c), -1, hidden[BULK] * flux[c]) for c in np.flatnonzero(species == 6) if hidden[BULK]]
    for c in np.flatnonzero(species != 6):
        hops = _hops(core, world, row, int(c), place_nm, flux)
        for k, n in enumerate(sites.neighbours[c]):
            if n >= 0 and species[n] == 6:
                found += _of_bond(int(c), int(n), k, species, bonding, hidden, hops[k], flux[n])
    return found


def _of_bond(
    c: int,
    n: int,
    k: int,
    species: NDArray[np.int8],
    bonding: NDArray[np.int8],
    hidden: Floats,
    hop: float,
    flux: float,
) -> list[Event]:
    """What a site that is not carbon and a carbon beside it can do."""
    if bonding[c] >= 2:
        return [Event(TURNED_BACK, c, n, hidden[TURN_BACK] * flux)] if bonding[c] == 2 + k else []
    if bonding[n] != 0:
        return []
    found = [Event(EJECTED, n, c, hidden[EJECT] * flux)]
    if species[c] == 0:
        return [*found, Event(JUMPED, n, c, hidden[JUMP] * flux)]
    if bonding[c] == 1:
        return [*found, Event(UNFOLDED, c, n, hidden[UNFOLD] * flux)]
    silicon = species[c] == 14
    found += [Event(HOPPED, c, n, hop), Event(TURNED, c, n, hidden[TURN_SILICON if silicon else TURN] * flux)]
    return [*found, Event(FOLDED, c, n, hidden[FOLD] * flux)] if silicon else found


def _hops(core: StemMicroscope, world: World, row: int, c: int, place_nm: Floats, flux: Floats) -> Floats:
    """Rate [K] of a dopant's hop to each neighbour."""
    from physics_priors.hops.laws import FluxHops

    near = core.sites.neighbours[c]
    factor = hop_factors(core, world, row, np.array([c]))[0]
    if isinstance(core.law, FluxHops):
        return np.asarray(factor * core.law.barn * 1e-10 * flux[near])
    ways = _away(core, core.sites.positions_nm[near, :2], core.sites.positions_nm[c, :2])
    beam = _away(core, place_nm[None], core.sites.positions_nm[c, :2])[0]
    return np.asarray(factor * core.law.rates_per_s(beam, ways, float(world.moving[row, CURRENT])))


def _flux_1_nm2_s(core: StemMicroscope, world: World, row: int, place_nm: Floats) -> Floats:
    """Electrons per nm^2 and second on every site."""
    from scipy.ndimage import map_coordinates

    table = core.optics(world.aberrations_nm[row])[0].kernel[0]
    away = _away(core, core.sites.positions_nm[:, :2], place_nm)
    places = table.shape[0] // 2 + away[:, ::-1].T / STEP_NM
    density = map_coordinates(table, places, order=3, mode="constant", cval=0.0, prefilter=False)
    inside = np.all((places > 1.0) & (places < table.shape[0] - 3), axis=0)
    density = np.where(inside, np.maximum(density, 0.0), 0.0)
    return np.asarray(world.moving[row, CURRENT] * ELECTRONS_PER_PA_S * density)


def _away(core: StemMicroscope, places: Floats, origin: Floats) -> Floats:
    away = places - origin
    if core.sites.periodic:
        away = away - np.array(core.sites.extent_nm) * np.round(away / np.array(core.sites.extent_nm))
    return np.asarray(away)


def _carry_out(core: StemMicroscope, event: Event, species: NDArray[np.int8], bonding: NDArray[np.int8]) -> None:
    near = core.sites.neighbours
    if event.kind == HOPPED:
        species[[event.site, event.to]] = species[[event.to, event.site]]
    elif event.kind in (EJECTED, KNOCKED):
        species[event.site] = 0
        if bonding[event.site] >= 2:
            bonding[near[event.site, bonding[event.site] - 2]] = 0
            bonding[event.site] = 0
    elif event.kind == FOLDED:
        bonding[event.site] = 1
    elif event.kind == UNFOLDED:
        bonding[event.site] = 0
    elif event.kind == TURNED:
        bonding[event.site] = 2 + int(np.flatnonzero(near[event.site] == event.to)[0])
        bonding[event.to] = 2 + int(np.flatnonzero(near[event.to] == event.site)[0])
    elif event.kind == TURNED_BACK:
        bonding[[event.site, event.to]] = 0
    elif event.kind == JUMPED:
        species[[event.site, event.to]] = 0, 6
    elif event.kind == CAPTURED:
        species[event.site] = 6

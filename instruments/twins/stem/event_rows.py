# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Requests of many worlds, compiled: parked beams, and exposures one after the other; for looks see `event_looks`.

Every row is computed by itself, in place, and releases Python's lock: rows can be shared out among threads, as
`compiled_turns` does. `worlds` is
(hidden, moving, species, bonding, landed, log, booked, remembered), each [B, ...]; `block` holds all tables, see
`event_views`. Importing this loads Numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.compiled_turns import next_rows
from instruments.twins.draws import mixed, poisson
from instruments.twins.stem.event_books import book_dwell, room_for
from instruments.twins.stem.event_kernel import expose, wait, wind
from instruments.twins.stem.event_memory import recall_pairs
from instruments.twins.stem.event_traces import COUNTS, paper, read_out, record, together
from instruments.twins.stem.event_tuples import LANDED
from instruments.twins.stem.event_views import borrowed, room_of, rows_of, scratch, tables_of
from instruments.twins.stem.world import (
    AIM_X,
    AIM_Y,
    CLOCK,
    DRIFT_X,
    DRIFT_Y,
    PARKED_X,
    PARKED_Y,
    REGISTERED_X,
    REGISTERED_Y,
    SCALE,
    STAGE_X,
    STAGE_Y,
)  # fmt: skip

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
EVENTS = np.uint64(1)


@njit(cache=True, forceinline=True)
def row_of(b: int, keys: Any, worlds: Any, shared: Any, optics: Any, room: Any) -> Any:
    """The tuple of one row, ready to run."""
    room[2][:] = 0.0
    world = (
        worlds[0][b], worlds[1][b], worlds[2][b], worlds[3][b], worlds[4][b], worlds[5][b], worlds[6][b], worlds[7][b],
        room[0], room[1], room[2],
    )  # fmt: skip
    recall_pairs(keys[1], world, shared, optics[5])
    wind(keys[0], world)
    return world


@njit(cache=True, forceinline=True)
def offset(world: Any, parked: float, time_s: float) -> Any:
    """What is added to a place in the scanner, its scale set right, to reach the material."""
    hidden, moving = world[0], world[1]
    x = moving[REGISTERED_X] - moving[STAGE_X] + parked * hidden[AIM_X] - time_s * hidden[DRIFT_X]
    y = moving[REGISTERED_Y] - moving[STAGE_Y] + parked * hidden[AIM_Y] - time_s * hidden[DRIFT_Y]
    return x, y


@njit(cache=True, forceinline=True)
def idle(latency_s: float, blanked: bool, keys: Any, world: Any, shared: Any, optics: Any, law: Any) -> None:
    """The time before a request: blanked, or with the beam where it was last."""
    if latency_s != 0.0:
        _idled(latency_s, blanked, keys, world, shared, optics, law)


@njit(cache=True)
def _idled(latency_s: float, blanked: bool, keys: Any, world: Any, shared: Any, optics: Any, law: Any) -> None:
    if blanked:
        wait(latency_s, keys, world, shared, optics[5])
        return
    moving, scale = world[1], 1.0 + world[0][SCALE]
    ox, oy = offset(world, 1.0, moving[CLOCK] + 0.5 * latency_s)
    x, y = scale * moving[PARKED_X] + ox, scale * moving[PARKED_Y] + oy
    expose(x, y, latency_s, keys, world, shared, optics, law)


@njit(cache=True, nogil=True, error_model="numpy")
def dwell(
    thread: int, turns: Ints, places: Floats, longest_s: Floats, sample_s: float, until: Floats, limit_s: float,
    latency_s: float, blanked: bool, noisy: bool, later: bool, keys: Keys, site_keys: Keys, worlds: Any, block: Any,
    trace: Floats, samples: Ints, spent_s: Floats,
) -> None:  # fmt: skip
    """Park the beam in rows as their turns come: places [B, 2] in the scanner, until [B, 3] (low, high, samples or 0).

    `trace` [B, K] gets the signal of as many `samples` [B], or with `later` what `event_traces.draw` makes it of;
    `spent_s` [B] the seconds with the beam there.
    """
    _dwell_rows(
        thread, turns, places, longest_s, sample_s, until, limit_s, latency_s, blanked, noisy, later, keys, site_keys,
        worlds, block, scratch(block), room_for(worlds[LANDED].shape[1], worlds[LANDED].shape[2]),
        paper(trace.shape[1]), trace, samples, spent_s,
    )  # fmt: skip


@njit(cache=True, forceinline=True, error_model="numpy")
def _dwell_rows(
    thread: int, turns: Ints, places: Floats, longest_s: Floats, sample_s: float, until: Floats, limit_s: float,
    latency_s: float, blanked: bool, noisy: bool, later: bool, keys: Keys, site_keys: Keys, worlds: Any, block: Any,
    room: Any, drafts: Floats, papers: Any, trace: Floats, samples: Ints, spent_s: Floats,
) -> None:  # fmt: skip
    own_worlds, (shared, optics, law, detector, _) = rows_of(worlds), tables_of(block)
    space, lines = room_of(room), borrowed(drafts)
    draft, numbers, signal, levels = borrowed(papers[0]), borrowed(papers[1]), borrowed(trace), borrowed(until)
    b, end = next_rows(turns, thread)
    while b < end:
        own = (mixed(keys[b], EVENTS), site_keys[b])
        world, counting = row_of(b, own, own_worlds, shared, optics, space), mixed(keys[b], COUNTS)
        idle(latency_s, blanked, own, world, shared, optics, law)
        moving, scale = world[1], 1.0 + world[0][SCALE]
        spent, k, taken, outside, on, most = 0.0, 0, 0, 0, True, min(longest_s[b], limit_s)
        stretch = together(world, sample_s, trace.shape[1])
        first_x, first_y, stood, meant_s, done_s = 0.0, 0.0, 0, 0.0, 0.0
        while on and k < trace.shape[1] and most - spent > 1e-9 * sample_s:
            last = min(k + stretch, trace.shape[1])
            here_s = min((last - k) * sample_s, most - spent)
            ox, oy = offset(world, 1.0, moving[CLOCK] + 0.5 * here_s)
            x, y = scale * places[b, 0] + ox, scale * places[b, 1] + oy
            done_s, taken, outside, on = record(
                x, y, k, last, here_s, sample_s, levels[b], noisy, later, counting, own, world, shared, optics, law,
                detector, draft, numbers, signal[b], outside,
            )  # fmt: skip
            if k == 0:
                first_x, first_y = x, y
            spent, k, stood, meant_s = spent + done_s, last, stood + 1, here_s
        if stood > 0:
            stay_s = stretch * sample_s if stood > 1 else meant_s
            book_dwell(first_x, first_y, stay_s, stood, meant_s, done_s, world, shared, lines)
        samples[b], spent_s[b] = taken, spent
        if not later:
            signal[b, taken:] = np.nan
        moving[PARKED_X], moving[PARKED_Y] = places[b, 0], places[b, 1]
        b += 1
        if b == end:
            b, end = next_rows(turns, thread)


@njit(cache=True, forceinline=True)
def _signal(mean: float, duration: float, noisy: bool, detector: Any, key: np.uint64, number: int) -> float:
    """What the detector records of an expected number of electrons."""
    mean += detector[2] * duration
    counts = float(poisson(mean, key, np.uint64(number))) if noisy else mean
    return read_out(counts, detector)


@njit(cache=True, nogil=True, error_model="numpy")
def run(
    b: int, places: Floats, seconds: Floats, limit_s: float, latency_s: float, blanked: bool, noisy: bool, keys: Keys,
    site_keys: Keys, worlds: Any, block: Any, signal: Floats,
) -> float:  # fmt: skip
    """Exposures of one row at places [K, 2] of the material, in order; the seconds of exposure."""
    own_worlds, (shared, optics, law, detector, _) = rows_of(worlds), tables_of(block)
    own, space = (mixed(keys[b], EVENTS), site_keys[b]), scratch(block)
    world, counting = row_of(b, own, own_worlds, shared, optics, space), mixed(keys[b], COUNTS)
    idle(latency_s, blanked, own, world, shared, optics, law)
    spent = 0.0
    signal[:] = np.nan
    for k in range(len(places)):
        duration = min(seconds[k], limit_s - spent)
        if duration <= 0.0:
            break
        mean = expose(places[k, 0], places[k, 1], duration, own, world, shared, optics, law)
        signal[k] = _signal(mean, duration, noisy, detector, counting, k)
        spent += duration
    return spent


@njit(cache=True, nogil=True, error_model="numpy")
def rest(
    first: int, last: int, seconds: float, blanked: bool, keys: Keys, site_keys: Keys, worlds: Any, block: Any
) -> None:  # fmt: skip
    """Time without a request of the beam, in rows first to last."""
    own_worlds, (shared, optics, law, _, _) = rows_of(worlds), tables_of(block)
    space = scratch(block)
    for b in range(first, last):
        own = (mixed(keys[b], EVENTS), site_keys[b])
        idle(seconds, blanked, own, row_of(b, own, own_worlds, shared, optics, space), shared, optics, law)


@njit(cache=True)
def inside(places: Floats, half_width: float, half_height: float) -> bool:
    """Whether all places lie in the field; a picometre of rounding is forgiven."""
    for b in range(len(places)):
        if not (abs(places[b, 0]) <= half_width + 1e-3 and abs(places[b, 1]) <= half_height + 1e-3):
            return False
    return True

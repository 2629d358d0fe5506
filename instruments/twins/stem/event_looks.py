# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Looks at the atoms of many worlds, compiled: what a frame does to them, and which of them are found in it.

As in `event_rows`, every row is computed by itself, in place, and Python's lock is released. Loads Numba.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.compiled_turns import next_rows
from instruments.twins.draws import mixed, poisson_each, uniform
from instruments.twins.normals import invert
from instruments.twins.stem.event_books import WIDEST, book, room_for
from instruments.twins.stem.event_kernel import clouded, land, reach, strike
from instruments.twins.stem.event_pairs import nearest, turned
from instruments.twins.stem.event_rows import EVENTS, idle, offset, row_of
from instruments.twins.stem.event_tuples import (
    BONDING,
    BOX,
    CELLS,
    CLOSE,
    CLOSE_CELLS,
    CLOSE_NM,
    HIDDEN,
    LANDED,
    LEFT,
    LISTED,
    MOVING,
    PAIRS,
    REACH_NM,
    SPECIES,
    WORK,
    XY,
)  # fmt: skip
from instruments.twins.stem.event_views import borrowed, room_of, rows_of, scratch, tables_of
from instruments.twins.stem.world import (
    BULK,
    CAPTURE,
    CLOCK,
    CURRENT,
    ELECTRONS,
    PARKED_X,
    PARKED_Y,
    SCALE,
)  # fmt: skip

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
_PLACES = np.uint64(3)
_TURNED_NM = 0.12
"""No atom whose bond is turned is farther from its site."""


@njit(cache=True, nogil=True, error_model="numpy")
def look(
    thread: int, turns: Ints, centers: Floats, frame: Any, limit_s: float, latency_s: float, blanked: bool,
    noisy: bool, later: bool, keys: Keys, site_keys: Keys, worlds: Any, block: Any, position: Floats,
    intensity: Floats, species: Floats, sites: Ints, doses: Floats, spent_s: Floats,
) -> None:  # fmt: skip
    """Scan the frame of each row as its turn comes, and say what atoms stand in it at its end.

    frame is (width, height, rows, columns, dwell_s, flyback_s, turn); centers [B, 2] are in the scanner. The
    beam's places in the frame go with the drift at its middle. With `later` the intensities are those that `draw`
    makes of `sites` [B, n] and `doses` [B].
    """
    width = position.shape[1]
    room, lines = scratch(block), room_for(worlds[LANDED].shape[1], worlds[LANDED].shape[2])
    draft, whose = np.empty((6, 2 * width + 2)), np.empty(width + 1, np.int64)
    _look_rows(
        thread, turns, centers, frame, limit_s, latency_s, blanked, noisy, later, keys, site_keys, worlds, block, room,
        (lines, draft), whose, position, intensity, species, sites, doses, spent_s,
    )  # fmt: skip


@njit(cache=True, forceinline=True, error_model="numpy")
def _look_rows(
    thread: int, turns: Ints, centers: Floats, frame: Any, limit_s: float, latency_s: float, blanked: bool,
    noisy: bool, later: bool, keys: Keys, site_keys: Keys, worlds: Any, block: Any, room: Any, drafts: Any, whose: Ints,
    position: Floats, intensity: Floats, species: Floats, sites: Ints, doses: Floats, spent_s: Floats,
) -> None:  # fmt: skip
    own_worlds, (shared, optics, law, _, peaks) = rows_of(worlds), tables_of(block)
    space, lines, draft, found = room_of(room), borrowed(drafts[0]), borrowed(drafts[1]), borrowed(whose)
    whole_s = frame[2] * (frame[3] * frame[4] + frame[5])
    b, end = next_rows(turns, thread)
    while b < end:
        own = (mixed(keys[b], EVENTS), site_keys[b])
        world = row_of(b, own, own_worlds, shared, optics, space)
        idle(latency_s, blanked, own, world, shared, optics, law)
        spent_s[b] = min(whole_s, limit_s)
        ox, oy = offset(world, 0.0, world[MOVING][CLOCK] + 0.5 * whole_s)
        scale = 1.0 + world[HIDDEN][SCALE]
        x, y = scale * centers[b, 0] + ox, scale * centers[b, 1] + oy
        whole = spent_s[b] == whole_s and frame[6] == 0.0 and abs(scale) < WIDEST
        if whole and _most(frame, scale, world, shared, law, peaks) < world[WORK][LEFT]:
            world[MOVING][CLOCK] += whole_s
            world[MOVING][ELECTRONS] += world[MOVING][CURRENT] * shared[BOX][3] * whole_s
        else:
            _scan(x, y, frame, scale, spent_s[b], not whole, own, world, shared, optics, law)
        if whole:
            book(x, y, frame, scale, world, shared, lines)
        count = _gathered(x, y, frame, scale, world, shared, draft, found)
        dose, stream = _dose(frame, scale, spent_s[b] / whole_s, world, shared), mixed(keys[b], _PLACES)
        count = _seen(count, dose, stream, noisy, world, optics, peaks, draft, found)
        if noisy and not later:
            poisson_each(count, draft[2], stream, found, 3, draft[4], draft[5])
        doses[b] = dose
        for m in range(count):
            position[b, m, 0], position[b, m, 1] = (x + draft[0, m] - ox) / scale, (y + draft[1, m] - oy) / scale
            species[b, m] = world[SPECIES][found[m]]
            if later:
                intensity[b, m], sites[b, m] = draft[2, m], found[m]
            else:
                intensity[b, m] = draft[2, m] * (peaks[5] / dose)
        position[b, count:] = np.nan
        intensity[b, count:] = np.nan
        species[b, count:] = np.nan
        world[MOVING][PARKED_X] = centers[b, 0] - 0.5 * frame[0]
        world[MOVING][PARKED_Y] = centers[b, 1] + 0.5 * frame[1] * (1.0 - 1.0 / frame[2])
        b += 1
        if b == end:
            b, end = next_rows(turns, thread)


@njit(cache=True, nogil=True, error_model="numpy")
def draw(
    thread: int, turns: Ints, expected: Floats, sites: Ints, doses: Floats, noisy: bool, keys: Keys, block: Any,
    intensity: Floats,
) -> None:  # fmt: skip
    """Intensities [B, n] of rows as their turns come, of the counts that are `expected`, NaN where there is no atom."""
    peaks, width = tables_of(block)[4], expected.shape[1]
    draft = np.empty((3, width))
    b, end = next_rows(turns, thread)
    while b < end:
        count = 0
        while count < width and not np.isnan(expected[b, count]):
            draft[0, count] = expected[b, count]
            count += 1
        if noisy:
            poisson_each(count, draft[0], mixed(keys[b], _PLACES), sites[b], 3, draft[1], draft[2])
        for m in range(count):
            intensity[b, m] = draft[0, m] * (peaks[5] / doses[b])
        intensity[b, count:] = np.nan
        b += 1
        if b == end:
            b, end = next_rows(turns, thread)


@njit(cache=True, forceinline=True, error_model="numpy")
def _most(frame: Any, scale: float, world: Any, shared: Any, law: Any, peaks: Any) -> float:
    """No less than what all events of a frame can use up of the exponential number; infinite where that is not known.

    A sum over a grid that is finer than what it samples is its integral (Poisson's formula), but for the flybacks.
    """
    hidden, moving, pairs, work = world[HIDDEN], world[MOVING], world[PAIRS], world[WORK]
    step = scale * max(frame[0] / frame[3], frame[1] / frame[2])
    if hidden[BULK] > 0.0 or step > peaks[4]:
        return np.inf
    dwells = frame[4] / (scale * frame[0] / frame[3] * scale * frame[1] / frame[2])
    flybacks, electrons_s = frame[2] * frame[5], moving[CURRENT] * shared[BOX][3]
    most = work[3] * hidden[CAPTURE] * (frame[2] * (frame[3] * frame[4] + frame[5]))
    for p in range(int(work[2])):
        hit, hop = pairs[p, 4] * electrons_s, pairs[p, 3] * moving[CURRENT]
        if law[0] == 1:
            hit, hop = hit + pairs[p, 3] * law[2] * electrons_s, 0.0
        most += hit * (dwells + flybacks * peaks[0])
        most += hop * (dwells * peaks[2] * peaks[3] * peaks[3] + flybacks * peaks[1])
    return 1.02 * most


@njit(cache=True)
def _scan(
    x: float, y: float, frame: Any, scale: float, limit_s: float, lands: bool, keys: Any, world: Any, shared: Any,
    optics: Any, law: Any,
) -> None:  # fmt: skip
    """A frame pixel by pixel, every line begun by the flyback's dose; where it `lands`, its electrons onto the map."""
    rows, columns, spent = int(frame[2]), int(frame[3]), 0.0
    cos, sin = scale * math.cos(frame[6]), scale * math.sin(frame[6])
    for j in range(rows):
        v = frame[1] * ((j + 0.5) / rows - 0.5)
        for i in range(-1, columns):
            u = frame[0] * ((max(i, 0) + 0.5) / columns - 0.5)
            duration = min(frame[5] if i < 0 else frame[4], limit_s - spent)
            if duration > 0.0:
                px, py = x + cos * u - sin * v, y + sin * u + cos * v
                strike(px, py, duration, keys, world, shared, optics, law)
                if lands:
                    land(px, py, duration, world, shared)
                spent += duration


@njit(cache=True, forceinline=True, error_model="numpy")
def _gathered(
    x: float, y: float, frame: Any, scale: float, world: Any, shared: Any, draft: Floats, whose: Ints
) -> int:  # fmt: skip
    """How many atoms stand in the frame; their places from its middle, and sites, in the order of their sites."""
    kinds, bonding, xy, box = world[SPECIES], world[BONDING], shared[XY], shared[BOX]
    reached = 0.5 * scale * math.sqrt(frame[0] * frame[0] + frame[1] * frame[1]) + _TURNED_NM
    half_width, half_height = 0.5 * scale * frame[0], 0.5 * scale * frame[1]
    upright, cos, sin = frame[6] == 0.0, math.cos(frame[6]), math.sin(frame[6])
    listed, count, start, end = shared[CLOSE][0], 0, 0, len(xy)
    if reached < CLOSE_NM:
        start, end = reach(x, y, box, shared[CLOSE_CELLS])
    elif reached < REACH_NM:
        listed = shared[LISTED][0]
        start, end = reach(x, y, box, shared[CELLS])
    for m in range(start, end):
        i = listed[m] if reached < REACH_NM else m
        dx, dy = nearest(xy[i, 0] - x, box[0], box[2]), nearest(xy[i, 1] - y, box[1], box[2])
        if bonding[i] >= 2:
            tx, ty = turned(i, bonding[i] - 2, shared)
            dx, dy = dx + tx, dy + ty
        draft[0, count], draft[1, count], whose[count] = dx, dy, i
        u, v = (dx, dy) if upright else (cos * dx + sin * dy, cos * dy - sin * dx)
        inside = abs(u) <= half_width and abs(v) <= half_height and kinds[i] != 0
        count = min(count + inside, len(whose) - 1)
    return count


@njit(cache=True, forceinline=True, error_model="numpy")
def _dose(frame: Any, scale: float, done: float, world: Any, shared: Any) -> float:
    """Electrons per nm^2 of a frame of which a part was done."""
    electrons = world[MOVING][CURRENT] * shared[BOX][3] * frame[4] * frame[2] * frame[3]
    return done * electrons / (scale * scale * frame[0] * frame[1])


@njit(cache=True, forceinline=True, error_model="numpy")
def _seen(
    count: int, dose: float, stream: np.uint64, noisy: bool, world: Any, optics: Any, peaks: Any, draft: Floats,
    whose: Ints,
) -> int:  # fmt: skip
    """How many atoms of a draft are brighter than the noise; their places as measured, and counts that are expected."""
    kinds, strength, kept = world[SPECIES], optics[5], 0
    dim = dose * clouded(world[HIDDEN], world[MOVING][ELECTRONS]) / peaks[5]
    for m in range(count):
        own = dose * strength[kinds[whose[m]]]
        draft[0, kept], draft[1, kept], draft[2, kept], draft[3, kept] = draft[0, m], draft[1, m], own + dim, own
        whose[kept] = whose[m]
        kept += own * own > 9.0 * (own + dim)
    if noisy:
        _disturb(kept, stream, peaks[5], draft, whose)
    return kept


@njit(cache=True, forceinline=True, error_model="numpy")
def _disturb(count: int, stream: np.uint64, peak: float, draft: Floats, whose: Ints) -> None:
    """Places are normal, as exact as the counts allow."""
    uniforms, normals = draft[4], draft[5]
    for m in range(count):
        uniforms[m] = uniform(stream, np.uint64(3 * whose[m] + 1))
    for m in range(count):
        uniforms[count + m] = uniform(stream, np.uint64(3 * whose[m] + 2))
    invert(uniforms, normals, 2 * count)
    for m in range(count):
        blur = math.sqrt(draft[2, m] / (2.0 * math.pi * peak)) / draft[3, m]
        draft[0, m] += blur * normals[m]
        draft[1, m] += blur * normals[count + m]

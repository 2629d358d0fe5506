# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Requests of many worlds, compiled: parked beams, looks at the atoms, and exposures one after the other.

Every row is computed by itself, in place, and releases Python's lock: rows can be shared out among threads. `worlds` is
(hidden, moving, species, bonding, landed, log), each [B, ...]; the other tuples are those of `event_tuples`. Importing
this loads Numba.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.draws import mixed, poisson, uniform
from instruments.twins.stem.event_kernel import clouded, expose, reach, scratch, wait, wind
from instruments.twins.stem.event_pairs import find_pairs, nearest, turned
from instruments.twins.stem.event_tuples import BOX, CELLS, LEFT, LISTED, REACH_NM, XY
from instruments.twins.stem.splines import spread_line
from instruments.twins.stem.world import (
    AIM_X,
    AIM_Y,
    BULK,
    CAPTURE,
    CLOCK,
    CURRENT,
    DRIFT_X,
    DRIFT_Y,
    ELECTRONS,
    PARKED_X,
    PARKED_Y,
    REGISTERED_X,
    REGISTERED_Y,
    SCALE,
    STAGE_X,
    STAGE_Y,
)  # fmt: skip

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
_EVENTS, _COUNTS, _PLACES = np.uint64(1), np.uint64(2), np.uint64(3)


@njit(cache=True, inline="always")
def _world(b: int, keys: Any, worlds: Any, shared: Any, optics: Any, room: Any) -> Any:
    """The tuple of one row, ready to run."""
    room[2][:] = 0.0
    world = (
        worlds[0][b], worlds[1][b], worlds[2][b], worlds[3][b], worlds[4][b], worlds[5][b], room[0], room[1], room[2]
    )  # fmt: skip
    find_pairs(keys[1], world, shared, optics[5])
    wind(keys[0], world)
    return world


@njit(cache=True, inline="always")
def _offset(world: Any, parked: float, time_s: float) -> Any:
    """What is added to a place in the scanner, its scale set right, to reach the material."""
    hidden, moving = world[0], world[1]
    x = moving[REGISTERED_X] - moving[STAGE_X] + parked * hidden[AIM_X] - time_s * hidden[DRIFT_X]
    y = moving[REGISTERED_Y] - moving[STAGE_Y] + parked * hidden[AIM_Y] - time_s * hidden[DRIFT_Y]
    return x, y


@njit(cache=True, inline="always")
def _idle(latency_s: float, blanked: bool, keys: Any, world: Any, shared: Any, optics: Any, law: Any) -> None:
    """The time before a request: blanked, or with the beam where it was last."""
    if latency_s == 0.0:
        return
    if blanked:
        wait(latency_s, keys, world, shared, optics[5])
        return
    moving, scale = world[1], 1.0 + world[0][SCALE]
    ox, oy = _offset(world, 1.0, moving[CLOCK] + 0.5 * latency_s)
    x, y = scale * moving[PARKED_X] + ox, scale * moving[PARKED_Y] + oy
    expose(x, y, latency_s, keys, world, shared, optics, law, True)


@njit(cache=True, nogil=True)
def dwell(
    first: int, last: int, places: Floats, longest_s: Floats, sample_s: float, until: Floats, limit_s: float,
    latency_s: float, blanked: bool, noisy: bool, keys: Keys, site_keys: Keys, worlds: Any, shared: Any, optics: Any,
    law: Any, detector: Any, trace: Floats, spent_s: Floats,
) -> None:  # fmt: skip
    """Park the beam in rows first to last: places [B, 2] in the scanner, until [B, 3] (low, high, samples or 0).

    `trace` [B, K] gets the signal, NaN where it was not reached, `spent_s` [B] the seconds with the beam there.
    """
    space = scratch(shared)
    for b in range(first, last):
        own = (mixed(keys[b], _EVENTS), site_keys[b])
        world, counting = _world(b, own, worlds, shared, optics, space), mixed(keys[b], _COUNTS)
        _idle(latency_s, blanked, own, world, shared, optics, law)
        moving, scale = world[1], 1.0 + world[0][SCALE]
        spent, outside, most = 0.0, 0, min(longest_s[b], limit_s)
        for k in range(trace.shape[1]):
            trace[b, k] = np.nan
        for k in range(trace.shape[1]):
            duration = min(sample_s, most - spent)
            if duration <= 1e-9 * sample_s:
                break
            ox, oy = _offset(world, 1.0, moving[CLOCK] + 0.5 * duration)
            x, y = scale * places[b, 0] + ox, scale * places[b, 1] + oy
            mean = expose(x, y, duration, own, world, shared, optics, law, True)
            trace[b, k] = _signal(mean, duration, noisy, detector, counting, k)
            spent += duration
            outside = outside + 1 if trace[b, k] < until[b, 0] or trace[b, k] > until[b, 1] else 0
            if until[b, 2] > 0.0 and outside >= until[b, 2]:
                break
        spent_s[b] = spent
        moving[PARKED_X], moving[PARKED_Y] = places[b, 0], places[b, 1]


@njit(cache=True)
def _signal(mean: float, duration: float, noisy: bool, detector: Any, key: np.uint64, number: int) -> float:
    """What the detector records of an expected number of electrons: detector is (gain, offset, dark, quantised)."""
    mean += detector[2] * duration
    counts = float(poisson(mean, key, np.uint64(number))) if noisy else mean
    signal = detector[0] * counts + detector[1]
    return min(max(np.rint(signal), 0.0), 65535.0) if detector[3] > 0.0 else signal


@njit(cache=True, nogil=True)
def run(
    b: int, places: Floats, seconds: Floats, limit_s: float, latency_s: float, blanked: bool, noisy: bool, keys: Keys,
    site_keys: Keys, worlds: Any, shared: Any, optics: Any, law: Any, detector: Any, signal: Floats,
) -> float:  # fmt: skip
    """Exposures of one row at places [K, 2] of the material, in order; the seconds of exposure."""
    own, space = (mixed(keys[b], _EVENTS), site_keys[b]), scratch(shared)
    world, counting = _world(b, own, worlds, shared, optics, space), mixed(keys[b], _COUNTS)
    _idle(latency_s, blanked, own, world, shared, optics, law)
    spent = 0.0
    signal[:] = np.nan
    for k in range(len(places)):
        duration = min(seconds[k], limit_s - spent)
        if duration <= 0.0:
            break
        mean = expose(places[k, 0], places[k, 1], duration, own, world, shared, optics, law, True)
        signal[k] = _signal(mean, duration, noisy, detector, counting, k)
        spent += duration
    return spent


@njit(cache=True, nogil=True)
def rest(
    first: int, last: int, seconds: float, blanked: bool, keys: Keys, site_keys: Keys, worlds: Any, shared: Any,
    optics: Any, law: Any,
) -> None:  # fmt: skip
    """Time without a request of the beam, in rows first to last."""
    space = scratch(shared)
    for b in range(first, last):
        own = (mixed(keys[b], _EVENTS), site_keys[b])
        _idle(seconds, blanked, own, _world(b, own, worlds, shared, optics, space), shared, optics, law)


@njit(cache=True, nogil=True)
def look(
    first: int, last: int, centers: Floats, frame: Any, limit_s: float, latency_s: float, blanked: bool, noisy: bool,
    keys: Keys, site_keys: Keys, worlds: Any, shared: Any, optics: Any, law: Any, peaks: Any,
    position: Floats, intensity: Floats, species: Floats, spent_s: Floats,
) -> None:  # fmt: skip
    """Scan the frame of each row and say what atoms stand in it at its end.

    frame is (width, height, rows, columns, dwell_s, flyback_s, turn); centers [B, 2] are in the scanner. peaks is
    (largest density of the probe, largest rate of the law per pA s, its integral in bonds^2, bond, width, image peak).
    The beam's places in the frame go with the drift at its middle.
    """
    space = scratch(shared)
    for b in range(first, last):
        own = (mixed(keys[b], _EVENTS), site_keys[b])
        world = _world(b, own, worlds, shared, optics, space)
        _idle(latency_s, blanked, own, world, shared, optics, law)
        whole_s = frame[2] * (frame[3] * frame[4] + frame[5])
        spent_s[b] = min(whole_s, limit_s)
        ox, oy = _offset(world, 0.0, world[1][CLOCK] + 0.5 * whole_s)
        scale = 1.0 + world[0][SCALE]
        x, y = scale * centers[b, 0] + ox, scale * centers[b, 1] + oy
        quiet = spent_s[b] == whole_s and frame[6] == 0.0
        if quiet and _most(frame, scale, world, shared, law, peaks) < world[8][LEFT]:
            _scanned(x, y, frame, scale, world, shared)
        else:
            _scan(x, y, frame, scale, spent_s[b], own, world, shared, optics, law)
        _found(b, x, y, ox, oy, frame, scale, spent_s[b] / whole_s, keys[b], noisy, world, shared, optics, peaks,
               position, intensity, species)  # fmt: skip
        world[1][PARKED_X] = centers[b, 0] - 0.5 * frame[0]
        world[1][PARKED_Y] = centers[b, 1] + 0.5 * frame[1] * (1.0 - 1.0 / frame[2])


@njit(cache=True, inline="always")
def _most(frame: Any, scale: float, world: Any, shared: Any, law: Any, peaks: Any) -> float:
    """No less than what all events of a frame can use up of the exponential number; infinite where that is not known.

    A sum over a grid that is finer than what it samples is its integral (Poisson's formula), but for the flybacks.
    """
    hidden, moving, pairs, work = world[0], world[1], world[6], world[8]
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


@njit(cache=True, inline="always")
def _scanned(x: float, y: float, frame: Any, scale: float, world: Any, shared: Any) -> None:
    """A frame in which nothing happens: its time, and its electrons line by line and column by column."""
    moving, landed, box = world[1], world[4], shared[BOX]
    electrons_s = moving[CURRENT] * box[3]
    rows, columns = int(frame[2]), int(frame[3])
    high, wide = box[1] / landed.shape[0], box[0] / landed.shape[1]
    up, low_row = _line(y, scale * frame[1], rows, high, 0.5 * box[1])
    along, low_column = _line(x, scale * frame[0], columns, wide, 0.5 * box[0])
    start = np.zeros(len(along))
    spread_line(start, low_column, (x - scale * frame[0] * (0.5 - 0.5 / columns) + 0.5 * box[0]) / wide, 1.0)
    for i in range(len(along)):
        along[i] = electrons_s * (frame[4] * along[i] + frame[5] * start[i])
    _add_product(landed, low_row, low_column, up, along)
    whole_s = rows * (columns * frame[4] + frame[5])
    moving[CLOCK] += whole_s
    moving[ELECTRONS] += electrons_s * whole_s


@njit(cache=True)
def _add_product(landed: Floats, low_row: int, low_column: int, up: Floats, along: Floats) -> None:
    """Add up times along to a map that repeats."""
    rows, columns = landed.shape
    within = low_column >= 0 and low_column + len(along) <= columns
    for j in range(len(up)):
        row = (low_row + j) % rows
        if within:
            for i in range(len(along)):
                landed[row, low_column + i] += up[j] * along[i]
        else:
            for i in range(len(along)):
                landed[row, (low_column + i) % columns] += up[j] * along[i]


@njit(cache=True)
def _line(middle: float, side: float, count: int, step: float, half: float) -> Any:
    """Weights of `count` pixels along one axis on the cells of the map, and the first cell."""
    low = math.floor((middle - 0.5 * side + half) / step) - 2
    size = math.floor((middle + 0.5 * side + half) / step) + 4 - low
    line = np.zeros(size)
    for n in range(count):
        spread_line(line, low, (middle + side * ((n + 0.5) / count - 0.5) + half) / step, 1.0)
    return line, low


@njit(cache=True)
def _scan(
    x: float, y: float, frame: Any, scale: float, limit_s: float, keys: Any, world: Any, shared: Any, optics: Any,
    law: Any,
) -> None:  # fmt: skip
    """A frame pixel by pixel, every line begun by the flyback's dose."""
    rows, columns, spent = int(frame[2]), int(frame[3]), 0.0
    cos, sin = scale * math.cos(frame[6]), scale * math.sin(frame[6])
    for j in range(rows):
        v = frame[1] * ((j + 0.5) / rows - 0.5)
        for i in range(-1, columns):
            u = frame[0] * ((max(i, 0) + 0.5) / columns - 0.5)
            duration = min(frame[5] if i < 0 else frame[4], limit_s - spent)
            if duration > 0.0:
                expose(x + cos * u - sin * v, y + sin * u + cos * v, duration, keys, world, shared, optics, law, True)
                spent += duration


@njit(cache=True, inline="always")
def _found(
    b: int, x: float, y: float, ox: float, oy: float, frame: Any, scale: float, done: float, key: np.uint64,
    noisy: bool, world: Any, shared: Any, optics: Any, peaks: Any, position: Floats, intensity: Floats, species: Floats,
) -> None:  # fmt: skip
    """Atoms in the frame, in the order of their sites; NaN beyond the last of them."""
    electrons_s = world[1][CURRENT] * shared[BOX][3]
    dose = done * electrons_s * frame[4] * frame[2] * frame[3] / (scale * scale * frame[0] * frame[1])
    near = 0.5 * scale * math.hypot(frame[0], frame[1]) < REACH_NM
    start, end = reach(x, y, shared[BOX], shared[CELLS]) if near else (0, len(shared[XY]))
    dim, stream, count = clouded(world[0], world[1][ELECTRONS]), mixed(key, _PLACES), 0
    cos, sin = math.cos(frame[6]), math.sin(frame[6])
    half_width, half_height = 0.5 * scale * frame[0], 0.5 * scale * frame[1]
    kinds, bonding, xy, box, listed, strength = world[2], world[3], shared[XY], shared[BOX], shared[LISTED], optics[5]
    for m in range(start, end):
        i = listed[m] if near else m
        z = kinds[i]
        if z == 0 or count == position.shape[1]:
            continue
        dx, dy = nearest(xy[i, 0] - x, box[0], box[2]), nearest(xy[i, 1] - y, box[1], box[2])
        if bonding[i] >= 2:
            tx, ty = turned(i, bonding[i] - 2, shared)
            dx, dy = dx + tx, dy + ty
        if abs(cos * dx + sin * dy) > half_width or abs(cos * dy - sin * dx) > half_height:
            continue
        own = dose * strength[z]
        expected = own + dose * dim / peaks[5]
        if not own > 3.0 * math.sqrt(expected):
            continue
        counts = expected
        if noisy:
            counts = float(poisson(expected, stream, np.uint64(3 * i)))
            radius = math.sqrt(-2.0 * math.log(uniform(stream, np.uint64(3 * i + 1))))
            radius *= math.sqrt(expected / (2.0 * math.pi * peaks[5])) / own
            angle = 2.0 * math.pi * uniform(stream, np.uint64(3 * i + 2))
            dx, dy = dx + radius * math.cos(angle), dy + radius * math.sin(angle)
        position[b, count, 0], position[b, count, 1] = (x + dx - ox) / scale, (y + dy - oy) / scale
        intensity[b, count], species[b, count] = counts * peaks[5] / dose, z
        count += 1
    position[b, count:] = np.nan
    intensity[b, count:] = np.nan
    species[b, count:] = np.nan


@njit(cache=True)
def inside(places: Floats, half_width: float, half_height: float) -> bool:
    """Whether all places lie in the field; a picometre of rounding is forgiven."""
    for b in range(len(places)):
        if not (abs(places[b, 0]) <= half_width + 1e-3 and abs(places[b, 1]) <= half_height + 1e-3):
            return False
    return True

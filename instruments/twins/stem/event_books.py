# mypy: disable-error-code="untyped-decorator, no-any-return"
"""The book of frames and dwells, whose electrons go to the map later, many of them at once. Loads Numba.

A frame touches a few kilobytes of a map, and the maps of many worlds are far larger than a cache. So a frame, or a beam
that was parked, is one line in a book until that is full; then all are added to the map, in order, while it is at hand.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.stem.event_tuples import BOOKED, BOX, HIDDEN, LANDED, MOVING
from instruments.twins.stem.splines import spread, spread_line
from instruments.twins.stem.world import BOOKS, CURRENT, DRIFT_X, DRIFT_Y, LANDED_ONLY, NO_MAP, TOUCHED

Floats = NDArray[np.float64]
X, Y, WIDTH, HEIGHT, ROWS, COLUMNS, EACH, START = range(8)
"""Of a frame: middle and sides [nm] in the material, pixels, electrons of a pixel and of a flyback."""
STAY, PLACES, MEANT, RATE, LAST = HEIGHT, ROWS, COLUMNS, EACH, START
"""Of a dwell, whose width is 0, with the first place: seconds at each of so many places, seconds that were meant for
the last of them, electrons per second, and seconds at the last."""
WIDEST = 1.5
"""Scales of the scanner up to which a frame is booked."""


@njit(cache=True, error_model="numpy")
def room_for(rows: int, columns: int) -> Any:
    """Room for the lines of any frame on a map."""
    return np.empty((3, int(WIDEST * max(rows, columns)) + 8))


@njit(cache=True, forceinline=True)
def touch(moving: Floats) -> None:
    """The map of what landed holds something."""
    if moving[TOUCHED] == NO_MAP:
        moving[TOUCHED] = LANDED_ONLY


@njit(cache=True, forceinline=True, error_model="numpy")
def book(x: float, y: float, frame: Any, scale: float, world: Any, shared: Any, lines: Floats) -> None:
    """The electrons of a whole frame into the book."""
    entry, electrons_s = _entry_at(x, y, world), world[MOVING][CURRENT] * shared[BOX][3]
    entry[WIDTH], entry[HEIGHT], entry[ROWS], entry[COLUMNS] = scale * frame[0], scale * frame[1], frame[2], frame[3]
    entry[EACH], entry[START] = electrons_s * frame[4], electrons_s * frame[5]
    _turn_page(world, shared, lines)


@njit(cache=True, forceinline=True, error_model="numpy")
def book_dwell(
    x: float, y: float, stay_s: float, places: int, meant_s: float, last_s: float, world: Any, shared: Any,
    lines: Floats,
) -> None:  # fmt: skip
    """The electrons of a beam that was parked over a drifting material: see `STAY` and on."""
    entry = _entry_at(x, y, world)
    entry[WIDTH], entry[STAY], entry[PLACES], entry[MEANT], entry[LAST] = 0.0, stay_s, places, meant_s, last_s
    entry[RATE] = world[MOVING][CURRENT] * shared[BOX][3]
    _turn_page(world, shared, lines)


@njit(cache=True, forceinline=True, error_model="numpy")
def _entry_at(x: float, y: float, world: Any) -> Floats:
    entry = world[BOOKED][int(world[MOVING][BOOKS])]
    entry[X], entry[Y] = x, y
    return entry


@njit(cache=True, forceinline=True, error_model="numpy")
def _turn_page(world: Any, shared: Any, lines: Floats) -> None:
    """One entry more; all go to the map when the book is full."""
    moving, booked, hidden = world[MOVING], world[BOOKED], world[HIDDEN]
    moving[BOOKS] += 1.0
    if moving[BOOKS] >= len(booked):
        add_all(world[LANDED], booked, int(moving[BOOKS]), hidden[DRIFT_X], hidden[DRIFT_Y], shared[BOX], lines)
        moving[BOOKS] = 0.0
        touch(moving)


@njit(cache=True, error_model="numpy")
def landed_with_book(
    landed: Floats, booked: Floats, count: int, drift_x: float, drift_y: float, width: float, height: float
) -> Floats:  # fmt: skip
    """The map [rows, columns] of one world with its book, of so many lines; its arrays stay as they are."""
    whole, lines = landed.copy(), room_for(landed.shape[0], landed.shape[1])
    add_all(whole, booked, count, drift_x, drift_y, np.array([width, height]), lines)
    return whole


@njit(cache=True, error_model="numpy")
def add_all(
    landed: Floats, booked: Floats, count: int, drift_x: float, drift_y: float, box: Floats, lines: Floats
) -> None:  # fmt: skip
    """The first `count` lines of a book onto the map: frames line by line and column by column."""
    up, along, start = lines[0], lines[1], lines[2]
    high, wide = box[1] / landed.shape[0], box[0] / landed.shape[1]
    for n in range(count):
        frame = booked[n]
        x, y = frame[X] + 0.5 * box[0], frame[Y] + 0.5 * box[1]
        if frame[WIDTH] == 0.0:
            _add_dwell(landed, x, y, frame, drift_x, drift_y, high, wide)
            continue
        low_row, tall = _line(y, frame[HEIGHT], int(frame[ROWS]), high, up)
        low_column, broad = _line(x, frame[WIDTH], int(frame[COLUMNS]), wide, along)
        start[:broad] = 0.0
        spread_line(start, low_column, (x - frame[WIDTH] * (0.5 - 0.5 / frame[COLUMNS])) / wide, 1.0)
        for i in range(broad):
            along[i] = frame[EACH] * along[i] + frame[START] * start[i]
        _add_product(landed, low_row, low_column, up[:tall], along[:broad])


@njit(cache=True, forceinline=True, error_model="numpy")
def _add_dwell(
    landed: Floats, x: float, y: float, dwell: Floats, drift_x: float, drift_y: float, high: float, wide: float
) -> None:  # fmt: skip
    """Electrons of a parked beam: each place is that of the middle of the time that was meant for it."""
    places, stay_s = int(dwell[PLACES]), dwell[STAY]
    for k in range(places):
        last = k == places - 1
        since_s = k * stay_s + (0.5 * (dwell[MEANT] - stay_s) if last else 0.0)
        electrons = dwell[RATE] * (dwell[LAST] if last else stay_s)
        spread(landed, (y - since_s * drift_y) / high, (x - since_s * drift_x) / wide, electrons)


@njit(cache=True, forceinline=True, error_model="numpy")
def _line(middle: float, side: float, count: int, step: float, line: Floats) -> Any:
    """Weights of `count` pixels along one axis on the cells of the map: the first cell, and how many there are."""
    low = math.floor((middle - 0.5 * side) / step) - 2
    size = math.floor((middle + 0.5 * side) / step) + 4 - low
    line[:size] = 0.0
    pixel = side / (count * step)
    first = (middle - 0.5 * side) / step + 0.5 * pixel
    for n in range(count):
        spread_line(line, low, first + n * pixel, 1.0)
    return low, size


@njit(cache=True, forceinline=True)
def _add_product(landed: Floats, low_row: int, low_column: int, up: Floats, along: Floats) -> None:
    """Add up times along to a map that repeats."""
    rows, columns = landed.shape
    within = low_column >= 0 and low_column + len(along) <= columns
    row = low_row % rows
    for j in range(len(up)):
        line = landed[row]
        row = 0 if row + 1 == rows else row + 1
        if within:
            part = line[low_column : low_column + len(along)]
            for i in range(len(along)):
                part[i] += up[j] * along[i]
        else:
            for i in range(len(along)):
                line[(low_column + i) % columns] += up[j] * along[i]

# mypy: disable-error-code="untyped-decorator, no-any-return"
"""The book of frames in which nothing happens, whose electrons go to the map later, many frames at once. Loads Numba.

A frame touches a few kilobytes of a map, and the maps of many worlds are far larger than a cache. So a frame is one
line in a book until that is full; then all are added to the map, in order, while it is at hand. So are the places where
the beam dwelt, in a list of their own: they are added before what is in the book.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.stem.event_tuples import BOOKED, BOX, DWELT, LANDED, MOVING
from instruments.twins.stem.splines import spread, spread_line
from instruments.twins.stem.world import BOOKS, CURRENT, DWELLS, LANDED_ONLY, NO_MAP, TOUCHED

Floats = NDArray[np.float64]
X, Y, WIDTH, HEIGHT, ROWS, COLUMNS, EACH, START = range(8)
"""Of a frame: middle and sides [nm] in the material, pixels, electrons of a pixel and of a flyback."""
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
def book_point(x: float, y: float, duration: float, world: Any, shared: Any, lines: Floats) -> None:
    """The electrons of a parked beam into the book, as a frame without width."""
    entry = _entry_at(x, y, world)
    entry[WIDTH] = 0.0
    entry[EACH] = world[MOVING][CURRENT] * shared[BOX][3] * duration
    _turn_page(world, shared, lines)


@njit(cache=True, forceinline=True, error_model="numpy")
def note_dwell(x: float, y: float, duration: float, world: Any, shared: Any) -> None:
    """The electrons of a beam that stood at a place of the material into the list."""
    moving, dwelt = world[MOVING], world[DWELT]
    place = dwelt[int(moving[DWELLS])]
    place[0], place[1], place[2] = x, y, moving[CURRENT] * shared[BOX][3] * duration
    moving[DWELLS] += 1.0
    if moving[DWELLS] >= len(dwelt):
        land_dwells(world, shared)


@njit(cache=True, error_model="numpy")
def land_dwells(world: Any, shared: Any) -> None:
    """The list onto the map."""
    moving, box = world[MOVING], shared[BOX]
    add_dwells(world[LANDED], world[DWELT], int(moving[DWELLS]), box[0], box[1])
    moving[DWELLS] = 0.0
    touch(moving)


@njit(cache=True, forceinline=True, error_model="numpy")
def add_dwells(landed: Floats, dwelt: Floats, count: int, width: float, height: float) -> None:
    """The first `count` places of a list onto a map."""
    for n in range(count):
        x, y = dwelt[n, 0], dwelt[n, 1]
        spread(landed, (y / height + 0.5) * landed.shape[0], (x / width + 0.5) * landed.shape[1], dwelt[n, 2])


@njit(cache=True, forceinline=True, error_model="numpy")
def _entry_at(x: float, y: float, world: Any) -> Floats:
    entry = world[BOOKED][int(world[MOVING][BOOKS])]
    entry[X], entry[Y] = x, y
    return entry


@njit(cache=True, forceinline=True, error_model="numpy")
def _turn_page(world: Any, shared: Any, lines: Floats) -> None:
    """One entry more; all go to the map when the book is full."""
    moving, booked = world[MOVING], world[BOOKED]
    moving[BOOKS] += 1.0
    if moving[BOOKS] >= len(booked):
        land_dwells(world, shared)
        add_all(world[LANDED], booked, int(moving[BOOKS]), shared[BOX], lines)
        moving[BOOKS] = 0.0
        touch(moving)


@njit(cache=True, error_model="numpy")
def landed_with_books(
    landed: Floats, dwelt: Floats, dwells: int, booked: Floats, count: int, width: float, height: float
) -> Floats:
    """The map [rows, columns] of one world with its list and its book, of so many; its arrays stay as they are."""
    whole = landed.copy()
    add_dwells(whole, dwelt, dwells, width, height)
    add_all(whole, booked, count, np.array([width, height]), room_for(landed.shape[0], landed.shape[1]))
    return whole


@njit(cache=True, error_model="numpy")
def add_all(landed: Floats, booked: Floats, count: int, box: Floats, lines: Floats) -> None:
    """The first `count` frames of a book onto the map, line by line and column by column."""
    up, along, start = lines[0], lines[1], lines[2]
    high, wide = box[1] / landed.shape[0], box[0] / landed.shape[1]
    for n in range(count):
        frame = booked[n]
        x, y = frame[X] + 0.5 * box[0], frame[Y] + 0.5 * box[1]
        if frame[WIDTH] == 0.0:
            spread(landed, y / high, x / wide, frame[EACH])
            continue
        low_row, tall = _line(y, frame[HEIGHT], int(frame[ROWS]), high, up)
        low_column, broad = _line(x, frame[WIDTH], int(frame[COLUMNS]), wide, along)
        start[:broad] = 0.0
        spread_line(start, low_column, (x - frame[WIDTH] * (0.5 - 0.5 / frame[COLUMNS])) / wide, 1.0)
        for i in range(broad):
            along[i] = frame[EACH] * along[i] + frame[START] * start[i]
        _add_product(landed, low_row, low_column, up[:tall], along[:broad])


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

# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Compiled loops of image formation: atoms onto a grid, and a grid read at the places of the beam.

Both use B-splines of degree five, whose transform is known, so that whoever divides by it gets band-limited images at
any place to about 1e-5. Import this inside the function that needs it: it loads Numba.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from instruments.twins.draws import FAST, poisson

Floats = NDArray[np.float64]
_TAPS = 6


@njit(cache=True, inline="always", fastmath=FAST)
def _weights(place: float, weight: Floats) -> int:
    """Values of the spline at the six grid points around a place; the first of them is returned."""
    first = math.floor(place)
    t = place - first
    t2 = t * t
    t3 = t2 * t
    t4 = t2 * t2
    t5 = t4 * t
    s = 1.0 - t
    s2 = s * s
    weight[0] = s2 * s2 * s / 120.0
    weight[1] = (26.0 - 50.0 * t + 20.0 * t2 + 20.0 * t3 - 20.0 * t4 + 5.0 * t5) / 120.0
    weight[2] = (66.0 - 60.0 * t2 + 30.0 * t4 - 10.0 * t5) / 120.0
    weight[3] = (26.0 + 50.0 * t + 20.0 * t2 - 20.0 * t3 - 20.0 * t4 + 10.0 * t5) / 120.0
    weight[4] = (1.0 + 5.0 * t + 10.0 * t2 + 10.0 * t3 + 5.0 * t4 - 5.0 * t5) / 120.0
    weight[5] = t5 / 120.0
    return int(first) - 2


@njit(cache=True)
def _stamp(x: float, y: float, strength: float, wx: Floats, wy: Floats, canvas: Floats) -> None:
    rows, columns = canvas.shape
    left, low = _weights(x, wx), _weights(y, wy)
    if left >= 0 and low >= 0 and left + _TAPS <= columns and low + _TAPS <= rows:
        for j in range(_TAPS):
            for i in range(_TAPS):
                canvas[low + j, left + i] += strength * wy[j] * wx[i]
        return
    for j in range(_TAPS):
        for i in range(_TAPS):
            canvas[(low + j) % rows, (left + i) % columns] += strength * wy[j] * wx[i]


@njit(cache=True)
def spread(places_px: Floats, strength: Floats, period_px: Floats, canvas: Floats) -> None:
    """Add atoms at (x, y) [N, 2], in pixels of a canvas [rows, columns] that repeats, and where a period is above 0,
    all their images that lie on it.
    """
    rows, columns = canvas.shape
    wx, wy = np.empty(_TAPS), np.empty(_TAPS)
    for atom in range(len(strength)):
        if strength[atom] == 0.0:
            continue
        x, across = places_px[atom, 0], period_px[0]
        if across > 0.0:
            x -= across * math.floor(x / across)
        while x < columns:
            y, down = places_px[atom, 1], period_px[1]
            if down > 0.0:
                y -= down * math.floor(y / down)
            while y < rows:
                if x >= 0.0 and y >= 0.0:
                    _stamp(x, y, strength[atom], wx, wy, canvas)
                if down <= 0.0:
                    break
                y += down
            if across <= 0.0:
                break
            x += across


@njit(cache=True, fastmath=FAST)
def read_rows(spline: Floats, starts_px: Floats, along_px: Floats, out: Floats) -> None:
    """A spline [rows, columns] that repeats, read along lines: out [R, C] at starts_px[r] + (along_px[c], 0)."""
    rows, columns = spline.shape
    line = np.empty(columns)
    weight = np.empty(_TAPS)
    for r in range(len(starts_px)):
        low = _weights(starts_px[r, 1], weight)
        line[:] = 0.0
        for j in range(_TAPS):
            share, row = weight[j], (low + j) % rows
            for i in range(columns):
                line[i] += share * spline[row, i]
        for c in range(len(along_px)):
            left = _weights(starts_px[r, 0] + along_px[c], weight)
            if left >= 0 and left + _TAPS <= columns:
                total = 0.0
                for i in range(_TAPS):
                    total += weight[i] * line[left + i]
            else:
                total = 0.0
                for i in range(_TAPS):
                    total += weight[i] * line[(left + i) % columns]
            out[r, c] = total


@njit(cache=True)
def read_places(spline: Floats, places_px: Floats, out: Floats) -> None:
    """A spline that repeats, at any places (x, y) [n, 2] in pixels."""
    rows, columns = spline.shape
    wx, wy = np.empty(_TAPS), np.empty(_TAPS)
    for place in range(len(places_px)):
        left, low = _weights(places_px[place, 0], wx), _weights(places_px[place, 1], wy)
        total = 0.0
        for j in range(_TAPS):
            row = (low + j) % rows
            for i in range(_TAPS):
                total += wy[j] * wx[i] * spline[row, (left + i) % columns]
        out[place] = total


@njit(cache=True, fastmath=FAST)
def count(rate: Floats, electrons: float, background: float, key: np.uint64, out: Floats) -> None:
    """Poisson counts of rate times electrons plus a background [counts], each pixel from a stream of its own."""
    for pixel in range(rate.size):
        out[pixel] = poisson(max(rate[pixel] * electrons, 0.0) + background, key, np.uint64(pixel))

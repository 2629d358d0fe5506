# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Cubic B-splines in kernels: reading a table anywhere, and spreading electrons over a map. Importing loads Numba."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(cache=True, inline="always")
def weights(part: float) -> tuple[float, float, float, float]:
    """Weights of the four points around a place that is `part` in [0, 1) past the second; they sum to 1."""
    rest = 1.0 - part
    first, last = rest * rest * rest / 6.0, part * part * part / 6.0
    second = 2.0 / 3.0 - 0.5 * part * part * (2.0 - part)
    return first, second, 1.0 - first - second - last, last


@njit(cache=True, forceinline=True)
def read(table: Floats, row: float, column: float) -> float:
    """A table of spline coefficients at a place in pixels; 0 outside of it."""
    i, j = math.floor(row), math.floor(column)
    if i < 1 or j < 1 or i + 2 >= table.shape[0] or j + 2 >= table.shape[1]:
        return 0.0
    a, b = weights(row - i), weights(column - j)
    total = 0.0
    for n in range(i - 1, i + 3):
        line = b[0] * table[n, j - 1] + b[1] * table[n, j] + b[2] * table[n, j + 1] + b[3] * table[n, j + 2]
        total += a[n - i + 1] * line
    return total


@njit(cache=True, forceinline=True)
def spread(landed: Floats, row: float, column: float, electrons: float) -> None:
    """Electrons onto the sixteen cells around a place of a map that repeats."""
    rows, columns = landed.shape
    i, j = math.floor(row), math.floor(column)
    a, b = weights(row - i), weights(column - j)
    if i >= 1 and j >= 1 and i + 2 < rows and j + 2 < columns:
        for n in range(4):
            for m in range(4):
                landed[i - 1 + n, j - 1 + m] += electrons * a[n] * b[m]
        return
    for n in range(4):
        for m in range(4):
            landed[(i - 1 + n) % rows, (j - 1 + m) % columns] += electrons * a[n] * b[m]


@njit(cache=True, forceinline=True)
def spread_line(line: Floats, first: int, place: float, amount: float) -> None:
    """An amount onto a line whose element 0 is the map's cell `first`."""
    i = math.floor(place)
    a = weights(place - i)
    for n in range(4):
        line[i - 1 + n - first] += amount * a[n]

"""Where a probe goes and when: rasters, lines and single places; and maps read at any place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch
from instruments.twins.reach import column, shared

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Visit:
    """Places [B, K, 2] in the sample frame, the times [K] after arrival they are looked at, and what it takes."""

    places_nm: Floats
    times_s: Floats
    busy_s: float
    """From arrival at the first place to the end, settling included."""
    path_nm: Floats
    """Way in contact [B], without the travel to the first place."""
    bias_V_s: float = 0.0


def visit_raster(batch: RequestBatch, settle_s: float, flyback_s: float) -> Visit:
    """The pixels of a ScanImage, row by row, each row in the same direction."""
    size_nm, (rows, columns), dwell_s = shared(batch, "size_nm"), shared(batch, "shape"), shared(batch, "dwell_s")
    offsets = pixel_offsets(size_nm, (rows, columns), shared(batch, "rotation_rad"))
    times = settle_s + pixel_times((rows, columns), dwell_s, flyback_s)
    busy_s = settle_s + rows * (columns * dwell_s + flyback_s)
    return Visit(points(batch, "center_nm") + offsets, times, busy_s, np.full(batch.rows, 2.0 * rows * size_nm[0]))


def visit_line(batch: RequestBatch, settle_s: float) -> Visit:
    """The points of a LineScan, ends included."""
    start, way = points(batch, "start_nm"), points(batch, "end_nm") - points(batch, "start_nm")
    count, dwell_s = shared(batch, "points"), shared(batch, "dwell_s")
    places = start + np.linspace(0.0, 1.0, count)[:, None] * way
    times = settle_s + (np.arange(count) + 0.5) * dwell_s
    return Visit(places, times, settle_s + count * dwell_s, np.linalg.norm(way[:, 0], axis=1))


def visit_place(place_nm: Floats, settle_s: float, dwell_s: float, bias_V: Floats) -> Visit:
    """One place [B, 1, 2], where a bias staircase [n] is applied with `dwell_s` for each step."""
    stay_s = dwell_s * len(bias_V)
    return Visit(
        place_nm,
        np.array([settle_s + stay_s / 2]),
        settle_s + stay_s,
        np.zeros(len(place_nm)),
        float(np.abs(bias_V).sum() * dwell_s),
    )


def points(batch: RequestBatch, name: str) -> Floats:
    """A position field of all rows, [B, 1, 2]."""
    return np.array(column(batch, name), dtype=np.float64)[:, None]


def pixel_offsets(size_nm: tuple[float, float], shape: tuple[int, int], rotation_rad: float = 0.0) -> Floats:
    """Centres of the pixels of a raster relative to its centre, [rows * columns, 2] nm, row 0 at the smallest y."""
    (width, height), (rows, columns) = size_nm, shape
    grid_x, grid_y = np.meshgrid(pixel_centers(width, columns), pixel_centers(height, rows))
    flat_x, flat_y = grid_x.ravel(), grid_y.ravel()
    cos, sin = np.cos(rotation_rad), np.sin(rotation_rad)
    return np.stack([cos * flat_x - sin * flat_y, sin * flat_x + cos * flat_y], axis=1)


def pixel_centers(size_nm: float, count: int) -> Floats:
    """Centres [count] of the pixels along one side, relative to the middle."""
    return np.asarray(((np.arange(count) + 0.5) / count - 0.5) * size_nm)


def pixel_times(shape: tuple[int, int], dwell_s: float, flyback_s: float) -> Floats:
    """When the dwell on each pixel is half done, from the start of the raster, [rows * columns] s."""
    rows, columns = shape
    line = (np.arange(columns) + 0.5) * dwell_s
    return np.asarray((np.arange(rows)[:, None] * (columns * dwell_s + flyback_s) + line).ravel())


def read(maps: Floats, places_px: Floats) -> Floats:
    """Maps [B, M, N, N] at places [B, K, 2] (x, y in pixels, centres at whole numbers), bilinear, as [B, M, K].

    The maps repeat outside of their grid.
    """
    rows, channels, grid, _ = maps.shape
    flat = maps.reshape(rows, channels, grid * grid)
    whole = np.floor(places_px)
    x, y = np.moveaxis(places_px - whole, -1, 0)[:, :, None, :]
    left, low = np.moveaxis(whole.astype(np.int64), -1, 0) % grid
    right, high = (left + 1) % grid, (low + 1) % grid

    def at(row: NDArray[np.int64], column: NDArray[np.int64]) -> Floats:
        return np.take_along_axis(flat, (row * grid + column)[:, None, :], axis=2)

    bottom = at(low, left) * (1 - x) + at(low, right) * x
    top = at(high, left) * (1 - x) + at(high, right) * x
    return np.asarray(bottom * (1 - y) + top * y)

"""What a request does with the beam: places and times of exposures, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch
from instruments.errors import InvalidRequest, NotSupported
from instruments.requests import ScanImage
from instruments.twins.raster import pixel_centers, pixel_offsets, points
from instruments.twins.reach import column, shared

Floats = NDArray[np.float64]
MOST: Final = 2**24
"""Exposures of one request."""


@dataclass(frozen=True)
class Exposures:
    """Places [B, K, 2] nm and durations [B, K] s, cut at `limit_s` [B]; `counted` [K] are those that are recorded."""

    places_nm: Floats
    seconds: Floats
    limit_s: Floats
    counted: NDArray[np.bool_]
    parked: bool
    until: Floats
    """(low, high, samples) of every row, [B, 3]; samples 0: no condition."""

    @property
    def whole_s(self) -> Floats:
        """Time [B] of all exposures when nothing ends them early."""
        return np.asarray(np.minimum(self.seconds.sum(axis=1), self.limit_s))


def exposures(batch: RequestBatch, flyback_s: float) -> Exposures:
    """The exposures of a request that turns the beam on; InvalidRequest where they are too many.

    The beam is not blanked while it flies back: that time falls on the start of the next line.
    """
    if batch.kind == "Dwell":
        return _dwell(batch)
    if batch.kind == "PointSpectrum":
        seconds = column(batch, "exposure_s").astype(np.float64)[:, None]
        return _always(points(batch, "position_nm"), seconds, np.ones(1, dtype=bool), parked=True)
    if batch.kind == "BeamPath":
        places, dwell_s = np.array(column(batch, "points_nm"), dtype=np.float64), float(shared(batch, "dwell_s"))
        return _always(places, np.full(places.shape[:2], dwell_s), np.ones(places.shape[1], dtype=bool), parked=True)
    frames = frames_of(batch)
    rows, columns = part_of(batch, frames[0])
    drawn = [_raster(frame, rows, columns, flyback_s) for frame in frames]
    places, seconds = np.stack([one[0] for one in drawn]), np.stack([one[1] for one in drawn])
    return _always(places, seconds, drawn[0][2], parked=False)


def frames_of(batch: RequestBatch) -> list[ScanImage]:
    """The frame of every row; they must share their shape, NotSupported where they do not."""
    if batch.kind == "ScanImage":
        size, shape, dwell_s, turn = (shared(batch, n) for n in ("size_nm", "shape", "dwell_s", "rotation_rad"))
        centers = np.asarray(column(batch, "center_nm"), dtype=np.float64)
        return [ScanImage((float(x), float(y)), size, shape, dwell_s, turn) for x, y in centers]
    frames: list[Any] = list(batch.each["frame"]) if "frame" in batch.each else [batch.shared["frame"]] * batch.rows
    if len({frame.shape for frame in frames}) > 1:
        raise NotSupported(f"{batch.kind}: the frames of all rows of a batch must have the same number of pixels")
    return frames


def part_of(batch: RequestBatch, frame: ScanImage) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns (first, last + 1) of a frame that a request scans."""
    if batch.kind == "SubScan":
        return shared(batch, "rows"), shared(batch, "columns")
    return (0, frame.shape[0]), (0, frame.shape[1])


def pixel_axes(frame: ScanImage, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[Floats, Floats]:
    """y and x [nm] of the pixels of a part of a frame, relative to its centre."""
    (width, height), (all_rows, all_columns) = frame.size_nm, frame.shape
    return pixel_centers(height, all_rows)[slice(*rows)], pixel_centers(width, all_columns)[slice(*columns)]


def _raster(
    frame: ScanImage, rows: tuple[int, int], columns: tuple[int, int], flyback_s: float
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Places [K, 2], durations [K], and which are pixels [K]; every line begins with a flyback."""
    offsets = pixel_offsets(frame.size_nm, _allowed(frame.shape), frame.rotation_rad).reshape(*frame.shape, 2)
    part = offsets[slice(*rows), slice(*columns)]
    lines = np.concatenate([part[:, :1], part], axis=1)
    seconds, counted = np.full(lines.shape[:2], frame.dwell_s), np.ones(lines.shape[:2], dtype=bool)
    seconds[:, 0], counted[:, 0] = flyback_s, False
    return np.array(frame.center_nm) + lines.reshape(-1, 2), seconds.ravel(), counted.ravel()


def _dwell(batch: RequestBatch) -> Exposures:
    longest, sample_s = column(batch, "longest_s").astype(np.float64), float(shared(batch, "sample_s"))
    count = int(np.ceil(longest.max() / sample_s - 1e-9))
    _allowed((count, 1))
    places = np.repeat(points(batch, "position_nm"), count, axis=1)
    seconds, counted = np.full((batch.rows, count), sample_s), np.ones(count, dtype=bool)
    return Exposures(places, seconds, longest, counted, True, _conditions(batch))


def _conditions(batch: RequestBatch) -> Floats:
    """(low, high, samples) of every row, [B, 3]."""
    wanted = batch.each["until"] if "until" in batch.each else [batch.shared.get("until")] * batch.rows
    return np.array([(0.0, 0.0, 0.0) if u is None else (u.low, u.high, u.samples) for u in wanted], dtype=np.float64)


def _always(places: Floats, seconds: Floats, counted: NDArray[np.bool_], parked: bool) -> Exposures:
    rows = len(places)
    return Exposures(places, seconds, np.full(rows, np.inf), counted, parked, np.zeros((rows, 3)))


def _allowed(shape: tuple[int, int]) -> tuple[int, int]:
    if shape[0] * shape[1] > MOST:
        raise InvalidRequest(f"{shape[0]} x {shape[1]} exposures in one request are too many: at most {MOST}")
    return shape

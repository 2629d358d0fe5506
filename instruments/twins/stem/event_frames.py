"""The frames of the STEM microscope's requests: how much is scanned, where the beam is, what a part of one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch
from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.request_columns import frames_of
from instruments.requests import ScanImage
from instruments.twins.reach import column, shared
from instruments.twins.stem.scan import Raster, flyback_places_nm, raster
from instruments.twins.stem.world import (
    AIM_X,
    AIM_Y,
    CLOCK,
    DRIFT_X,
    DRIFT_Y,
    REGISTERED_X,
    REGISTERED_Y,
    STAGE_X,
    STAGE_Y,
    World,
)  # fmt: skip

if TYPE_CHECKING:
    from instruments.twins.stem.microscope import StemMicroscope

Floats = NDArray[np.float64]


def pixels_of(batch: RequestBatch) -> int:
    """Pixels of a frame, samples of a dwell; 0 of what has neither."""
    if batch.kind == "Dwell":
        return int(np.max(column(batch, "longest_s")) / float(shared(batch, "sample_s")))
    if batch.kind in ("ScanImage", "SubScan", "AtomPositions"):
        rows, columns, _ = scanned(batch)
        return rows * columns
    return 0


def scanned(batch: RequestBatch) -> tuple[int, int, float]:
    """Rows, columns and dwell of what a frame or a part of one scans."""
    if batch.kind == "ScanImage":
        (rows, columns), dwell_s = shared(batch, "shape"), float(shared(batch, "dwell_s"))
        return rows, columns, dwell_s
    one = frames_of(batch)[1]
    if batch.kind == "AtomPositions":
        return *one.shape, one.dwell_s
    (a, b), (c, d) = shared(batch, "rows"), shared(batch, "columns")
    return b - a, d - c, one.dwell_s


def row_frames(batch: RequestBatch) -> list[ScanImage]:
    """The frame of every row; a line is a frame of one row."""
    if batch.kind == "SubScan":
        centers, one = frames_of(batch)
        return [
            ScanImage((float(x), float(y)), one.size_nm, one.shape, one.dwell_s, one.rotation_rad) for x, y in centers
        ]
    requests: list[Any] = [batch.row(row) for row in range(batch.rows)]
    return [_as_frame(request) for request in requests] if batch.kind == "LineScan" else requests


def _as_frame(line: Any) -> ScanImage:
    start, end = np.array(line.start_nm), np.array(line.end_nm)
    length = float(np.hypot(*(end - start)))
    if not length > 0.0:
        raise InvalidRequest("LineScan: start_nm and end_nm are the same place")
    middle = tuple(float(v) for v in (start + end) / 2)
    turn = float(np.arctan2(*(end - start)[::-1]))
    return ScanImage((middle[0], middle[1]), (length, 1e-6), (1, line.points), line.dwell_s, turn)


def part_of(batch: RequestBatch, frame: ScanImage) -> tuple[slice, slice]:
    """The rows and columns of a frame that are scanned."""
    if batch.kind == "SubScan":
        return slice(*shared(batch, "rows")), slice(*shared(batch, "columns"))
    return slice(0, frame.shape[0]), slice(0, frame.shape[1])


def lines_of(core: StemMicroscope, world: World, frame: ScanImage, row: int, key: Keys, idle_s: float) -> Raster:
    """Where the beam is, in the scanner's own scale."""
    drift = world.hidden[row, DRIFT_X : DRIFT_Y + 1]
    offset = offset_nm(world, row, np.array([world.moving[row, CLOCK] + idle_s]), parked=False)[0]
    return raster(frame, core.distortions, offset, -drift, core.flyback_s, key)


def visits(lines: Raster, dwell_s: float, flyback_s: float) -> tuple[Floats, Floats]:
    """Places [K, 2] and times [K]; every line begins with the flyback's dose on its first pixel."""
    places = lines.places_nm()
    both = np.concatenate([flyback_places_nm(lines)[:, None], places], axis=1)
    seconds = np.full(both.shape[:2], dwell_s)
    seconds[:, 0] = flyback_s
    return both.reshape(-1, 2), seconds.ravel()


def offset_nm(world: World, row: int, time_s: Floats, parked: bool) -> Floats:
    """What is added to places at times [K] to reach the material, [K, 2]; see `event_rows`."""
    moving, hidden = world.moving[row], world.hidden[row]
    still = moving[REGISTERED_X : REGISTERED_Y + 1] - moving[STAGE_X : STAGE_Y + 1]
    still = still + (hidden[AIM_X : AIM_Y + 1] if parked else 0.0)
    return np.asarray(still - time_s[:, None] * hidden[DRIFT_X : DRIFT_Y + 1])

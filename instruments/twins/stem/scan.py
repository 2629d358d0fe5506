"""Where the beam really is while it scans: lines that are straight, but not where and not as long as they should be.

Linear effects (drift, scale, shear, rotation) turn and stretch the raster and stay exact; a line has a jitter of its
own, and every line begins with the flyback's settling. So a raster is a direction, a start for each line, and one set
of distances along the line, and an image can be read line by line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.requests import ScanImage
from instruments.twins.raster import pixel_centers
from physics_priors.bounds import Bounds, violations

Floats = NDArray[np.float64]
MOST_PIXELS = 2**26
"""Of a frame: half a gigabyte for each of its arrays."""


@dataclass(frozen=True)
class Distortions:
    """What a scan does wrong; every one is off at 0."""

    jitter_nm: Annotated[float, Bounds("nm", 0.0, 1.0)] = 0.012
    """Root mean square displacement of a line, along x and along y."""
    jitter_memory: Annotated[float, Bounds("", 0.0, 1.0, open_high=True)] = 0.5
    """Correlation of a line's displacement with that of the line before."""
    settling_nm: Annotated[float, Bounds("nm", -1.0, 1.0)] = 0.02
    """Displacement along the line at its beginning, dying out exponentially."""
    settling_share: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 0.03
    """Share of the line over which the settling falls to 1/e."""
    scale: Annotated[float, Bounds("", -0.1, 0.1)] = 0.004
    """Relative error of the field's width; its height has minus this."""
    shear: Annotated[float, Bounds("", -0.1, 0.1)] = 0.003
    """Tangent of the angle by which the slow direction is not at right angles to the fast one."""

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("Distortions: " + "; ".join(said))


NONE = Distortions(0.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Raster:
    """Places of a raster: turned by `turn_rad` they are (starts_nm[r, 0] + along_nm[c], starts_nm[r, 1]).

    starts_nm [R, 2] and along_nm [C] are in the turned frame, whose x is the fast direction.
    """

    turn_rad: float
    starts_nm: Floats
    along_nm: Floats

    def places_nm(self) -> Floats:
        """All places [R, C, 2] in the sample frame."""
        x = self.starts_nm[:, :1] + self.along_nm
        y = np.broadcast_to(self.starts_nm[:, 1:], x.shape)
        cos, sin = math.cos(self.turn_rad), math.sin(self.turn_rad)
        return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)

    def part(self, rows: slice, columns: slice) -> Raster:
        """Some lines and columns of it."""
        return Raster(self.turn_rad, self.starts_nm[rows], self.along_nm[columns])

    def box(self) -> tuple[Floats, Floats]:
        """Lowest and highest (x, y) in the turned frame."""
        along = np.array([self.along_nm.min(), self.along_nm.max()])
        low = self.starts_nm.min(axis=0) + np.array([along[0], 0.0])
        high = self.starts_nm.max(axis=0) + np.array([along[1], 0.0])
        return low, high


def raster(
    frame: ScanImage, distortions: Distortions, drift_nm: Floats, velocity_nm_s: Floats, flyback_s: float, key: Keys
) -> Raster:
    """Where the beam is on the sample for every pixel of a frame.

    drift_nm [2] is the displacement of the beam over the sample when the frame begins, velocity_nm_s [2] how it goes
    on; `key` [1] is the frame's, fresh for each.
    """
    allocatable(frame.shape)
    (width, height), (rows, columns) = frame.size_nm, frame.shape
    pixel_s, line_s = frame.dwell_s, columns * frame.dwell_s + flyback_s
    turn = np.array(_axes(frame.rotation_rad))
    fast = turn[0] * (1.0 + distortions.scale) + velocity_nm_s * pixel_s * columns / width
    slow = (turn[1] + distortions.shear * turn[0]) * (1.0 - distortions.scale) + velocity_nm_s * line_s * rows / height
    middle = np.array(frame.center_nm) + drift_nm + 0.5 * velocity_nm_s * line_s * rows
    down = pixel_centers(height, rows)[:, None]
    lines = middle + down * slow + line_jitter(distortions, rows, key)
    stretch, direction = math.hypot(*fast), math.atan2(fast[1], fast[0])
    along = pixel_centers(width, columns) * stretch + settling(distortions, width, columns)
    own = np.array(_axes(direction))
    return Raster(direction, np.ascontiguousarray(lines @ own.T), along)


def allocatable(shape: tuple[int, int]) -> None:
    """InvalidRequest where a frame has more pixels than can be kept in memory."""
    if shape[0] * shape[1] > MOST_PIXELS:
        raise InvalidRequest(
            f"a frame of {shape[0]} x {shape[1]} pixels cannot be allocated: ask for at most {MOST_PIXELS} pixels"
        )


def line_jitter(distortions: Distortions, rows: int, key: Keys) -> Floats:
    """Displacements [rows, 2] in the sample frame: a stationary first-order process."""
    if distortions.jitter_nm == 0.0:
        return np.zeros((rows, 2))
    from scipy.signal import lfilter

    memory = distortions.jitter_memory
    fresh = random.normal(random.fold(key, 1), 2 * rows)[0].reshape(rows, 2)
    fresh[1:] *= math.sqrt(1.0 - memory**2)
    return np.asarray(distortions.jitter_nm * lfilter([1.0], [1.0, -memory], fresh, axis=0))


def settling(distortions: Distortions, width_nm: float, columns: int) -> Floats:
    """Displacement [columns] along the line."""
    share = (np.arange(columns) + 0.5) / columns
    return np.asarray(distortions.settling_nm * np.exp(-share / distortions.settling_share))


def frame_s(shape: tuple[int, int], dwell_s: float, flyback_s: float) -> float:
    """How long a frame takes, flyback after every line included [s]."""
    rows, columns = shape
    return rows * (columns * dwell_s + flyback_s)


def flyback_places_nm(lines: Raster) -> Floats:
    """Where the flyback's dose falls: the start of every line, [R, 2] in the sample frame."""
    return lines.part(slice(None), slice(0, 1)).places_nm()[:, 0]


def _axes(angle_rad: float) -> list[list[float]]:
    """Unit vectors of axes turned by an angle, as rows."""
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return [[cos, sin], [-sin, cos]]

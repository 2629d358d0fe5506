"""Requests of every scanned probe, electron or tip: frames, parts of frames, lines, atoms in a frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from instruments.requests.base import Pixels, Point, Request, Seconds, Size, request
from physics_priors.bounds import Bounds


@request
@dataclass(frozen=True)
class ScanImage(Request):
    """A raster image: `shape` (rows, columns) over `size_nm` (width, height), dwell per pixel."""

    center_nm: Point
    size_nm: Size
    shape: tuple[Pixels, Pixels]
    dwell_s: Seconds
    rotation_rad: Annotated[float, Bounds("rad")] = 0.0
    channels: tuple[str, ...] = ()

    def places_nm(self) -> NDArray[np.float64]:
        return _corners(self.center_nm, self.size_nm, self.rotation_rad)


@request
@dataclass(frozen=True)
class SubScan(Request):
    """A rectangle of the pixels of `frame`: rows and columns as (first, last + 1)."""

    frame: ScanImage
    rows: tuple[int, int]
    columns: tuple[int, int]

    def contradictions(self) -> list[str]:
        said = []
        for name, (first, end), size in zip(
            ("rows", "columns"), (self.rows, self.columns), self.frame.shape, strict=True
        ):
            if not 0 <= first < end <= size:
                said.append(f"{name}=({first}, {end}) is not inside the frame's {size}")
        return said

    def places_nm(self) -> NDArray[np.float64]:
        (w, h), (rows, cols) = self.frame.size_nm, self.frame.shape
        x0, x1 = (c / cols * w - w / 2 for c in self.columns)
        y0, y1 = (r / rows * h - h / 2 for r in self.rows)
        return _rotated(
            np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), self.frame.center_nm, self.frame.rotation_rad
        )


@request
@dataclass(frozen=True)
class LineScan(Request):
    """A single line from `start_nm` to `end_nm`, dwell per point."""

    start_nm: Point
    end_nm: Point
    points: Pixels
    dwell_s: Seconds
    channels: tuple[str, ...] = ()

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.start_nm, self.end_nm], dtype=float)


@request
@dataclass(frozen=True)
class AtomPositions(Request):
    """The atoms seen in `frame`: position_nm and what the detector or a finder says of each.

    Who answers scans the whole frame, at its dose and time, and finds the atoms in it. Channels are "position"
    [n, 2] in nm, in the sample frame, and where known "intensity" [n] and "species" [n], the atomic number; rows
    without an atom are NaN.
    """

    frame: ScanImage

    def places_nm(self) -> NDArray[np.float64]:
        return self.frame.places_nm()


def _corners(center_nm: Point, size_nm: Size, rotation_rad: float) -> NDArray[np.float64]:
    half = np.array(size_nm) / 2
    return _rotated(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half, center_nm, rotation_rad)


def _rotated(offsets: NDArray[np.float64], center_nm: Iterable[float], angle: float) -> NDArray[np.float64]:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(offsets @ turn.T + np.array(list(center_nm)), dtype=np.float64)

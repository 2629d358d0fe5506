"""A recording: a grid of spectra, images of the same field, or both, in nanometres and in order (row = y)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Calibration, Field, Sites
from instruments.measurement import Axis


@dataclass(frozen=True)
class Spectra:
    """Spectra [rows, cols, n] at y_nm [rows] and x_nm [cols], both rising; NaN and infinity stay as recorded."""

    name: str
    unit: str
    values: NDArray[Any]
    axis: Axis
    x_nm: NDArray[np.float64]
    y_nm: NDArray[np.float64]

    def sites(self) -> Sites:
        """The recorded places, row by row."""
        x, y = np.meshgrid(self.x_nm, self.y_nm)
        return Sites((len(self.y_nm), len(self.x_nm)), np.stack([x.ravel(), y.ravel()], axis=1))

    def nearest(self, position_nm: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column [B] of the recorded place nearest to each position [B, 2]."""
        cols = np.abs(position_nm[:, :1] - self.x_nm).argmin(axis=1)
        rows = np.abs(position_nm[:, 1:] - self.y_nm).argmin(axis=1)
        return rows, cols

    def at(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.float64]:
        """The spectra [B, n] at these places; nothing else of the recording is read."""
        return np.asarray(self.values[rows, cols], dtype=np.float64)


@dataclass(frozen=True)
class Image:
    """An image [R, C], row 0 at the smallest y, whose pixels fill (x0, x1, y0, y1) nm."""

    name: str
    unit: str
    values: NDArray[np.float64]
    extent_nm: tuple[float, float, float, float]


@dataclass(frozen=True)
class Recording:
    """What was recorded: spectra, images, or both."""

    spectra: Spectra | None
    images: tuple[Image, ...]
    calibration: Calibration

    def extent_nm(self) -> tuple[float, float, float, float]:
        """(x0, x1, y0, y1) of what was recorded, half a pixel around the outer places included."""
        if self.spectra is None:
            return self.images[0].extent_nm
        x, y = self.spectra.x_nm, self.spectra.y_nm
        return (*edges(x, y), *edges(y, x))

    def field(self) -> Field:
        """The rectangle of `extent_nm`."""
        x0, x1, y0, y1 = self.extent_nm()
        return Field(((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0))


def edges(centres: NDArray[np.float64], across: NDArray[np.float64]) -> tuple[float, float]:
    """Outer edges of pixels with these rising centres; a single one is as wide as those `across`, or else 1 nm."""
    if len(centres) == 1:
        half = (across[1] - across[0] if len(across) > 1 else 1.0) / 2
        return float(centres[0]) - half, float(centres[0]) + half
    low, high = (centres[1] - centres[0]) / 2, (centres[-1] - centres[-2]) / 2
    return float(centres[0] - low), float(centres[-1] + high)

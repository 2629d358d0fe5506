"""What the driver asks of Swift's stack, and in which values it answers; nothing here imports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray


class Raster(NamedTuple):
    """A scan in the scanner's frame: centre (x, y) [nm], pixel [nm], shape, dwell [s], rotation [rad], channels.

    `rows` and `columns` are the part of it that is scanned, (first, last + 1).
    """

    center_nm: tuple[float, float]
    pixel_nm: float
    shape: tuple[int, int]
    dwell_s: float
    rotation_rad: float
    channels: tuple[int, ...]
    rows: tuple[int, int]
    columns: tuple[int, int]


class Taken(NamedTuple):
    """An array as Swift gave it: values, (step, offset, unit) of every axis, and what it says of itself."""

    values: NDArray[Any]
    axes: tuple[tuple[float, float, str], ...]
    said: Mapping[str, Any]


class Microscope(Protocol):
    """Calls that block, and `abort`, which ends them from another thread."""

    @property
    def detectors(self) -> list[str]:
        """Names of the scan's channels."""
        ...

    def binnings(self, camera: str) -> list[int]:
        """What the binning of "energy_loss" or "ronchigram" can be."""
        ...

    def value(self, control: str) -> float | None:
        """A control [SI]; None where there is no such."""
        ...

    def set(self, control: str, value: float) -> bool:
        """Set a control [SI]; False where there is no such. What became of it must be read back."""
        ...

    def scan(self, raster: Raster) -> list[Taken | None]:
        """A frame of every channel; a failed or aborted scan is short, or empty."""
        ...

    def spectra(self, raster: Raster, exposure_s: float, binning: int) -> list[Taken | None]:
        """Spectra at every pixel [rows, columns, energy]; empty where it was aborted."""
        ...

    def park(self, position_nm: tuple[float, float], field_nm: float) -> tuple[float, float]:
        """Park the probe in a square field around the scan's centre; where it says that it is [nm]."""
        ...

    def camera(self, name: str, exposure_s: float, binning: int, patience_s: float) -> list[Taken | None]:
        """A frame that began after this call; empty where it was aborted."""
        ...

    def abort(self) -> None:
        """End whatever runs, from any thread; may come again and again, and before anything began."""
        ...

    def close(self) -> None:
        """End its threads."""
        ...

"""Is an array of Swift's what was asked for, as far as it says what it is; and its axes in the project's units."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid, HardwareFault
from instruments.measurement import Axis
from instruments.nion.microscope import Raster, Taken


def all_there(found: list[Taken | None], count: int) -> list[Taken]:
    """The arrays, none missing and none with a gap; raises DataInvalid."""
    whole = [taken for taken in found if taken is not None]
    if len(whole) != count:
        raise DataInvalid(f"{len(whole)} of {count} arrays came: the acquisition failed, and no frame of it is one")
    for taken in whole:
        if not np.isfinite(taken.values).all():
            raise DataInvalid("the array has gaps")
    return whole


def as_asked(taken: Taken, raster: Raster, shape: tuple[int, int], name: str) -> None:
    """Raise where a frame is not the one that was asked for, as far as it says what it is."""
    if taken.values.shape != shape:
        raise DataInvalid(f"{name}: asked for {shape} pixels, {taken.values.shape} came")
    source, scan = taken.said.get("hardware_source", {}), taken.said.get("scan", {})
    if source.get("valid_rows") != shape[0]:
        raise DataInvalid(f"{name}: {source.get('valid_rows')} of {shape[0]} rows are valid")
    read = {
        "pixel [nm]": (taken.axes[0][0], raster.pixel_nm),
        "dwell [us]": (source.get("pixel_time_us"), 1e6 * raster.dwell_s),
        "centre x [nm]": (scan.get("center_x_nm"), raster.center_nm[0]),
        "centre y [nm]": (scan.get("center_y_nm"), raster.center_nm[1]),
        "rotation [rad]": (scan.get("rotation"), raster.rotation_rad),
    }
    for what, (got, asked) in read.items():
        if got is None or not math.isclose(got, asked, rel_tol=1e-6, abs_tol=1e-9):
            raise HardwareFault(f"{name}: {what} was to be {asked:g} and reads {got}")


def centers(name: str, part: tuple[int, int], points: int, size_nm: float) -> Axis:
    """Centres of pixels [nm], from the middle of the whole frame."""
    return Axis(name, "nm", (np.arange(*part) + 0.5) / points * size_nm - size_nm / 2)


def axis(name: str, unit: str, scale: tuple[float, float, str], points: int) -> Axis:
    """A calibrated axis; raises DataInvalid where it came in another unit."""
    step, first, said = scale
    if said != unit:
        raise DataInvalid(f"{name} came in {said!r}, not in {unit}")
    values: NDArray[np.float64] = first + step * np.arange(points, dtype=np.float64)
    return Axis(name, unit, values)

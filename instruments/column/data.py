"""What a vendor's array must be before it is a frame or a spectrum of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid, HardwareFault
from instruments.measurement import Axis, Channel
from instruments.requests import ScanImage

_SOONER = 0.9


def whole_image(values: Any, request: ScanImage, seconds: float, beam_s: float) -> Channel:
    """A frame with its axes; raises DataInvalid for one that is none, HardwareFault for one that came too soon."""
    array = _numbers(values)
    if array.shape != request.shape:
        raise DataInvalid(f"asked for {request.shape} pixels, {array.shape} came")
    _unsaturated(array)
    if not array.any():
        raise DataInvalid("every pixel is 0: is the detector in, are the column valves open?")
    _not_too_soon(seconds, beam_s)
    y, x = (
        Axis(name, "nm", (np.arange(n) + 0.5) / n * size - size / 2)
        for name, n, size in (("y", request.shape[0], request.size_nm[1]), ("x", request.shape[1], request.size_nm[0]))
    )
    return Channel(array.astype(np.float32), "counts", (y, x))


def spectrum_channel(values: Any, energies_eV: NDArray[np.float64], seconds: float, exposure_s: float) -> Channel:
    """A spectrum with its axis; raises as `whole_image` does."""
    array = _numbers(values)
    if array.ndim != 1 or array.shape != energies_eV.shape or len(array) < 2:
        raise DataInvalid(f"a spectrum of shape {array.shape} for {energies_eV.shape} energies")
    if not np.all(np.isfinite(energies_eV)) or not np.all(np.diff(energies_eV) > 0):
        raise DataInvalid("the energies do not rise: is the dispersion known?")
    _unsaturated(array)
    _not_too_soon(seconds, exposure_s)
    return Channel(array.astype(np.float32), "counts", (Axis("energy", "eV", energies_eV),))


def _numbers(values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise DataInvalid(f"an array of {array.dtype} came, not of numbers")
    if not np.all(np.isfinite(array)):
        raise DataInvalid("not every value is a number: only a part of it was acquired")
    return array


def _unsaturated(array: NDArray[Any]) -> None:
    if array.dtype.kind in "iu" and array.size and array.max() == np.iinfo(array.dtype).max:
        raise DataInvalid(f"the detector is saturated at {array.max()}: choose a shorter time")


def _not_too_soon(seconds: float, beam_s: float) -> None:
    if seconds < _SOONER * beam_s:
        raise HardwareFault(f"it came after {seconds:.3g} s, of {beam_s:.3g} s of beam: an old one, or other settings")

"""Scans: the height loop along every line and back, and the lever's reading on the way forward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from instruments import keys as random
from instruments.batch import RequestBatch
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.domains import Floats
from instruments.twins.raster import pixel_centers, points, read
from instruments.twins.reach import shared
from instruments.twins.spm.scanner import Lines
from instruments.twins.spm.world import INTEGRAL_HZ, ON, PROPORTIONAL, SETPOINT_NN, World

TOPOGRAPHY: Final = {"height": "nm", "height_back": "nm", "deflection": "nm", "force": "nN"}
"""Height on the way forward and back (in the order of the forward pass); the mean deflection from the set-point; the
largest force within a pixel, forward and back."""


@dataclass(frozen=True)
class Loop:
    """The height loop and its disturbances; noise and line noise are off at 0."""

    lever_N_m: float
    piezo_Hz: float
    piezo_quality: float
    detector_s: float
    noise_nm: float
    line_noise_nm: float


def heights(world: World, surface_nm: Floats, dwell_s: Floats, loop: Loop, keys: Keys) -> dict[str, Floats]:
    """Channels [B, L, n] of TOPOGRAPHY from the surface [B, 2 L, n] along the passes of a scan."""
    from instruments.twins.spm import kernels

    _, passes, count = surface_nm.shape
    noise = loop.noise_nm * random.normal(random.fold(keys, 2), passes * count).reshape(surface_nm.shape)
    jumps = loop.line_noise_nm * random.normal(random.fold(keys, 3), passes)[:, :, None]
    setpoint_nN = world.feedback[:, SETPOINT_NN]
    state = np.stack([*world.feedback[:, [ON, PROPORTIONAL, INTEGRAL_HZ]].T, setpoint_nN / loop.lever_N_m], axis=1)
    found = np.empty((3, *surface_nm.shape))
    kernels.track(
        surface_nm, noise, state, dwell_s, (2.0 * np.pi * loop.piezo_Hz, loop.piezo_quality, loop.detector_s), found
    )
    height = found[0] + jumps
    largest = np.maximum(found[2, :, 0::2], found[2, :, 1::2, ::-1])
    return {
        "height": height[:, 0::2],
        "height_back": height[:, 1::2, ::-1],
        "deflection": found[1, :, 0::2] + noise[:, 0::2],
        "force": setpoint_nN[:, None, None] + loop.lever_N_m * largest,
    }


def under_tip(maps: Floats, material_nm: Floats, field_nm: float) -> Floats:
    """Maps [B, M, N, N] at places [B, K, 2] nm, as [M, B, K]."""
    grid = maps.shape[-1]
    places_px = (material_nm / field_nm + 0.5) * grid - 0.5
    return np.moveaxis(read(maps, places_px), 1, 0)


def scan_axes(batch: RequestBatch, lines: Lines) -> tuple[Axis, ...]:
    """Axes of an image relative to its centre, and of a line from its start, in nm."""
    if batch.kind == "ScanImage":
        (width, height), (rows, columns) = shared(batch, "size_nm"), shared(batch, "shape")
        return Axis("y", "nm", pixel_centers(height, rows)), Axis("x", "nm", pixel_centers(width, columns))
    way = points(batch, "end_nm")[0, 0] - points(batch, "start_nm")[0, 0]
    return (Axis("along", "nm", np.linspace(0.0, float(np.hypot(*way)), lines.shape[1])),)


def shaped(values: dict[str, Any], rows: int, axes: tuple[Axis, ...]) -> dict[str, Any]:
    """Channels with the shape of their axes."""
    shape = (rows, *(len(axis.values) for axis in axes))
    return {name: np.ascontiguousarray(array).reshape(shape) for name, array in values.items()}

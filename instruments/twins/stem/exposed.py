"""What twins of an electron column have in common: calibration, time and electrons of a request, axes of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from instruments.batch import CostBatch, RequestBatch
from instruments.capabilities import Calibration
from instruments.cost import electrons
from instruments.measurement import Axis
from instruments.twins.raster import pixel_centers
from instruments.twins.reach import shared
from instruments.twins.stem.detector import Detector
from instruments.twins.stem.scan import allocatable, frame_s
from physics_priors.optics.probe import Column


class Exposing(Protocol):
    """A twin with a column, a detector, a current and a flyback."""

    @property
    def column(self) -> Column:
        """Energy, aperture and source."""
        ...

    @property
    def detector(self) -> Detector:
        """What counts."""
        ...

    @property
    def current_pA(self) -> float:
        """On the sample, in pA."""
        ...

    @property
    def flyback_s(self) -> float:
        """After every line of a frame, in s."""
        ...


def calibration(twin: Exposing) -> Calibration:
    """What is known of a twin that is calibrated."""
    return Calibration(
        current_pA=twin.current_pA,
        flyback_s=twin.flyback_s,
        beam_energy_keV=twin.column.energy_keV,
        convergence_mrad=twin.column.convergence_mrad,
        detector_gain=twin.detector.gain,
    )


def cost(twin: Exposing, batch: RequestBatch, blanked_s: Mapping[str, float]) -> CostBatch:
    """Time and electrons of frames and exposures; requests named in `blanked_s` take that long without a beam.

    Raises OutOfReach for a frame that cannot be held in memory.
    """
    seconds = np.full(batch.rows, blanked_s[batch.kind] if batch.kind in blanked_s else _exposed_s(twin, batch))
    on = 0.0 if batch.kind in blanked_s else electrons(twin.current_pA, 1.0)
    nothing = np.zeros(batch.rows)
    return CostBatch(seconds, on * seconds, nothing, nothing)


def image_axes(batch: RequestBatch) -> tuple[Axis, Axis]:
    """(y, x) of a frame, from its centre."""
    (width, height), (rows, columns) = shared(batch, "size_nm"), shared(batch, "shape")
    return Axis("y", "nm", pixel_centers(height, rows)), Axis("x", "nm", pixel_centers(width, columns))


def _exposed_s(twin: Exposing, batch: RequestBatch) -> float:
    if batch.kind != "ScanImage":
        return float(shared(batch, "exposure_s"))
    shape: Any = shared(batch, "shape")
    allocatable(shape)
    return frame_s(shape, shared(batch, "dwell_s"), twin.flyback_s)

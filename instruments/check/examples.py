"""Requests to try an instrument with, made from its own capabilities."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from instruments.capabilities import Capabilities
from instruments.requests import (
    Approach,
    AtomPositions,
    BandExcitationImage,
    BandExcitationSpectrum,
    BeamPath,
    BiasSpectroscopy,
    BiasWaveform,
    CameraFrame,
    ContactKelvin,
    Dwell,
    LineScan,
    MoveStage,
    PointSpectrum,
    Register,
    Relaxation,
    Request,
    ScanImage,
    SetAberrations,
    SetDrive,
    SetFeedback,
    SetOptics,
    SetSample,
    SpectrumImage,
    StreamLine,
    SubScan,
    TipPath,
    TipPulse,
    Withdraw,
)

Point = tuple[float, float]


def examples(capabilities: Capabilities) -> list[Request]:
    """One modest request of every kind the instrument has, inside of its field, limits and settings."""
    here, there = _places(capabilities)
    made = [make(here, there) for kind, make in _MAKERS.items() if kind in capabilities.requests]
    return [_fitted(request, capabilities) for request in made]


def outside(request: Request, capabilities: Capabilities) -> Request | None:
    """The same request far outside the field; None for requests without a place."""
    (x, y), (width, height) = capabilities.field.center_nm, capabilities.field.size_nm
    away = (x + 3 * width, y + 3 * height)
    moved: dict[str, Any] = {n: away for n in ("center_nm", "position_nm", "start_nm", "end_nm") if hasattr(request, n)}
    if hasattr(request, "points_nm"):
        moved["points_nm"] = (away, away)
    if hasattr(request, "frame"):
        moved["frame"] = dataclasses.replace(request.frame, center_nm=away)
    return dataclasses.replace(request, **moved) if moved else None


def _places(capabilities: Capabilities) -> tuple[Point, Point]:
    if capabilities.sites is not None:
        first, last = capabilities.sites.positions_nm[0], capabilities.sites.positions_nm[-1]
        return (float(first[0]), float(first[1])), (float(last[0]), float(last[1]))
    (x, y), (width, height) = capabilities.field.center_nm, capabilities.field.size_nm
    return (x - width / 5, y - height / 7), (x + width / 6, y + height / 4)


def _frame(here: Point, there: Point) -> ScanImage:
    center = ((here[0] + there[0]) / 2, (here[1] + there[1]) / 2)
    size = (max(abs(there[0] - here[0]), 1e-3), max(abs(there[1] - here[1]), 1e-3))
    return ScanImage(center, size, (12, 10), 1e-3)


_MAKERS: Mapping[str, Callable[[Point, Point], Request]] = {
    "ScanImage": _frame,
    "AtomPositions": lambda here, there: AtomPositions(_frame(here, there)),
    "SubScan": lambda here, there: SubScan(_frame(here, there), (2, 8), (0, 5)),
    "LineScan": lambda here, there: LineScan(here, there, 20, 1e-2),
    "SpectrumImage": lambda here, there: SpectrumImage(_frame(here, there), 1e-2),
    "PointSpectrum": lambda here, there: PointSpectrum(there, 0.5),
    "CameraFrame": lambda here, there: CameraFrame(there, 0.5),
    "Dwell": lambda here, there: Dwell(there, 0.5, 0.05),
    "BeamPath": lambda here, there: BeamPath((here, there), 0.1),
    "BiasSpectroscopy": lambda here, there: BiasSpectroscopy(there, -4.0, 4.0, 32, 1e-2),
    "BiasWaveform": lambda here, there: BiasWaveform(there, (0.0, 4.0, -4.0, 2.0), 1e-2),
    "ContactKelvin": lambda here, there: ContactKelvin(there, (0.0, 4.0, -4.0), (-1.0, 1.0), 1e-2),
    "Relaxation": lambda here, there: Relaxation(there, 4.0, 0.05, 8, 0.02),
    "BandExcitationSpectrum": lambda here, there: BandExcitationSpectrum(there, 3.3e5, 1e5, 100, 1e-3),
    "BandExcitationImage": lambda here, there: BandExcitationImage(_frame(here, there), 3.3e5, 1e5, 100),
    "StreamLine": lambda here, there: StreamLine(here, there, 8, 1e-3, 4e6, 3.3e5, 1e5, 100),
    "TipPulse": lambda here, there: TipPulse(there, 2.0, 0.1),
    "TipPath": lambda here, there: TipPath((here, there), 100.0),
    "SetAberrations": lambda here, there: SetAberrations(("C1",), ((1.0, 0.0),)),
    "SetOptics": lambda here, there: SetOptics(defocus_nm=1.0),
    "MoveStage": lambda here, there: MoveStage((1.0, 1.0, 0.0)),
    "SetFeedback": lambda here, there: SetFeedback(True),
    "SetDrive": lambda here, there: SetDrive(amplitude_V=1.0),
    "Approach": lambda here, there: Approach(),
    "Withdraw": lambda here, there: Withdraw(),
    "SetSample": lambda here, there: SetSample(settle_s=0.1),
    "Register": lambda here, there: Register((0.0, 0.0)),
}


def _fitted(request: Request, capabilities: Capabilities) -> Request:
    """The request with the values its instrument insists on, and the others clipped into its limits."""
    names = {f.name for f in dataclasses.fields(request)}
    changed: dict[str, Any] = {}
    for name in names & set(capabilities.limits):
        value, allowed = getattr(request, name), capabilities.limits[name]
        if isinstance(value, (int, float)) and not allowed.contains(value):
            low = allowed.low if math.isfinite(allowed.low) else -math.inf
            changed[name] = type(value)(min(max(value, low), allowed.high))
    for name, value in capabilities.settings.get(request.kind, {}).items():
        if name in names:
            changed[name] = type(getattr(request, name))(value)
    return dataclasses.replace(request, **changed) if changed else request

"""Requests of electron microscopes: spectra and camera frames, parked and moved beams, lenses, stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from instruments.errors import InvalidRequest
from instruments.requests.base import Nm, Point, Request, Seconds, part, request
from instruments.requests.scanning import ScanImage
from instruments.structure import misfits
from physics_priors.bounds import ANY, Bounds, violations
from physics_priors.optics.aberrations import NAMES


@request
@dataclass(frozen=True)
class PointSpectrum(Request):
    """A spectrum (EELS, EDS, optical) with the beam parked at one place."""

    position_nm: Point
    exposure_s: Seconds

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.position_nm], dtype=float)


@request
@dataclass(frozen=True)
class SpectrumImage(Request):
    """A spectrum at every pixel of `frame`; `exposure_s` is for each, the frame's own dwell is not used."""

    frame: ScanImage
    exposure_s: Seconds

    def places_nm(self) -> NDArray[np.float64]:
        return self.frame.places_nm()


@request
@dataclass(frozen=True)
class CameraFrame(Request):
    """A camera frame (Ronchigram, diffraction) with the beam parked at one place."""

    position_nm: Point
    exposure_s: Seconds
    binning: Annotated[int, Bounds("", 1, 64)] = 1

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.position_nm], dtype=float)


@part
@dataclass(frozen=True)
class Until:
    """Ends a dwell early: when the trace of `channel` has left the band (low, high) for `samples` samples."""

    channel: str
    low: Annotated[float, ANY]
    high: Annotated[float, ANY]
    samples: Annotated[int, Bounds("samples", 1)] = 1

    def __post_init__(self) -> None:
        said = misfits(self) or violations(self)
        if said or not self.low < self.high:
            raise InvalidRequest("Until: " + ("; ".join(said) or f"low={self.low:g} is not below high={self.high:g}"))


@request
@dataclass(frozen=True)
class Dwell(Request):
    """Park the beam for at most `longest_s`, recording the detector trace every `sample_s`."""

    position_nm: Point
    longest_s: Seconds
    sample_s: Seconds
    until: Until | None = None

    def contradictions(self) -> list[str]:
        return [] if self.sample_s <= self.longest_s else ["sample_s is longer than longest_s"]

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.position_nm], dtype=float)


@request
@dataclass(frozen=True)
class BeamPath(Request):
    """Visit `points_nm` in order, staying `dwell_s` at each."""

    points_nm: tuple[Point, ...]
    dwell_s: Seconds

    def contradictions(self) -> list[str]:
        return [] if self.points_nm else ["points_nm is empty"]

    def places_nm(self) -> NDArray[np.float64]:
        return np.array(self.points_nm, dtype=float)


@request
@dataclass(frozen=True)
class SetOptics(Request):
    """Set the probe; None leaves a value as it is. Overfocus is positive."""

    defocus_nm: Nm | None = None
    astigmatism_nm: Point | None = None
    coma_nm: Point | None = None
    current_pA: Annotated[float, Bounds("pA", 0.0, 1e6)] | None = None


@request
@dataclass(frozen=True)
class SetAberrations(Request):
    """Change or set aberrations by their CEOS names, as (real, imaginary) parts [nm].

    The convention is that of `physics_priors.optics.aberrations`. `relative` steps are added to where the lenses are,
    else they are set to the values since the start; C1, C3 and C5 have no imaginary part.
    """

    names: tuple[str, ...]
    values_nm: tuple[Point, ...]
    relative: bool = True

    def contradictions(self) -> list[str]:
        said = [f"unknown aberration {name!r}; known: {', '.join(NAMES)}" for name in self.names if name not in NAMES]
        if len(self.names) != len(self.values_nm) or len(set(self.names)) != len(self.names):
            said.append("names and values_nm must be of one length, and no name may be there twice")
        for name, (_, imaginary) in zip(self.names, self.values_nm, strict=False):
            if name in ("C1", "C3", "C5") and imaginary != 0:
                said.append(f"{name} is round: it has no imaginary part")
        return said


@request
@dataclass(frozen=True)
class MoveStage(Request):
    """Move the stage by (x, y, z) [nm] and tilt by (alpha, beta) [rad]."""

    shift_nm: tuple[Nm, Nm, Nm] = (0.0, 0.0, 0.0)
    tilt_rad: tuple[Annotated[float, Bounds("rad", -1.5, 1.5)], Annotated[float, Bounds("rad", -1.5, 1.5)]] = (0.0, 0.0)

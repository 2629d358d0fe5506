"""Requests: frozen values that say what the instrument shall do next.

Every field carries its unit in its name and is checked when the request is built. Positions are (x, y) in the
sample frame [nm]; image shapes are (rows, columns), row 0 at the smallest y. A new modality is a new class
here, decorated with `@request`, not a new method on every instrument.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from instruments.errors import InvalidRequest
from instruments.structure import misfits
from physics_priors.bounds import ANY, NM, NOT_NEGATIVE_S, POSITIVE_NM, POSITIVE_S, VOLT, Bounds, violations

Nm = Annotated[float, NM]
Point = tuple[Nm, Nm]
Size = tuple[Annotated[float, POSITIVE_NM], Annotated[float, POSITIVE_NM]]
Pixels = Annotated[int, Bounds("pixels", 1, 65536)]
Seconds = Annotated[float, POSITIVE_S]
Volts = Annotated[float, VOLT]
Force = Annotated[float, Bounds("nN", 0.0)]

KINDS: dict[str, type[Request]] = {}
C = TypeVar("C", bound="type[Request]")


@dataclass(frozen=True)
class Request:
    """Base of all requests. Raises InvalidRequest when a field is outside its range."""

    def __post_init__(self) -> None:
        said = misfits(self) or violations(self) + self.contradictions()
        if said:
            raise InvalidRequest(f"{self.kind}: " + "; ".join(said))

    @property
    def kind(self) -> str:
        """Name of the request, as it stands in the journal and in `Capabilities.requests`."""
        return type(self).__name__

    def contradictions(self) -> list[str]:
        """One line for everything wrong that a single field's range cannot say."""
        return []

    def places_nm(self) -> NDArray[np.float64]:
        """Corners of what beam or tip will touch, [n, 2]; empty where nothing is touched."""
        return np.empty((0, 2))

    def peak_bias_V(self) -> float:
        """Largest |bias| the request applies."""
        return 0.0

    def peak_force_nN(self) -> float:
        """Largest force the request sets."""
        return 0.0


def request(cls: C) -> C:
    """Register a request class under its name, so that a journal can be read back."""
    KINDS[cls.__name__] = cls
    return cls


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
class MoveStage(Request):
    """Move the stage by (x, y, z) [nm] and tilt by (alpha, beta) [rad]."""

    shift_nm: tuple[Nm, Nm, Nm] = (0.0, 0.0, 0.0)
    tilt_rad: tuple[Annotated[float, Bounds("rad", -1.5, 1.5)], Annotated[float, Bounds("rad", -1.5, 1.5)]] = (0.0, 0.0)


@request
@dataclass(frozen=True)
class BiasSpectroscopy(Request):
    """A response against bias at one place: `cycles` triangular sweeps 0, high, low, 0 in `points` steps each."""

    position_nm: Point
    low_V: Volts
    high_V: Volts
    points: Annotated[int, Bounds("points", 4, 65536)]
    dwell_s: Seconds
    cycles: Annotated[int, Bounds("cycles", 1, 1000)] = 1

    def contradictions(self) -> list[str]:
        return [] if self.low_V < self.high_V else [f"low_V={self.low_V:g} is not below high_V={self.high_V:g}"]

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.position_nm], dtype=float)

    def peak_bias_V(self) -> float:
        return max(abs(self.low_V), abs(self.high_V))


@request
@dataclass(frozen=True)
class TipPulse(Request):
    """A bias pulse of `width_s` at one place, recording current or amplitude."""

    position_nm: Point
    bias_V: Volts
    width_s: Seconds

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.position_nm], dtype=float)

    def peak_bias_V(self) -> float:
        return abs(self.bias_V)


@request
@dataclass(frozen=True)
class TipPath(Request):
    """Move the tip in contact along `points_nm` at `speed_nm_s` with `bias_V` applied."""

    points_nm: tuple[Point, ...]
    speed_nm_s: Annotated[float, Bounds("nm/s", 0.0, open_low=True)]
    bias_V: Volts = 0.0

    def contradictions(self) -> list[str]:
        return [] if len(self.points_nm) >= 2 else ["points_nm needs two points or more"]

    def places_nm(self) -> NDArray[np.float64]:
        return np.array(self.points_nm, dtype=float)

    def peak_bias_V(self) -> float:
        return abs(self.bias_V)


@request
@dataclass(frozen=True)
class SetFeedback(Request):
    """Set the feedback loop: on or off, the set-point as a force or as a tunnelling current."""

    on: bool
    setpoint_nN: Force | None = None
    setpoint_pA: Annotated[float, Bounds("pA")] | None = None

    def peak_force_nN(self) -> float:
        return self.setpoint_nN or 0.0


@request
@dataclass(frozen=True)
class Approach(Request):
    """Bring the tip into contact at a force set-point, or into tunnelling where that is None."""

    setpoint_nN: Force | None = None

    def peak_force_nN(self) -> float:
        return self.setpoint_nN or 0.0


@request
@dataclass(frozen=True)
class Withdraw(Request):
    """Take the tip off the surface."""


@request
@dataclass(frozen=True)
class SetSample(Request):
    """Change the sample's condition; None leaves a value as it is. `member` names one of a library."""

    temperature_K: Annotated[float, Bounds("K", 0.0)] | None = None
    field_T: Annotated[float, Bounds("T")] | None = None
    member: str | None = None
    settle_s: Annotated[float, NOT_NEGATIVE_S] = 0.0


@request
@dataclass(frozen=True)
class Register(Request):
    """Declare where the sample frame now lies in the scanner's: the drift found by re-registration [nm].

    Later positions are still given in the sample frame; the instrument adds the shift.
    """

    shift_nm: Point


def to_plain(value: Any) -> Any:
    """A request as nested plain values (dict, list, numbers, text), for the journal and the wire."""
    if is_dataclass(value) and not isinstance(value, type):
        body = {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
        return {"kind": type(value).__name__, **body}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def from_plain(value: Any) -> Any:
    """The inverse of `to_plain`; raises InvalidRequest on an unknown kind or field."""
    if isinstance(value, dict):
        body = dict(value)
        kind = body.pop("kind", None)
        cls: type[Any] | None = Until if kind == "Until" else KINDS.get(str(kind))
        if cls is None:
            raise InvalidRequest(f"unknown request kind {kind!r}; known: {', '.join(sorted(KINDS))}")
        try:
            return cls(**{name: from_plain(item) for name, item in body.items()})
        except TypeError as error:
            raise InvalidRequest(f"{kind}: {error}") from None
    if isinstance(value, list):
        return tuple(from_plain(item) for item in value)
    return value


def _corners(center_nm: Point, size_nm: Size, rotation_rad: float) -> NDArray[np.float64]:
    half = np.array(size_nm) / 2
    return _rotated(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half, center_nm, rotation_rad)


def _rotated(offsets: NDArray[np.float64], center_nm: Iterable[float], angle: float) -> NDArray[np.float64]:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(offsets @ turn.T + np.array(list(center_nm)), dtype=np.float64)

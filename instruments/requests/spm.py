"""Requests of scanning probes: spectroscopies under bias, writing, drive and feedback, approach and withdrawal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from instruments.requests.base import Force, Point, Request, Seconds, Volts, request
from instruments.requests.scanning import ScanImage
from physics_priors.bounds import Bounds

Count = Annotated[int, Bounds("", 1, 65536)]
Bins = Annotated[int, Bounds("bins", 4, 65536)]
Hertz = Annotated[float, Bounds("Hz", 0.0, open_low=True)]
_LONGEST_RECORD = 2**24


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
    """Set the feedback loop: on or off, the set-point as a force or as a tunnelling current, the gains.

    None leaves a value as it is. The height is `proportional` times the error plus `integral_Hz` times its integral.
    """

    on: bool
    setpoint_nN: Force | None = None
    setpoint_pA: Annotated[float, Bounds("pA")] | None = None
    proportional: Annotated[float, Bounds("", 0.0)] | None = None
    integral_Hz: Annotated[float, Bounds("Hz", 0.0)] | None = None

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
class BiasWaveform(Request):
    """Any bias steps at one place: each lasts `dwell_s`, then (`off_field`) `read_V` is held as long and read.

    `BiasSpectroscopy` is the triangle of it; first-order reversal curves are another (`instruments.twins.spm.forc`).
    """

    position_nm: Point
    bias_V: tuple[Volts, ...]
    dwell_s: Seconds
    off_field: bool = True
    read_V: Volts = 0.0

    def contradictions(self) -> list[str]:
        return [] if self.bias_V else ["bias_V is empty"]

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.position_nm], dtype=float)

    def peak_bias_V(self) -> float:
        return max(*(abs(v) for v in self.bias_V), abs(self.read_V))


@request
@dataclass(frozen=True)
class ContactKelvin(Request):
    """Contact Kelvin-probe loops at one place: after each write pulse the response is read at every read bias."""

    position_nm: Point
    write_V: tuple[Volts, ...]
    read_V: tuple[Volts, ...]
    dwell_s: Seconds

    def contradictions(self) -> list[str]:
        return [f"{name} is empty" for name in ("write_V", "read_V") if not getattr(self, name)]

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.position_nm], dtype=float)

    def peak_bias_V(self) -> float:
        return max(abs(v) for v in (*self.write_V, *self.read_V))


@request
@dataclass(frozen=True)
class Relaxation(Request):
    """A pulse of `width_s`, then `reads` reads of the response, one every `interval_s`, at `read_V`."""

    position_nm: Point
    bias_V: Volts
    width_s: Seconds
    reads: Count
    interval_s: Seconds
    read_V: Volts = 0.0

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.position_nm], dtype=float)

    def peak_bias_V(self) -> float:
        return max(abs(self.bias_V), abs(self.read_V))


@request
@dataclass(frozen=True)
class BandExcitationSpectrum(Request):
    """The lever's complex response at one place to a pulse that excites `bins` frequencies around `center_Hz`."""

    position_nm: Point
    center_Hz: Hertz
    band_Hz: Hertz
    bins: Bins
    pulse_s: Seconds
    dc_V: Volts = 0.0

    def contradictions(self) -> list[str]:
        return band_contradictions(self.center_Hz, self.band_Hz, self.bins, self.pulse_s)

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.position_nm], dtype=float)

    def peak_bias_V(self) -> float:
        return abs(self.dc_V)


@request
@dataclass(frozen=True)
class BandExcitationImage(Request):
    """A band-excitation spectrum at every pixel of `frame`, one pulse as long as the frame's dwell."""

    frame: ScanImage
    center_Hz: Hertz
    band_Hz: Hertz
    bins: Bins

    def contradictions(self) -> list[str]:
        return band_contradictions(self.center_Hz, self.band_Hz, self.bins, self.frame.dwell_s)

    def places_nm(self) -> NDArray[np.float64]:
        return self.frame.places_nm()


@request
@dataclass(frozen=True)
class StreamLine(Request):
    """The lever's deflection along a line as it is digitised (G-mode), under the drive of a band excitation.

    Every point lasts a whole number of pulses of bins / band_Hz; longer records than 16.8 million samples are a matter
    of several requests.
    """

    start_nm: Point
    end_nm: Point
    points: Annotated[int, Bounds("points", 1, 4096)]
    dwell_s: Seconds
    sample_rate_Hz: Hertz
    center_Hz: Hertz
    band_Hz: Hertz
    bins: Bins

    def contradictions(self) -> list[str]:
        said = band_contradictions(self.center_Hz, self.band_Hz, self.bins, self.dwell_s)
        pulses, top_Hz = self.dwell_s * self.band_Hz / self.bins, self.center_Hz + self.band_Hz / 2
        if abs(pulses - round(pulses)) > 1e-6:
            said.append(f"dwell_s={self.dwell_s:g} holds {pulses:g} pulses of bins / band_Hz: make it a whole number")
        if self.sample_rate_Hz < 2 * top_Hz:
            said.append(f"sample_rate_Hz={self.sample_rate_Hz:g} is below twice the band's upper end, {top_Hz:g} Hz")
        if self.dwell_s * self.sample_rate_Hz * self.points > _LONGEST_RECORD:
            said.append("the record has more than 16.8 million samples: ask for fewer points or a shorter dwell")
        return said

    def places_nm(self) -> NDArray[np.float64]:
        return np.array([self.start_nm, self.end_nm], dtype=float)


@request
@dataclass(frozen=True)
class SetDrive(Request):
    """Set the drive that scans and spectroscopies are read with; None leaves a value as it is."""

    amplitude_V: Annotated[float, Bounds("V", 0.0)] | None = None
    frequency_Hz: Hertz | None = None

    def peak_bias_V(self) -> float:
        return self.amplitude_V or 0.0


def band_contradictions(center_Hz: float, band_Hz: float, bins: int, pulse_s: float) -> list[str]:
    """What does not fit in a band: a pulse of T resolves 1 / T, so that a band holds band * T bins at most."""
    said = []
    if band_Hz >= 2 * center_Hz:
        said.append(f"band_Hz={band_Hz:g} reaches below 0 Hz around center_Hz={center_Hz:g}")
    if bins > band_Hz * pulse_s * (1 + 1e-9):
        said.append(f"bins={bins} exceeds band times pulse, {band_Hz * pulse_s:g}: a longer pulse or a wider band")
    return said

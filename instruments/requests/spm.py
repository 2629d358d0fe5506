"""Requests of scanning probes: spectroscopy under bias, writing, the feedback, approach and withdrawal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from instruments.requests.base import Force, Point, Request, Seconds, Volts, request
from physics_priors.bounds import Bounds


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

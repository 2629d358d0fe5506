"""Requests that concern the sample itself: its condition, and where its frame lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from instruments.requests.base import Point, Request, request
from physics_priors.bounds import NOT_NEGATIVE_S, Bounds


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

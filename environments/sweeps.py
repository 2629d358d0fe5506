"""What is measured at each point: kinds of spectroscopy with parameters that a recording may fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported, OutOfReach
from physics_priors.bounds import POSITIVE_S, VOLT, Bounds


class Sweep(Protocol):
    """A spectroscopy request but for its position; None leaves a parameter to the recording or the default."""

    kind: ClassVar[str]
    defaults: ClassVar[Mapping[str, Any]]

    @property
    def axis_unit(self) -> str:
        """Unit of the curve's axis; a measurement in another one is an error."""
        ...


@dataclass(frozen=True)
class BiasSweep:
    """A `BiasSpectroscopy` at each point."""

    low_V: Annotated[float, VOLT] | None = None
    high_V: Annotated[float, VOLT] | None = None
    points: Annotated[int, Bounds("points", 4, 65536)] | None = None
    dwell_s: Annotated[float, POSITIVE_S] | None = None
    cycles: Annotated[int, Bounds("cycles", 1, 1000)] | None = None
    axis_unit: str = "V"
    kind: ClassVar[str] = "BiasSpectroscopy"
    defaults: ClassVar[Mapping[str, Any]] = {"low_V": -8.0, "high_V": 8.0, "points": 64, "dwell_s": 0.01, "cycles": 1}


@dataclass(frozen=True)
class Spectrum:
    """A `PointSpectrum` at each point."""

    exposure_s: Annotated[float, POSITIVE_S] | None = None
    axis_unit: str = "eV"
    kind: ClassVar[str] = "PointSpectrum"
    defaults: ClassVar[Mapping[str, Any]] = {"exposure_s": 0.1}


def resolved(sweep: Sweep, capabilities: Capabilities) -> dict[str, Any]:
    """All parameters of a sweep: its own, else what the recording fixes, else the default.

    Raises NotSupported where the sweep's own differs from what a recording fixes, OutOfReach outside the limits,
    InvalidRequest where the parameters contradict each other.
    """
    fixed = capabilities.settings.get(sweep.kind, {})
    values = {name: _resolved(sweep, name, fixed, capabilities.name) for name in sweep.defaults}
    for name, value in values.items():
        allowed = capabilities.limits.get(name)
        if allowed is not None and not allowed.contains(float(value)):
            raise OutOfReach(f"{capabilities.name}: sweep.{name}={value:g} is outside {allowed}")
    at(sweep.kind, values, np.array([capabilities.field.center_nm])).row(0)
    return values


def at(kind: str, values: Mapping[str, Any], positions_nm: NDArray[np.float64]) -> RequestBatch:
    """The requests of a resolved sweep at positions [B, 2]."""
    return RequestBatch(kind, len(positions_nm), {"position_nm": positions_nm}, dict(values))


def _resolved(sweep: Sweep, name: str, fixed: Mapping[str, float], instrument: str) -> Any:
    own, default = getattr(sweep, name), sweep.defaults[name]
    if name not in fixed:
        return default if own is None else own
    value = type(default)(fixed[name])
    if own is not None and not np.isclose(own, value, rtol=1e-6):
        raise NotSupported(f"{instrument} was recorded with {name}={value:g}: set task.sweep.{name} to null or to that")
    return value

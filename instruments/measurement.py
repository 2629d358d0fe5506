"""Measurements: frozen results with named arrays, axes, units, the request and its actual cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instruments.cost import Cost
from instruments.errors import DataInvalid
from instruments.requests import Request, from_plain, to_plain

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Axis:
    """One axis of an array: name, unit and the coordinate of every index."""

    name: str
    unit: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """A named array's values with unit and axes; raises DataInvalid when axes and shape disagree."""

    values: NDArray[Any]
    unit: str
    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        lengths = tuple(len(axis.values) for axis in self.axes)
        if lengths != self.values.shape:
            raise DataInvalid(f"axes of lengths {lengths} do not fit values of shape {self.values.shape}")


@dataclass(frozen=True)
class Measurement:
    """What one request gave.

    complete is False when the request was ended early: what was not reached is NaN, never zero. `position_nm`
    is where the probe really was, where the instrument knows. `state` holds read-back values, named with units.
    """

    id: str
    request: Request
    channels: Mapping[str, Channel]
    cost: Cost
    complete: bool = True
    position_nm: tuple[float, float] | None = None
    state: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def to_xarray(self) -> xarray.Dataset:
        """The channels as an xarray Dataset, units in `attrs`."""
        import xarray as xr

        arrays = {}
        for name, channel in self.channels.items():
            coords = {a.name: (a.name, a.values, {"units": a.unit}) for a in channel.axes}
            arrays[name] = xr.DataArray(
                channel.values, coords, [a.name for a in channel.axes], attrs={"units": channel.unit}
            )
        return xr.Dataset(arrays, attrs={"request": str(to_plain(self.request)), "complete": int(self.complete)})


def measurement_to_plain(measurement: Measurement) -> dict[str, Any]:
    """Nested plain values with arrays as (dtype, shape, bytes), for the journal and the wire."""
    return {
        "id": measurement.id,
        "request": to_plain(measurement.request),
        "channels": {name: _channel_to_plain(c) for name, c in measurement.channels.items()},
        "cost": measurement.cost.as_dict(),
        "complete": measurement.complete,
        "position_nm": None if measurement.position_nm is None else list(measurement.position_nm),
        "state": dict(measurement.state),
        "note": measurement.note,
    }


def measurement_from_plain(plain: Mapping[str, Any]) -> Measurement:
    """The inverse of `measurement_to_plain`, bit for bit."""
    position = plain["position_nm"]
    return Measurement(
        id=plain["id"],
        request=from_plain(plain["request"]),
        channels={name: _channel_from_plain(c) for name, c in plain["channels"].items()},
        cost=Cost.of(plain["cost"]),
        complete=plain["complete"],
        position_nm=None if position is None else (position[0], position[1]),
        state=plain["state"],
        note=plain["note"],
    )


def array_to_plain(array: NDArray[Any]) -> dict[str, Any]:
    """An array as dtype, shape and raw bytes."""
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "data": np.ascontiguousarray(array).tobytes(),
    }


def array_from_plain(plain: Mapping[str, Any]) -> NDArray[Any]:
    """The inverse of `array_to_plain`; the array is writable."""
    return np.frombuffer(plain["data"], np.dtype(plain["dtype"])).reshape(plain["shape"]).copy()


def _channel_to_plain(channel: Channel) -> dict[str, Any]:
    axes = [{"name": a.name, "unit": a.unit, "values": array_to_plain(a.values)} for a in channel.axes]
    return {"values": array_to_plain(channel.values), "unit": channel.unit, "axes": axes}


def _channel_from_plain(plain: Mapping[str, Any]) -> Channel:
    axes = tuple(Axis(a["name"], a["unit"], array_from_plain(a["values"])) for a in plain["axes"])
    return Channel(array_from_plain(plain["values"]), plain["unit"], axes)

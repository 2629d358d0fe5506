"""Capabilities, measurements and errors as plain values with arrays, and back; classes are never named by the peer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from instruments import errors
from instruments.bridge.wire import Malformed, numbers_in, numbers_out
from instruments.capabilities import Calibration, Capabilities, Field, Sites
from instruments.cost import Cost
from instruments.errors import HardwareFault, InstrumentError, Refused
from instruments.measurement import Axis, Channel, Measurement
from instruments.requests import Request, from_plain, to_plain
from physics_priors.bounds import Bounds


class Sent(NamedTuple):
    """A request with its plain value, as it travels: what was built and checked once need not be again."""

    request: Request
    plain: Mapping[str, Any]


class LeaseLost(Refused):
    """The right to act on the instrument is not, or no longer, this client's: nothing was sent."""


_ERRORS: Mapping[str, Any] = {
    "invalid_request": errors.InvalidRequest,
    "not_supported": errors.NotSupported,
    "out_of_reach": errors.OutOfReach,
    "calibration_unknown": errors.CalibrationUnknown,
    "lease_lost": LeaseLost,
    "refused": errors.Refused,
    "stopped": errors.Stopped,
    "data_invalid": errors.DataInvalid,
    "connection_lost": errors.ConnectionLost,
    "hardware_fault": errors.HardwareFault,
    "closed": errors.Closed,
}


def error_to_plain(error: BaseException) -> dict[str, str]:
    """What went wrong, in words; an error that no driver should raise is a hardware fault."""
    for name, cls in _ERRORS.items():
        if isinstance(error, cls):
            return {"kind": name, "message": str(error)}
    return {"kind": "hardware_fault", "message": f"{type(error).__name__}: {error}"}


def error_from_plain(plain: Any) -> InstrumentError:
    """The exception to raise; raises Malformed."""
    if not (isinstance(plain, dict) and isinstance(plain.get("kind"), str)):
        raise Malformed("an error without a kind")
    made: InstrumentError = _ERRORS.get(plain["kind"], HardwareFault)(str(plain.get("message", "")))
    return made


def capabilities_to_plain(known: Capabilities) -> dict[str, Any]:
    """Plain values of `Instrument.describe`."""
    plain = {name: getattr(known, name) for name in ("name", "family", "simulated", "blanker", "episodes")}
    plain["requests"] = sorted(known.requests)
    plain["field"] = [list(known.field.center_nm), list(known.field.size_nm)]
    plain["channels"] = {kind: dict(channels) for kind, channels in known.channels.items()}
    plain["calibration"] = dict(vars(known.calibration))
    plain["limits"] = {name: list(vars(bounds).values()) for name, bounds in known.limits.items()}
    plain["sites"] = None if known.sites is None else [list(known.sites.shape), known.sites.positions_nm]
    plain["settings"] = {kind: dict(values) for kind, values in known.settings.items()}
    return plain


def capabilities_from_plain(plain: Mapping[str, Any]) -> Capabilities:
    """The inverse of `capabilities_to_plain`; raises Malformed."""
    try:
        (x, y), (width, height) = plain["field"]
        sites = plain["sites"]
        return Capabilities(
            name=str(plain["name"]),
            family=plain["family"],
            simulated=bool(plain["simulated"]),
            requests=frozenset(plain["requests"]),
            field=Field((x, y), (width, height)),
            channels=plain["channels"],
            calibration=Calibration(**plain["calibration"]),
            limits={name: Bounds(*values) for name, values in plain["limits"].items()},
            blanker=bool(plain["blanker"]),
            episodes=bool(plain["episodes"]),
            sites=None if sites is None else Sites((sites[0][0], sites[0][1]), np.array(sites[1])),
            settings=plain["settings"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed(f"capabilities that are none: {error}") from None


def measurement_to_wire(measurement: Measurement) -> dict[str, Any]:
    """Plain values with the arrays as they are: they become frames."""
    return {
        "id": measurement.id,
        "request": to_plain(measurement.request),
        "channels": {name: _channel_out(channel) for name, channel in measurement.channels.items()},
        "cost": measurement.cost.as_dict(),
        "complete": bool(measurement.complete),
        "position_nm": None if measurement.position_nm is None else list(measurement.position_nm),
        "state": dict(measurement.state),
        "note": measurement.note,
    }


def measurement_from_wire(plain: Mapping[str, Any], sent: Sent | None = None) -> Measurement:
    """The inverse of `measurement_to_wire`, bit for bit; `sent` is a request that it may be about. Raises Malformed."""
    try:
        position, request = plain["position_nm"], plain["request"]
        return Measurement(
            id=str(plain["id"]),
            request=sent.request if sent is not None and request == sent.plain else from_plain(request),
            channels={name: _channel_in(channel) for name, channel in plain["channels"].items()},
            cost=Cost.of(plain["cost"]),
            complete=bool(plain["complete"]),
            position_nm=None if position is None else (position[0], position[1]),
            state=plain["state"],
            note=str(plain["note"]),
        )
    except (KeyError, TypeError, IndexError, AttributeError, InstrumentError) as error:
        raise Malformed(f"a measurement that is none: {error}") from None


def _channel_out(channel: Channel) -> dict[str, Any]:
    axes = [[axis.name, axis.unit, *numbers_out(np.asarray(axis.values))] for axis in channel.axes]
    return {"values": np.asarray(channel.values), "unit": channel.unit, "axes": axes}


def _channel_in(plain: Mapping[str, Any]) -> Channel:
    axes = tuple([Axis(name, unit, numbers_in(*values)) for name, unit, *values in plain["axes"]])
    return Channel(plain["values"], plain["unit"], axes)

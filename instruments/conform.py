"""Is a measurement what was asked for: shapes, units and kinds of numbers, before anybody uses it."""

from __future__ import annotations

import numpy as np

from instruments.capabilities import Capabilities
from instruments.errors import DataInvalid
from instruments.measurement import Measurement
from instruments.requests import BiasSpectroscopy, LineScan, Request, ScanImage


def expected_shape(request: Request) -> tuple[int, ...] | None:
    """The shape every channel of a request's measurement begins with; None where the instrument decides."""
    if isinstance(request, ScanImage):
        return request.shape
    if isinstance(request, LineScan):
        return (request.points,)
    if isinstance(request, BiasSpectroscopy):
        return (request.points * request.cycles,)
    return None


def conform(measurement: Measurement, request: Request, capabilities: Capabilities) -> Measurement:
    """The measurement itself; raises DataInvalid where it does not fit its request or what was declared."""
    if measurement.request != request:
        raise DataInvalid(f"the answer is to another request than the {request.kind} that was sent")
    declared, shape = capabilities.channels.get(request.kind, {}), expected_shape(request)
    for name, channel in measurement.channels.items():
        if name not in declared:
            raise DataInvalid(f"{request.kind} gave an undeclared channel {name!r}; declared: {sorted(declared)}")
        if channel.unit != declared[name]:
            raise DataInvalid(f"channel {name!r} came in {channel.unit!r}, declared in {declared[name]!r}")
        if not np.issubdtype(channel.values.dtype, np.number):
            raise DataInvalid(f"channel {name!r} holds {channel.values.dtype}, not numbers")
        if shape is not None and channel.values.shape[: len(shape)] != shape:
            raise DataInvalid(f"channel {name!r} has shape {channel.values.shape}, asked for {shape}")
    cost = measurement.cost.as_dict()
    if not all(np.isfinite(value) and value >= 0 for value in cost.values()):
        raise DataInvalid(f"the cost of {request.kind} is not a set of non-negative numbers: {cost}")
    return measurement

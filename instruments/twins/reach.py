"""What a core refuses before anything moves: unknown kinds, limits, places outside the field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported, OutOfReach


def within(capabilities: Capabilities, batch: RequestBatch) -> None:
    """Raise NotSupported or OutOfReach where the instrument cannot carry out every row of a batch."""
    if batch.kind not in capabilities.requests:
        known = ", ".join(sorted(capabilities.requests))
        raise NotSupported(f"{capabilities.name} has no {batch.kind}; it has: {known}")
    for name in batch.shared.get("channels", ()):
        if name not in capabilities.channels[batch.kind]:
            known = ", ".join(capabilities.channels[batch.kind])
            raise NotSupported(f"{capabilities.name}: {batch.kind} has no channel {name!r}; it has: {known}")
    _within_limits(capabilities, batch)
    reached = places(batch)
    if not capabilities.field.contains(reached.reshape(-1, 2)):
        raise OutOfReach(f"{batch.kind} at {_first_outside(capabilities, reached)} nm leaves {capabilities.field}")


def places(batch: RequestBatch) -> NDArray[np.float64]:
    """Places [B, n, 2] nm that the rows of a batch touch, as `Request.places_nm` says; built one by one for rasters."""
    if "position_nm" in batch.each:
        return np.asarray(batch.each["position_nm"], dtype=np.float64)[:, None, :]
    return np.stack([batch.row(index).places_nm() for index in range(batch.rows)])


def column(batch: RequestBatch, name: str) -> NDArray[Any]:
    """A field of all rows, [B, ...], whether the rows share it or not."""
    if name in batch.each:
        return np.asarray(batch.each[name])
    value = np.asarray(batch.shared[name])
    return np.broadcast_to(value, (batch.rows, *value.shape))


def shared(batch: RequestBatch, name: str) -> Any:
    """A field that all rows of a batch must share; raises NotSupported where they differ."""
    if name not in batch.shared:
        raise NotSupported(f"{batch.kind}: {name} must be the same for all rows of a batch")
    return batch.shared[name]


def _within_limits(capabilities: Capabilities, batch: RequestBatch) -> None:
    for name, allowed in capabilities.limits.items():
        if name not in batch.each and name not in batch.shared:
            continue
        for value in np.ravel(column(batch, name) if name in batch.each else np.asarray(batch.shared[name])):
            if value is not None and not allowed.contains(float(value)):
                raise OutOfReach(f"{capabilities.name}: {batch.kind} {name}={value!r} is outside {allowed}")


def _first_outside(capabilities: Capabilities, reached: NDArray[np.float64]) -> str:
    flat = reached.reshape(-1, 2)
    outside = next(place for place in flat if not capabilities.field.contains(place[None]))
    return f"({outside[0]:g}, {outside[1]:g})"

"""An instrument for figures of the bridge alone: frames made beforehand, so that only transport counts."""

from __future__ import annotations

import numpy as np

from instruments.capabilities import Capabilities, Field
from instruments.cost import Cost
from instruments.measurement import Axis, Channel, Measurement
from instruments.requests import Request, ScanImage
from instruments.seam import Stop

SIDES = {"frame": 256, "large": 4096}
"""256 x 256 float32 is 0.25 MiB, 4096 x 4096 is 64 MiB."""


class Frames:
    """Holds one result for each of SIDES; what it is asked to acquire is the first."""

    def __init__(self) -> None:
        self._kept = {name: _frame(name, side) for name, side in SIDES.items()}

    def describe(self) -> Capabilities:
        return Capabilities(
            name="frames",
            family="STEM",
            simulated=True,
            requests=frozenset({"ScanImage"}),
            field=Field((0.0, 0.0), (100.0, 100.0)),
            channels={"ScanImage": {"counts": "counts"}},
        )

    def price(self, request: Request) -> Cost:
        return Cost(seconds=1e-3)

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        return self._kept["frame"]

    def lookup(self, id: str) -> Measurement | None:
        return self._kept.get(id)

    def make_safe(self) -> None:
        pass

    def close(self) -> None:
        pass


def _frame(id: str, side: int) -> Measurement:
    request = ScanImage((0.0, 0.0), (100.0, 100.0), (side, side), 1e-6)
    values = np.random.default_rng(1).poisson(20.0, (side, side)).astype(np.float32)
    axis = np.arange(float(side))
    axes = (Axis("y", "nm", axis), Axis("x", "nm", axis))
    return Measurement(id, request, {"counts": Channel(values, "counts", axes)}, Cost(seconds=1e-3))

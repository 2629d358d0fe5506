"""The one sweep a recording holds, as the settings that a request must carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid
from instruments.measurement import Axis
from instruments.replay.lengths import VOLT


@dataclass(frozen=True)
class Sweep:
    """Request kind, the fields it must carry, how long it takes and the mean of |bias| during it."""

    kind: Literal["BiasSpectroscopy", "PointSpectrum"]
    settings: Mapping[str, float]
    seconds: float
    mean_bias_V: float = 0.0


def sweep_of(axis: Axis, dwell_s: float) -> Sweep:
    """A bias axis is swept by BiasSpectroscopy, `dwell_s` a step; any other by PointSpectrum, `dwell_s` in all."""
    if axis.unit.strip() not in VOLT:
        return Sweep("PointSpectrum", {"exposure_s": dwell_s}, dwell_s)
    bias = axis.values * VOLT[axis.unit.strip()]
    cycles = _cycles(bias)
    points = len(bias) // cycles
    if points < 4 or bias.min() == bias.max():
        raise DataInvalid(f"its bias axis of {len(bias)} values is no sweep: it needs 4 points or more that differ")
    settings = {
        "low_V": float(bias.min()),
        "high_V": float(bias.max()),
        "points": points,
        "cycles": cycles,
        "dwell_s": dwell_s,
    }
    return Sweep("BiasSpectroscopy", settings, len(bias) * dwell_s, float(np.abs(bias).mean()))


def _cycles(bias: NDArray[np.float64]) -> int:
    """How often the bias axis repeats itself."""
    for cycles in range(len(bias) // 4, 1, -1):
        if len(bias) % cycles == 0:
            one = bias.reshape(cycles, -1)
            if np.allclose(one, one[0], rtol=0, atol=1e-6 * max(1e-12, float(np.ptp(bias)))) and np.ptp(one[0]) > 0:
                return cycles
    return 1

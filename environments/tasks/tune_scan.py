"""Tune the scan: set-point, gains and rate for the best image per second, without pressing harder than allowed.

An action is (set-point, proportional gain, integral gain, rate) in [-1, 1], each on a logarithmic scale from the
smallest to the largest. The height loop is set and a frame is scanned, trace and retrace. What both agree on within the
lines, the mean of each taken off, is image: of their correlation r, r / (1 - r) is the ratio of signal to noise and
-log2(1 - r) / 2 the bits in a pixel (Shannon's capacity of a Gaussian channel). What counts are the bits in excess of
those at `least_correlation`, per second, in pixels that the tip touched with a tenth of the set-point at least: one
that flies over the valleys draws the same wrong image both ways. The value is that in kbit/s, less `penalty` times the
excess of the largest force over what is allowed, relative to it and at most 1, and less `penalty` times what r is short
of the least, relative to it and at most 1. The reward is the gain of the best value so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.rows import SHARED
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported, OutOfReach
from instruments.keys import Keys
from instruments.requests import ScanImage
from physics_priors.bounds import POSITIVE_NM, Bounds

_CLIP = 100.0
_CHANNELS = ("height", "height_back", "force")
_MOST = 1.0 - 1e-6
_TOUCH = 0.1
Floats = NDArray[np.float64]
Pixels = Annotated[int, Bounds("pixels", 4, 512)]


@dataclass(frozen=True)
class Range:
    """From `low` to `high` on a logarithmic scale; raises ValueError where they are not in this order above 0."""

    low: Annotated[float, Bounds("", 0.0, open_low=True)]
    high: Annotated[float, Bounds("", 0.0, open_low=True)]

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise ValueError(f"low={self.low:g} must be above 0 and below high={self.high:g}")

    def of(self, action: NDArray[Any]) -> Floats:
        """The value of actions in [-1, 1]."""
        return np.asarray(self.low * (self.high / self.low) ** ((np.asarray(action, dtype=np.float64) + 1.0) / 2.0))


@dataclass(frozen=True)
class State:
    """B rows after up to `tries` scans."""

    frame: ScanImage = field(metadata=SHARED)
    count: NDArray[np.int64]
    action: Floats
    last: Floats
    best: Floats
    correlation: Floats
    force_nN: Floats
    usable: NDArray[np.bool_]
    """[B, tries]"""


@dataclass(frozen=True)
class TuneScan:
    """The task; see the module's text for actions and value."""

    setpoint_nN: Range = field(default_factory=lambda: Range(2.0, 100.0))
    proportional: Range = field(default_factory=lambda: Range(0.003, 3.0))
    integral_Hz: Range = field(default_factory=lambda: Range(10.0, 10_000.0))
    dwell_s: Range = field(default_factory=lambda: Range(1e-5, 5e-3))
    size_nm: Annotated[float, POSITIVE_NM] = 400.0
    shape: tuple[Pixels, Pixels] = (24, 64)
    least_correlation: Annotated[float, Bounds("", 0.0, 0.999)] = 0.9
    allowed_nN: Annotated[float, Bounds("nN", 0.0, open_low=True)] = 40.0
    penalty: Annotated[float, Bounds("kbit/s", 0.0)] = 5.0
    tries: Annotated[int, Bounds("tries", 1, 10_000)] = 40

    name = "tune_scan"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def check(self, capabilities: Capabilities) -> None:
        for kind in ("SetFeedback", "ScanImage"):
            if kind not in capabilities.requests:
                raise NotSupported(f"{capabilities.name} has no {kind}, which tune_scan needs")
        known = capabilities.channels["ScanImage"]
        for channel in _CHANNELS:
            if channel not in known:
                raise NotSupported(f"{capabilities.name} has no channel {channel!r}; it has: {', '.join(known)}")
        if not capabilities.field.contains(self._frame(capabilities).places_nm()):
            raise OutOfReach(f"a frame of {self.size_nm:g} nm does not fit into {capabilities.field}")
        for name, allowed in capabilities.limits.items():
            own = getattr(self, name, None)
            if isinstance(own, Range) and not (allowed.contains(own.low) and allowed.contains(own.high)):
                raise OutOfReach(f"{capabilities.name}: task.{name} from {own.low:g} to {own.high:g} leaves {allowed}")

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        sizes = {"settings": (-1.0, 1.0, 4), "last_and_best": (-_CLIP, _CLIP, 2), "correlation": (-1.0, 1.0, 1)}
        sizes |= {"force": (0.0, _CLIP, 1), "progress": (0.0, 1.0, 1)}
        return gymnasium.spaces.Dict(
            {n: gymnasium.spaces.Box(low, high, (size,), np.float32) for n, (low, high, size) in sizes.items()}
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows = len(keys)
        last, best, correlation, force = (np.full(rows, np.nan) for _ in range(4))
        usable, frame = np.zeros((rows, self.tries), bool), self._frame(capabilities)
        return State(frame, np.zeros(rows, np.int64), np.zeros((rows, 4)), last, best, correlation, force, usable)

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return []

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        return state

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        rows, frame = len(actions), state.frame
        ranges = {"setpoint_nN": self.setpoint_nN, "proportional": self.proportional, "integral_Hz": self.integral_Hz}
        loop = {name: own.of(actions[:, column]) for column, (name, own) in enumerate(ranges.items())}
        each = {"center_nm": np.tile(frame.center_nm, (rows, 1)), "dwell_s": self.dwell_s.of(actions[:, 3])}
        shared = {name: getattr(frame, name) for name in frame.__dataclass_fields__ if name not in each}
        return [
            RequestBatch("SetFeedback", rows, loop, {"on": True, "setpoint_pA": None}),
            RequestBatch(frame.kind, rows, each, shared),
        ]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        rows = np.arange(len(state.count))
        correlation, force, touched = self._read(results[1], self.setpoint_nN.of(actions[:, 0]))
        seconds = np.broadcast_to(results[1].cost.seconds, len(rows))
        rate = self._bits(correlation) * touched * (1e-3 * self.shape[0] * self.shape[1]) / np.maximum(seconds, 1e-9)
        short = np.clip(1.0 - correlation / max(self.least_correlation, 1e-9), 0.0, 1.0)
        value = rate - self.penalty * (np.clip(force / self.allowed_nN - 1.0, 0.0, 1.0) + short)
        value = np.where(np.isfinite(value), value, np.nan)
        usable = state.usable.copy()
        usable[rows, np.minimum(state.count, self.tries - 1)] = np.isfinite(value)
        best = np.fmax(state.best, value)
        gain = np.where(np.isfinite(state.best), best - state.best, 0.0)
        after = State(
            state.frame, state.count + 1, np.array(actions, np.float64), value, best, correlation, force, usable
        )
        return after, Outcome(value, usable[:, : int(after.count.max())], gain, after.count >= self.tries)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        shown = {
            "settings": state.action,
            "last_and_best": np.clip(np.nan_to_num(np.stack([state.last, state.best], -1)), -_CLIP, _CLIP),
            "correlation": np.nan_to_num(state.correlation)[:, None],
            "force": np.clip(np.nan_to_num(state.force_nN / self.allowed_nN), 0.0, _CLIP)[:, None],
            "progress": np.minimum(state.count / self.tries, 1.0)[:, None],
        }
        return {name: array.astype(np.float32) for name, array in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        return Brief(objective="maximise", value_name="image rate", value_unit="kbit/s")

    def _frame(self, capabilities: Capabilities) -> ScanImage:
        size = (self.size_nm, self.size_nm * self.shape[0] / self.shape[1])
        return ScanImage(capabilities.field.center_nm, size, self.shape, self.dwell_s.low, channels=_CHANNELS)

    def _bits(self, correlation: Floats) -> Floats:
        """Bits in a pixel beyond those of an image of the least correlation, [B]; 0 below it."""
        ratio = (1.0 - np.minimum(correlation, _MOST)) / (1.0 - self.least_correlation)
        return np.asarray(-0.5 * np.log2(np.minimum(ratio, 1.0)))

    def _read(self, result: ResultBatch, setpoint_nN: Floats) -> tuple[Floats, Floats, Floats]:
        """Correlation of trace and retrace, largest force [nN], share of touched pixels, [B]; NaN for nothing."""
        rows = len(setpoint_nN)
        if not result.values:
            return np.full(rows, np.nan), np.full(rows, np.nan), np.full(rows, np.nan)
        trace, back, force = (np.ascontiguousarray(result.values[name], dtype=np.float64) for name in _CHANNELS)
        trace, back = ((image - image.mean(-1, keepdims=True)).reshape(rows, -1) for image in (trace, back))
        spread = np.sqrt((trace**2).mean(-1) * (back**2).mean(-1))
        force = force.reshape(rows, -1)
        touched = np.asarray(force > _TOUCH * setpoint_nN[:, None], dtype=np.float64).mean(-1)
        return (trace * back).mean(-1) / np.maximum(spread, 1e-300), force.max(-1), touched

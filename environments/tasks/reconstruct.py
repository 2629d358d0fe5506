"""Reconstruct: choose the path of the probe, and rebuild the image with its uncertainty from what lies on it.

An action is (x, y) in [-1, 1] over the field: the probe records a line of `points` samples from where it is towards
there, at most `stroke_nm` far. A raster, a spiral and a path that goes where least is known are all just sequences of
such strokes, at the same price. After every stroke the image is rebuilt on a grid of `shape` from all samples so far
(`environments.reconstruction`).

The value is the mean predicted standard deviation over the grid, in units of that of the samples: it is to be made
small, and needs no truth. The reward is its decrease, from 1. The episode ends after `strokes` actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.places import Places, extent_nm, to_nm
from environments.reconstruction import Track, covariance, rebuilt
from environments.rows import SHARED
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import DataInvalid, NotSupported
from instruments.keys import Keys
from physics_priors.bounds import POSITIVE_NM, POSITIVE_S, Bounds
from physics_priors.gaussian_field.covariance import Covariance

_CLIP = 5.0
Floats = NDArray[np.float64]
Pixels = Annotated[int, Bounds("pixels", 2, 512)]


@dataclass(frozen=True)
class Plan:
    """What is common to all rows: the grid, its side [nm], and the channel with its unit."""

    places: Places
    side_nm: float
    channel: str
    unit: str


@dataclass(frozen=True)
class State:
    """B rows; `track` and `known` [B] hold one Track and one Covariance each."""

    plan: Plan = field(metadata=SHARED)
    count: NDArray[np.int64]
    position_nm: Floats
    track: NDArray[Any]
    known: NDArray[Any]
    learned: NDArray[np.int64]
    """Strokes at which the covariance was learned last."""
    mean: Floats
    """[B, n] in the channel's unit."""
    spread: Floats
    """[B, n] in units of the samples' standard deviation, at most 1."""
    value: Floats
    usable: NDArray[np.bool_]
    """[B, strokes]"""


@dataclass(frozen=True)
class Reconstruct:
    """The task; see the module's text for actions, value and reward."""

    channel: str = "amplitude"
    shape: tuple[Pixels, Pixels] = (32, 32)
    points: Annotated[int, Bounds("points", 2, 65536)] = 24
    stroke_nm: Annotated[float, POSITIVE_NM] = 700.0
    dwell_s: Annotated[float, POSITIVE_S] = 2e-3
    strokes: Annotated[int, Bounds("strokes", 1, 100_000)] = 60

    name = "reconstruct"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def check(self, capabilities: Capabilities) -> None:
        self._plan(capabilities)

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        n = len(self._plan(capabilities).places)
        sizes = {"mean": (-_CLIP, _CLIP, n), "uncertainty": (0.0, 1.0, n), "position": (-1.0, 1.0, 2)}
        sizes |= {"stroke": (0.0, _CLIP, 1), "progress": (0.0, 1.0, 1)}
        return gymnasium.spaces.Dict(
            {name: gymnasium.spaces.Box(low, high, (size,), np.float32) for name, (low, high, size) in sizes.items()}
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        plan, rows = self._plan(capabilities), len(keys)
        track, known = np.empty(rows, dtype=object), np.empty(rows, dtype=object)
        track[:] = [Track.empty() for _ in range(rows)]
        known[:] = [covariance(Track.empty(), plan.side_nm) for _ in range(rows)]
        return State(
            plan=plan,
            count=np.zeros(rows, np.int64),
            position_nm=np.tile(np.asarray(capabilities.field.center_nm, dtype=float), (rows, 1)),
            track=track,
            known=known,
            learned=np.zeros(rows, np.int64),
            mean=np.zeros((rows, len(plan.places))),
            spread=np.ones((rows, len(plan.places))),
            value=np.ones(rows),
            usable=np.zeros((rows, self.strokes), bool),
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return []

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        return state

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        each = {"start_nm": state.position_nm, "end_nm": self._ends(state, actions)}
        shared = {"points": self.points, "dwell_s": self.dwell_s, "channels": (state.plan.channel,)}
        return [RequestBatch("LineScan", len(actions), each, shared)]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        ends, values = self._ends(state, actions), self._samples(state, results[0])
        came = np.asarray(np.isfinite(values).any(axis=1), dtype=bool)
        track, known = np.empty_like(state.track), np.empty_like(state.known)
        mean, spread, learned = state.mean.copy(), state.spread.copy(), state.learned.copy()
        for row in range(len(actions)):
            along = np.linspace(state.position_nm[row], ends[row], values.shape[1])
            track[row] = state.track[row].extended(along, values[row], int(state.count[row]))
            known[row] = state.known[row]
            if came[row]:
                known[row], learned[row] = self._learned(state, row, track[row])
                mean[row], spread[row] = self._rebuilt(state, track[row], known[row])
        usable = state.usable.copy()
        usable[np.arange(len(actions)), np.minimum(state.count, self.strokes - 1)] = came
        after = replace(
            state,
            count=state.count + 1,
            position_nm=np.where(results[0].done[:, None], ends, state.position_nm),
            track=track,
            known=known,
            learned=learned,
            mean=mean,
            spread=spread,
            value=spread.mean(axis=1),
            usable=usable,
        )
        value = np.where(came, after.value, np.nan)
        accepted = usable[:, : min(int(after.count.max()), self.strokes)]
        return after, Outcome(value, accepted, state.value - after.value, after.count >= self.strokes)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        half = np.asarray(state.plan.places.field.size_nm, dtype=float) / 2
        center = np.asarray(state.plan.places.field.center_nm, dtype=float)
        shown = {
            "mean": np.stack([_standard(m, t.values) for m, t in zip(state.mean, state.track, strict=True)]),
            "uncertainty": state.spread,
            "position": np.clip((state.position_nm - center) / half, -1.0, 1.0),
            "stroke": np.full((len(state.count), 1), min(self.stroke_nm / half.max(), _CLIP)),
            "progress": np.minimum(state.count / self.strokes, 1.0)[:, None],
        }
        return {name: np.array(array, dtype=np.float32) for name, array in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        places = state.plan.places
        return Brief(
            objective="minimise",
            value_name="mean uncertainty",
            value_unit="",
            candidates=places.actions,
            positions_nm=places.positions_nm.copy(),
            pixels=places.pixels(None),
            extent_nm=extent_nm(places.field),
        )

    def _plan(self, capabilities: Capabilities) -> Plan:
        if "LineScan" not in capabilities.requests:
            raise NotSupported(f"{capabilities.name} has no LineScan, which reconstruct draws its path with")
        channels = capabilities.channels["LineScan"]
        if self.channel not in channels:
            raise NotSupported(f"task.channel of LineScan: choose one of {', '.join(channels)}")
        places = Places.of(replace(capabilities, sites=None), self.shape)
        return Plan(places, float(max(capabilities.field.size_nm)), self.channel, channels[self.channel])

    def _ends(self, state: State, actions: NDArray[Any]) -> Floats:
        """Where the strokes end [B, 2]: on the way to the action, at most a stroke away."""
        way = to_nm(state.plan.places.field, np.asarray(actions, dtype=np.float64)) - state.position_nm
        length = np.linalg.norm(way, axis=1, keepdims=True)
        return np.asarray(state.position_nm + way * np.minimum(1.0, self.stroke_nm / np.maximum(length, 1e-9)))

    def _samples(self, state: State, result: ResultBatch) -> Floats:
        """[B, points], NaN where nothing came; DataInvalid on another unit or shape than announced."""
        rows, channel = len(state.count), state.plan.channel
        values = np.asarray(result.values.get(channel, np.full((rows, self.points), np.nan)), dtype=np.float64)
        if values.shape != (rows, self.points) or result.units.get(channel, state.plan.unit) != state.plan.unit:
            raise DataInvalid(f"LineScan gave {channel!r} as {values.shape}, {self.points} samples were asked for")
        return values

    def _learned(self, state: State, row: int, track: Track) -> tuple[Covariance, int]:
        """The row's covariance, learned anew whenever the strokes have grown by half."""
        if track.strokes < max(1.5 * state.learned[row], 1):
            return replace_deviation(state.known[row], track), int(state.learned[row])
        return covariance(track, state.plan.side_nm), track.strokes

    def _rebuilt(self, state: State, track: Track, known: Covariance) -> tuple[Floats, Floats]:
        mean, spread = rebuilt(track, known, state.plan.places.positions_nm)
        return mean, np.minimum(spread / max(float(track.values.std()), known.deviation, 1e-12), 1.0)


def replace_deviation(known: Covariance, track: Track) -> Covariance:
    """The same shape; a first guess of the deviation is replaced by that of the samples."""
    if track.strokes >= 3:
        return known
    deviation = max(float(track.values.std()), 1e-12)
    return Covariance(known.lengths, deviation, 0.2 * deviation, known.smoothness)


def _standard(mean: Floats, values: Floats) -> Floats:
    """A rebuilt image in standard deviations of its samples around their mean, clipped; 0 before there are any."""
    if len(values) < 2:
        return np.zeros_like(mean)
    return np.asarray(np.clip((mean - values.mean()) / max(float(values.std()), 1e-12), -_CLIP, _CLIP))

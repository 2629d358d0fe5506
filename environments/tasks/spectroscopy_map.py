"""Spectroscopy map: a cheap structural image is known, each curve costs time and dose, choose the next point.

The survey is one image (none where the instrument takes none); the candidates are the sites of a recording, else a
grid over the field. An action is (x, y) in [-1, 1] over the field and means the nearest candidate. What counts is a
scalariser's number of the measured curve; failed curves are set aside by `environments.outliers`, judged anew with
every measurement from those made so far. A candidate may be measured again: its value is the mean of what stands.

Everything that is scaled is scaled with what was measured until then: the image with its own median and spread, the
values with theirs. Spaces hold flat float32 vectors, the image and the map row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.curves import curves_of
from environments.outliers import TRAITS, Outliers
from environments.robust import masked_median, masked_scale
from environments.rows import SHARED
from environments.scalarisers import Scalariser
from environments.survey import (
    CLIP,
    Pixels,
    Plan,
    Survey,
    map_brief,
    planned,
    seen,
    standard,
    standardised,
    survey_requests,
    unseen,
)
from environments.sweeps import BiasSweep, Sweep, at
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.keys import Keys

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """B rows after up to N actions and n candidates; beyond a row's own `count` the second axis is padding."""

    plan: Plan = field(metadata=SHARED)
    images: Mapping[str, Floats]
    """[B, rows, columns] as measured; NaN before the survey."""
    context: NDArray[np.float32]
    """The observed image, scaled, [B, pixels]."""
    asked: NDArray[np.bool_]
    """[B, n]: was the candidate asked for."""
    count: NDArray[np.int64]
    picks: NDArray[np.int64]
    values: Floats
    traits: Floats
    accepted: NDArray[np.bool_]
    """picks, values, accepted [B, N], traits [B, N, 3]: by action."""
    mean: Floats
    known: NDArray[np.bool_]
    """[B, n] mean standing value of every candidate, 0 where there is none, and where there is one."""
    best: Floats
    middle: Floats
    scale: Floats
    """[B] largest, median and robust standard deviation of the known means; best is -inf at first, the others NaN."""
    nearest: Floats
    """[B, n] distance [field diagonals] to the nearest place whose curve stood when it was measured; 1 at first."""


@dataclass(frozen=True)
class SpectroscopyMap:
    """The task; `shape` is (rows, columns) of the candidates where the instrument does not list its sites.

    Reward for `maximise`: the gain of the best standing value, in robust standard deviations of the standing values
    (0 until there are two; negative when the best is unmasked as a failure). For `map`: the decrease of the mean
    distance from a candidate to the nearest measured one, in field diagonals. It ends when every candidate was asked.
    """

    scalariser: Scalariser
    sweep: Sweep = field(default_factory=BiasSweep)
    channel: str = ""
    """The curve's channel; may be left out where the instrument gives one only."""
    shape: tuple[Pixels, Pixels] = (32, 32)
    survey_image: Survey = field(default_factory=Survey)
    objective: Literal["maximise", "map"] = "maximise"
    outliers: Outliers | None = field(default_factory=Outliers)
    """None takes every finite value at its word."""
    also: Scalariser | None = None
    """A second number of each curve, for agents that weigh two; reward, observation and outliers are of the first."""

    name = "spectroscopy_map"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        if self.objective not in ("maximise", "map"):
            raise ValueError(f"objective {self.objective!r}: choose maximise or map")

    def check(self, capabilities: Capabilities) -> None:
        self._plan(capabilities)

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        plan = self._plan(capabilities)
        n = len(plan.places)
        sizes = {"measured": (0.0, 1.0, n), "value_map": (-CLIP, CLIP, n), "position": (-1.0, 1.0, 2)}
        sizes |= {"last": (-CLIP, CLIP, 1), "accepted": (0.0, 1.0, 1), "progress": (0.0, 1.0, 1)}
        if plan.frame is not None:
            sizes["image"] = (-CLIP, CLIP, plan.pixels[0] * plan.pixels[1])
        boxes: dict[str, gymnasium.Space[Any]] = {
            k: gymnasium.spaces.Box(low, high, (size,), np.float32) for k, (low, high, size) in sizes.items()
        }
        return gymnasium.spaces.Dict(boxes)

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        plan, rows = self._plan(capabilities), len(keys)
        n = len(plan.places)
        return State(
            plan=plan,
            images=unseen(plan, rows),
            context=np.zeros((rows, plan.pixels[0] * plan.pixels[1]), np.float32),
            asked=np.zeros((rows, n), bool),
            count=np.zeros(rows, np.int64),
            picks=np.zeros((rows, 0), np.int64),
            values=np.zeros((rows, 0)),
            traits=np.zeros((rows, 0, TRAITS)),
            accepted=np.zeros((rows, 0), bool),
            mean=np.zeros((rows, n)),
            known=np.zeros((rows, n), bool),
            best=np.full(rows, -np.inf),
            middle=np.full(rows, np.nan),
            scale=np.full(rows, np.nan),
            nearest=np.ones((rows, n)),
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return survey_requests(state.plan, len(state.count))

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        rows = len(state.count)
        images = seen(state.plan, results, rows)
        if images is None:
            return state
        shown = images[state.plan.image_channels[0]].reshape(rows, -1)
        return replace(state, images=images, context=standardised(shown).astype(np.float32))

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        plan = state.plan
        return [at(plan.kind, plan.sweep, plan.places.positions_nm[plan.places.nearest(actions)])]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        pick = state.plan.places.nearest(actions)
        value, traits, also = self._read(state, results[0])
        after = self._judged(_appended(state, pick, value, traits))
        stands = after.accepted[np.arange(len(pick)), state.count]
        closer = np.minimum(after.nearest, state.plan.places.distances(pick))
        after = replace(after, nearest=np.where(stands[:, None], closer, after.nearest))
        reward = _gain(state, after) if self.objective == "maximise" else _mean(state.nearest - after.nearest)
        return after, Outcome(value, after.accepted, reward, np.asarray(after.asked.all(-1)), also)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        rows, last = np.arange(len(state.count)), np.maximum(state.count - 1, 0)
        began = (state.count > 0)[:, None]
        picks, values, accepted = (_column(a, last) for a in (state.picks, state.values, state.accepted))
        middle, scale = state.middle[:, None], state.scale[:, None]
        shown = {
            "measured": state.asked,
            "value_map": standard(state.mean, state.known, middle, scale),
            "position": np.where(began, state.plan.places.actions[picks[rows]], 0.0),
            "last": standard(values[:, None], began & np.isfinite(values)[:, None], middle, scale),
            "accepted": began & accepted[:, None],
            "progress": _mean(state.asked)[:, None],
        }
        if state.plan.frame is not None:
            shown["image"] = state.context
        return {name: np.array(array, dtype=np.float32) for name, array in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        unit = self.scalariser.unit(state.plan.unit, self.sweep.axis_unit)
        brief = map_brief(state.plan, state.images, row, self.objective, self.scalariser.name, unit)
        if self.also is None:
            return brief
        return replace(brief, also_name=self.also.name, also_unit=self.also.unit(state.plan.unit, self.sweep.axis_unit))

    def appraise(self, capabilities: Capabilities, results: Sequence[ResultBatch]) -> NDArray[np.float64]:
        """True values [n] from results of all candidates, one row each; a recording's failures are NaN."""
        plan = self._plan(capabilities)
        read = [curves_of(result, plan.channel, plan.unit, self.sweep.axis_unit) for result in results]
        curves = [None if r is None else r[0] for r in read]
        values = np.array([np.nan if r is None else float(self.scalariser(r[0], r[1].values)[0]) for r in read])
        known = np.isfinite(values)
        if capabilities.sites is None or self.outliers is None:
            return np.where(known, values, np.nan)
        traits = np.array([np.zeros(TRAITS) if c is None else self.outliers.traits(c)[0] for c in curves])
        return np.where(self.outliers.accept(traits[None], known[None])[0], values, np.nan)

    def _plan(self, capabilities: Capabilities) -> Plan:
        return planned(capabilities, self.sweep, self.channel, self.shape, self.survey_image)

    def _read(self, state: State, result: ResultBatch) -> tuple[Floats, Floats, Floats | None]:
        """Value [B], traits [B, 3] and second number [B] of the measured curves; NaN and zero where there is nothing to
        use, None where no second number is read.
        """
        rows = len(state.count)
        read = curves_of(result, state.plan.channel, state.plan.unit, self.sweep.axis_unit)
        if read is None:
            nothing = np.full(rows, np.nan)
            return nothing, np.zeros((rows, TRAITS)), None if self.also is None else nothing
        curves, axis = read
        with np.errstate(over="ignore", invalid="ignore"):  # absurd samples are a failed curve, no trouble of ours
            value = np.asarray(self.scalariser(curves, axis.values), dtype=np.float64)
            traits = np.zeros((rows, TRAITS)) if self.outliers is None else self.outliers.traits(curves)
            also = None if self.also is None else np.asarray(self.also(curves, axis.values), dtype=np.float64)
        return _finite(value), traits, None if also is None else _finite(also)

    def _judged(self, state: State) -> State:
        known = (np.arange(state.picks.shape[1]) < state.count[:, None]) & np.isfinite(state.values)
        accepted = known if self.outliers is None else self.outliers.accept(state.traits, known)
        mean, stands = _candidate_means(replace(state, accepted=accepted))
        best = np.where(stands, mean, -np.inf).max(-1)
        middle = masked_median(mean, stands)
        scale = masked_scale(mean, stands, middle)
        return replace(state, accepted=accepted, mean=mean, known=stands, best=best, middle=middle, scale=scale)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _gain(before: State, after: State) -> Floats:
    """Gain [B] of the best standing value in robust standard deviations; 0 where there is nothing to compare."""
    judged = np.isfinite(after.best) & np.isfinite(before.best) & (after.scale > 0)
    gain = np.where(judged, after.best, 0.0) - np.where(judged, before.best, 0.0)
    return np.clip(gain / np.where(judged, after.scale, 1.0), -CLIP, CLIP)


def _appended(state: State, pick: NDArray[np.int64], value: Floats, new_traits: Floats) -> State:
    rows, at_ = np.arange(len(pick)), state.count
    longer = int(at_.max()) + 1 - state.picks.shape[1]
    grown = (_grown(old, longer) for old in (state.picks, state.values, state.traits, state.accepted))
    asked = state.asked.copy()
    asked[rows, pick] = True
    picks, values, traits, accepted = grown
    picks[rows, at_], values[rows, at_], traits[rows, at_] = pick, value, new_traits
    return replace(state, asked=asked, count=at_ + 1, picks=picks, values=values, traits=traits, accepted=accepted)


def _grown(array: NDArray[Any], columns: int) -> NDArray[Any]:
    if columns <= 0:
        return array.copy()
    return np.concatenate([array, np.zeros((len(array), columns, *array.shape[2:]), array.dtype)], axis=1)


def _candidate_means(state: State) -> tuple[Floats, NDArray[np.bool_]]:
    """Mean standing value [B, n] of every candidate, 0 where there is none, and where there is one."""
    total, times = np.zeros(state.asked.shape), np.zeros(state.asked.shape)
    row, column = np.nonzero(state.accepted)
    place = (row, state.picks[row, column])
    np.add.at(total, place, state.values[row, column])
    np.add.at(times, place, 1.0)
    return total / np.maximum(times, 1.0), times > 0


def _column(array: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    return array[np.arange(len(index)), index] if array.shape[1] else np.zeros(len(index), array.dtype)


def _mean(array: NDArray[Any]) -> Floats:
    return np.asarray(np.ascontiguousarray(array, dtype=np.float64).mean(-1))

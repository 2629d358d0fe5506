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
from typing import Annotated, Any, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.curves import curves_of, survey_images
from environments.outliers import TRAITS, Outliers
from environments.places import Places, extent_nm
from environments.robust import masked_median, masked_scale
from environments.rows import SHARED
from environments.scalarisers import Scalariser
from environments.sweeps import BiasSweep, Sweep, at, resolved
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported
from instruments.keys import Keys
from instruments.requests import ScanImage
from physics_priors.bounds import POSITIVE_S, Bounds

_CLIP = 10.0
Floats = NDArray[np.float64]
Pixels = Annotated[int, Bounds("pixels", 1, 4096)]


@dataclass(frozen=True)
class Survey:
    """The structural image: (rows, columns) and dwell per pixel; `channel` of the observation, else the first."""

    shape: tuple[Pixels, Pixels] = (64, 64)
    dwell_s: Annotated[float, POSITIVE_S] = 1e-3
    channel: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))


@dataclass(frozen=True)
class Plan:
    """What is settled at the start and common to all rows."""

    places: Places
    kind: str
    sweep: Mapping[str, Any]
    channel: str
    unit: str
    frame: ScanImage | None
    image_channels: tuple[str, ...]


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
        sizes = {"measured": (0.0, 1.0, n), "value_map": (-_CLIP, _CLIP, n), "position": (-1.0, 1.0, 2)}
        sizes |= {"last": (-_CLIP, _CLIP, 1), "accepted": (0.0, 1.0, 1), "progress": (0.0, 1.0, 1)}
        if plan.frame is not None:
            sizes["image"] = (-_CLIP, _CLIP, plan.frame.shape[0] * plan.frame.shape[1])
        boxes: dict[str, gymnasium.Space[Any]] = {
            k: gymnasium.spaces.Box(low, high, (size,), np.float32) for k, (low, high, size) in sizes.items()
        }
        return gymnasium.spaces.Dict(boxes)

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        plan, rows = self._plan(capabilities), len(keys)
        n, pixels = len(plan.places), (0, 0) if plan.frame is None else plan.frame.shape
        return State(
            plan=plan,
            images={name: np.full((rows, *pixels), np.nan) for name in plan.image_channels},
            context=np.zeros((rows, pixels[0] * pixels[1]), np.float32),
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
        frame, rows = state.plan.frame, len(state.count)
        if frame is None:
            return []
        shared = {name: getattr(frame, name) for name in frame.__dataclass_fields__ if name != "center_nm"}
        return [RequestBatch(frame.kind, rows, {"center_nm": np.tile(frame.center_nm, (rows, 1))}, shared)]

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        if not results or state.plan.frame is None:
            return state
        images = survey_images(results[0], state.plan.image_channels, len(state.count), state.plan.frame.shape)
        shown = images[state.plan.image_channels[0]].reshape(len(state.count), -1)
        return replace(state, images=images, context=_scaled(shown, np.isfinite(shown)).astype(np.float32))

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        plan = state.plan
        return [at(plan.kind, plan.sweep, plan.places.positions_nm[plan.places.nearest(actions)])]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        pick = state.plan.places.nearest(actions)
        value, traits = self._read(state, results[0])
        after = self._judged(_appended(state, pick, value, traits))
        stands = after.accepted[np.arange(len(pick)), state.count]
        closer = np.minimum(after.nearest, state.plan.places.distances(pick))
        after = replace(after, nearest=np.where(stands[:, None], closer, after.nearest))
        reward = _gain(state, after) if self.objective == "maximise" else _mean(state.nearest - after.nearest)
        return after, Outcome(value, after.accepted, reward, np.asarray(after.asked.all(-1)))

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        rows, last = np.arange(len(state.count)), np.maximum(state.count - 1, 0)
        began = (state.count > 0)[:, None]
        picks, values, accepted = (_column(a, last) for a in (state.picks, state.values, state.accepted))
        middle, scale = state.middle[:, None], state.scale[:, None]
        shown = {
            "measured": state.asked,
            "value_map": _standard(state.mean, state.known, middle, scale),
            "position": np.where(began, state.plan.places.actions[picks[rows]], 0.0),
            "last": _standard(values[:, None], began & np.isfinite(values)[:, None], middle, scale),
            "accepted": began & accepted[:, None],
            "progress": _mean(state.asked)[:, None],
        }
        if state.plan.frame is not None:
            shown["image"] = state.context
        return {name: np.array(array, dtype=np.float32) for name, array in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        plan = state.plan
        images = {name: _filled(image[row]) for name, image in state.images.items() if np.isfinite(image[row]).any()}
        return Brief(
            objective=self.objective,
            value_name=self.scalariser.name,
            value_unit=self.scalariser.unit(plan.unit, self.sweep.axis_unit),
            candidates=plan.places.actions,
            positions_nm=plan.places.positions_nm.copy(),
            pixels=plan.places.pixels(None if plan.frame is None else plan.frame.shape),
            images=images,
            extent_nm=extent_nm(plan.places.field),
        )

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
        kind = self.sweep.kind
        if kind not in capabilities.requests:
            known = ", ".join(sorted(capabilities.requests))
            raise NotSupported(f"{capabilities.name} has no {kind}; it has: {known} (set task.sweep accordingly)")
        channel = _chosen(self.channel, capabilities.channels[kind], f"task.channel of {kind}")
        places = Places.of(capabilities, self.shape)
        frame, images = self._frame(capabilities)
        sweep = resolved(self.sweep, capabilities)
        return Plan(places, kind, sweep, channel, capabilities.channels[kind][channel], frame, images)

    def _frame(self, capabilities: Capabilities) -> tuple[ScanImage | None, tuple[str, ...]]:
        if "ScanImage" not in capabilities.requests:
            return None, ()
        area = capabilities.field
        frame = ScanImage(area.center_nm, area.size_nm, self.survey_image.shape, self.survey_image.dwell_s)
        first = self.survey_image.channel or next(iter(capabilities.channels["ScanImage"]))
        known = capabilities.channels["ScanImage"]
        _chosen(first, known, "task.survey_image.channel")
        return frame, (first, *(name for name in known if name != first))

    def _read(self, state: State, result: ResultBatch) -> tuple[Floats, Floats]:
        """Value [B] and traits [B, 3] of the measured curves; NaN and zero where there is nothing to use."""
        rows = len(state.count)
        read = curves_of(result, state.plan.channel, state.plan.unit, self.sweep.axis_unit)
        if read is None:
            return np.full(rows, np.nan), np.zeros((rows, TRAITS))
        curves, axis = read
        with np.errstate(over="ignore", invalid="ignore"):  # absurd samples are a failed curve, no trouble of ours
            value = np.asarray(self.scalariser(curves, axis.values), dtype=np.float64)
            traits = np.zeros((rows, TRAITS)) if self.outliers is None else self.outliers.traits(curves)
        return np.where(np.isfinite(value), value, np.nan), traits

    def _judged(self, state: State) -> State:
        known = (np.arange(state.picks.shape[1]) < state.count[:, None]) & np.isfinite(state.values)
        accepted = known if self.outliers is None else self.outliers.accept(state.traits, known)
        mean, stands = _candidate_means(replace(state, accepted=accepted))
        best = np.where(stands, mean, -np.inf).max(-1)
        middle = masked_median(mean, stands)
        scale = masked_scale(mean, stands, middle)
        return replace(state, accepted=accepted, mean=mean, known=stands, best=best, middle=middle, scale=scale)


def _gain(before: State, after: State) -> Floats:
    """Gain [B] of the best standing value in robust standard deviations; 0 where there is nothing to compare."""
    judged = np.isfinite(after.best) & np.isfinite(before.best) & (after.scale > 0)
    gain = np.where(judged, after.best, 0.0) - np.where(judged, before.best, 0.0)
    return np.clip(gain / np.where(judged, after.scale, 1.0), -_CLIP, _CLIP)


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


def _standard(values: Floats, known: NDArray[np.bool_], middle: Floats, scale: Floats) -> Floats:
    """Values in robust standard deviations from the middle, clipped; 0 where not known or nothing to scale with."""
    usable = known & np.isfinite(middle) & (scale > 0)
    scaled = (np.where(usable, values, 0.0) - np.where(usable, middle, 0.0)) / np.where(usable, scale, 1.0)
    return np.clip(scaled, -_CLIP, _CLIP)


def _scaled(values: Floats, known: NDArray[np.bool_]) -> Floats:
    middle = masked_median(values, known)
    return _standard(values, known, middle[:, None], masked_scale(values, known, middle)[:, None])


def _column(array: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    return array[np.arange(len(index)), index] if array.shape[1] else np.zeros(len(index), array.dtype)


def _mean(array: NDArray[Any]) -> Floats:
    return np.asarray(np.ascontiguousarray(array, dtype=np.float64).mean(-1))


def _filled(image: Floats) -> Floats:
    """The image, its missing pixels (a survey ended early) standing at the median of the others."""
    return np.where(np.isfinite(image), image, np.nanmedian(image))


def _chosen(name: str, known: Mapping[str, str], what: str) -> str:
    if not name and len(known) == 1:
        return next(iter(known))
    if name not in known:
        raise NotSupported(f"{what} {name!r}: choose one of {', '.join(known)}")
    return name

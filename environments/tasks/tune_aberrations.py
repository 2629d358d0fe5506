"""Tune aberrations: bring the probe into shape by steps of the lenses, looking at an image after each.

An action is a verdict and a step. The verdict is about the setting that the last image showed: above 1/3 it is
accepted, and becomes where undoing goes back to; below -1/3 it is undone, so that what was asked for since the last
acceptance is taken back; in between it stands and nothing is decided. Then the step is made: for each part of each
aberration a number in [-1, 1] times the largest step, relative and so bounded. Then the same field is imaged again.

What an image is worth is its contrast: the root of its variance above shot noise, over its mean. It exists on a real
instrument, grows as the probe gets smaller, and knows nothing of aberrations. The reward is its gain. The Strehl ratio
is truth, which nobody here sees. Lenses play and drift, so undoing does not quite go back: only an image tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.rows import SHARED
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import CalibrationUnknown, InvalidRequest, NotSupported
from instruments.keys import Keys
from physics_priors.bounds import POSITIVE_NM, POSITIVE_S, Bounds, violations
from physics_priors.optics.aberrations import NAMES

Floats = NDArray[np.float64]
Pixels = Annotated[int, Bounds("pixels", 16, 2048)]
_MOST_COUNTS = 1e6
_ACCEPT, _UNDO = 1 / 3, -1 / 3


@dataclass(frozen=True)
class State:
    """B rows: the last image, its contrast and that of the last accepted one, and steps since that one [B, P] nm."""

    image: NDArray[np.float32]
    value: Floats
    accepted_value: Floats
    since_nm: Floats
    frames: NDArray[np.int64]
    usable: NDArray[np.bool_]
    """[B, frames]"""
    capabilities: Capabilities = field(metadata=SHARED)


@dataclass(frozen=True)
class TuneAberrations:
    """The task; `names` and `largest_nm` say which aberrations may be changed, and by how much at most in one step."""

    names: tuple[str, ...] = ("C1", "A1", "B2", "A2", "C3")
    largest_nm: tuple[Annotated[float, POSITIVE_NM], ...] = (100.0, 60.0, 300.0, 300.0, 5000.0)
    frames: Annotated[int, Bounds("frames", 2, 10_000)] = 60
    """Images of an episode, the one before the first action included."""
    size_nm: Annotated[float, POSITIVE_NM] = 16.0
    shape: tuple[Pixels, Pixels] = (256, 256)
    dwell_s: Annotated[float, POSITIVE_S] = 8e-6

    name = "tune_aberrations"

    def __post_init__(self) -> None:
        for own in ("names", "largest_nm", "shape"):
            object.__setattr__(self, own, tuple(getattr(self, own)))
        said = violations(self) + [f"unknown aberration {n!r}; known: {', '.join(NAMES)}" for n in self._unknown]
        if len(self.names) != len(self.largest_nm) or len(set(self.names)) != len(self.names) or not self.names:
            said.append("names and largest_nm must be of one length, without repetition, and not empty")
        if said:
            raise InvalidRequest("TuneAberrations: " + "; ".join(said))

    @property
    def _unknown(self) -> list[str]:
        return [name for name in self.names if name not in NAMES]

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """Of every number of a step, which name it belongs to, and whether it is real (0) or imaginary (1)."""
        return tuple(
            (place, part)
            for place, name in enumerate(self.names)
            for part in ((0,) if name in ("C1", "C3", "C5") else (0, 1))
        )

    @property
    def scale_nm(self) -> Floats:
        """Largest step [P] of every number."""
        return np.array([self.largest_nm[place] for place, _ in self.parts])

    def check(self, capabilities: Capabilities) -> None:
        for kind in ("ScanImage", "SetAberrations"):
            if kind not in capabilities.requests:
                raise NotSupported(f"{capabilities.name} has no {kind}, which tune_aberrations needs")
        known = capabilities.calibration
        if known.beam_energy_keV is None or known.convergence_mrad is None:
            raise CalibrationUnknown(f"{capabilities.name}: tune_aberrations needs beam energy and convergence angle")
        self._channel(capabilities)

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        steps, most = len(self.parts), np.finfo(np.float32).max
        boxes: dict[str, gymnasium.Space[Any]] = {
            "image": gymnasium.spaces.Box(0.0, _MOST_COUNTS, self.shape, np.float32),
            "contrast": gymnasium.spaces.Box(0.0, 1e3, (2,), np.float32),
            "since_accepted": gymnasium.spaces.Box(-most, most, (steps,), np.float32),
            "largest_nm": gymnasium.spaces.Box(0.0, most, (steps,), np.float32),
            "calibration": gymnasium.spaces.Box(0.0, most, (4,), np.float32),
            "progress": gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32),
        }
        return gymnasium.spaces.Dict(boxes)

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (1 + len(self.parts),), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows = len(keys)
        return State(
            image=np.zeros((rows, *self.shape), np.float32),
            value=np.full(rows, np.nan),
            accepted_value=np.full(rows, np.nan),
            since_nm=np.zeros((rows, len(self.parts))),
            frames=np.zeros(rows, np.int64),
            usable=np.zeros((rows, self.frames), bool),
            capabilities=capabilities,
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return [self._frame(state)]

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        after = self._seen(state, results[0])
        return replace(after, accepted_value=after.value, frames=np.ones_like(state.frames))

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        asked, _ = self._steps(state, actions)
        values = np.zeros((len(actions), len(self.names), 2))
        for number, (place, part) in enumerate(self.parts):
            values[:, place, part] = asked[:, number]
        change = RequestBatch(
            "SetAberrations", len(actions), {"values_nm": values}, {"names": self.names, "relative": True}
        )
        return [change, self._frame(state)]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        _, since = self._steps(state, actions)
        accepted = np.where(actions[:, 0] > _ACCEPT, state.value, state.accepted_value)
        changed = results[0].done[:, None]
        before = replace(state, accepted_value=np.where(np.isfinite(accepted), accepted, state.accepted_value))
        after = self._seen(replace(before, since_nm=np.where(changed, since, state.since_nm)), results[1])
        usable, rows = state.usable.copy(), np.arange(len(actions))
        usable[rows, np.minimum(state.frames - 1, self.frames - 1)] = np.isfinite(after.value)
        frames = state.frames + 1
        gain = after.value - state.value
        reward = np.where(np.isfinite(gain), gain, 0.0)
        outcome = Outcome(after.value, usable[:, : int(frames.max()) - 1], reward, frames >= self.frames)
        return replace(after, frames=frames, usable=usable), outcome

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        rows, known = len(state.frames), state.capabilities.calibration
        assert known.beam_energy_keV is not None
        assert known.convergence_mrad is not None
        calibration = [known.beam_energy_keV, known.convergence_mrad, self.size_nm, self.size_nm * self._aspect]
        contrast = np.clip(np.nan_to_num(np.stack([state.value, state.accepted_value], -1)), 0.0, 1e3)
        shown = {
            "image": state.image.copy(),
            "contrast": contrast,
            "since_accepted": state.since_nm / self.scale_nm,
            "largest_nm": np.tile(self.scale_nm, (rows, 1)),
            "calibration": np.tile(calibration, (rows, 1)),
            "progress": np.minimum(state.frames[:, None] / self.frames, 1.0),
        }
        return {name: np.asarray(array, dtype=np.float32) for name, array in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        half = self.size_nm / 2
        extent = (-half, half, -half * self._aspect, half * self._aspect)
        return Brief("maximise", "contrast", "", images={"before": state.image[row].astype(float)}, extent_nm=extent)

    @property
    def _aspect(self) -> float:
        return self.shape[0] / self.shape[1]

    def _channel(self, capabilities: Capabilities) -> str:
        channels = capabilities.channels["ScanImage"]
        (name,) = [n for n, unit in channels.items() if unit == "counts"][:1] or [""]
        if not name:
            raise NotSupported(f"{capabilities.name}: no channel of ScanImage is in counts")
        return name

    def _frame(self, state: State) -> RequestBatch:
        rows = len(state.frames)
        shared = {
            "size_nm": (self.size_nm, self.size_nm * self._aspect),
            "shape": self.shape,
            "dwell_s": self.dwell_s,
            "rotation_rad": 0.0,
            "channels": (self._channel(state.capabilities),),
        }
        center = np.tile(state.capabilities.field.center_nm, (rows, 1))
        return RequestBatch("ScanImage", rows, {"center_nm": center}, shared)

    def _steps(self, state: State, actions: NDArray[Any]) -> tuple[Floats, Floats]:
        """What the lenses shall do [B, P] nm, and the steps since the last acceptance after that."""
        verdict, step = actions[:, :1].astype(np.float64), actions[:, 1:] * self.scale_nm
        since = np.where(verdict > _ACCEPT, 0.0, state.since_nm)
        undone = np.where(verdict < _UNDO, -state.since_nm, 0.0)
        return undone + step, since + undone + step

    def _seen(self, state: State, result: ResultBatch) -> State:
        if not result.values:
            return replace(state, value=np.full(len(state.frames), np.nan))
        image = np.asarray(result.values[result.only()], dtype=np.float64)
        whole = result.done & np.isfinite(image).all(axis=(1, 2))
        kept = np.where(whole[:, None, None], np.clip(np.nan_to_num(image), 0.0, _MOST_COUNTS), state.image)
        return replace(state, image=kept.astype(np.float32), value=np.where(whole, contrast(kept), np.nan))


def contrast(images: NDArray[Any]) -> Floats:
    """Root of the variance above shot noise, over the mean, [B]; 0 where there is no more than shot noise."""
    mean = np.ascontiguousarray(images, dtype=np.float64).mean(axis=(1, 2))
    excess = np.ascontiguousarray(images, dtype=np.float64).var(axis=(1, 2)) - mean
    return np.asarray(np.sqrt(np.maximum(excess, 0.0)) / np.maximum(mean, 1e-9))

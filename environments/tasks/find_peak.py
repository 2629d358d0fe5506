"""Find the peak, the trivial task, to be read first: where in the field is the mean of a spectrum largest?

An action is (x, y) in [-1, 1] over the field, taken as it is. The value is the spectrum's mean, the reward the gain
of the best value so far, and the episode ends after `tries` actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.places import Places, extent_nm, to_nm
from environments.rows import SHARED
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported
from instruments.keys import Keys
from physics_priors.bounds import POSITIVE_S, Bounds

_CLIP = 100.0


@dataclass(frozen=True)
class State:
    """B rows: tries made, the last and the best value, the last action, and which of the tries gave a value."""

    tries: NDArray[np.int64]
    last: NDArray[np.float64]
    best: NDArray[np.float64]
    action: NDArray[np.float64]
    usable: NDArray[np.bool_]
    """[B, tries]"""
    capabilities: Capabilities = field(metadata=SHARED)


@dataclass(frozen=True)
class FindPeak:
    """The task; `shape` is the grid of candidates that agents may choose from, any other action is legal too."""

    tries: Annotated[int, Bounds("tries", 1, 100_000)] = 30
    exposure_s: Annotated[float, POSITIVE_S] = 0.1
    shape: tuple[int, int] = (15, 15)

    name = "find_peak"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def check(self, capabilities: Capabilities) -> None:
        if "PointSpectrum" not in capabilities.requests:
            raise NotSupported(f"{capabilities.name} has no PointSpectrum, which find_peak needs")

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        value = gymnasium.spaces.Box(-_CLIP, _CLIP, (2,), np.float32)
        return gymnasium.spaces.Dict({"position": self.action_space(capabilities), "last_and_best": value})

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows = len(keys)
        value, usable = np.full(rows, np.nan), np.zeros((rows, self.tries), bool)
        return State(np.zeros(rows, np.int64), value, value.copy(), np.zeros((rows, 2)), usable, capabilities)

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return []

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        return state

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        places = {"position_nm": to_nm(state.capabilities.field, actions)}
        return [RequestBatch("PointSpectrum", len(actions), places, {"exposure_s": self.exposure_s})]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        rows = np.arange(len(actions))
        value = np.full(len(actions), np.nan)
        if results[0].values:
            value = np.ascontiguousarray(results[0].values[results[0].only()], dtype=np.float64).mean(-1)
        value = np.where(np.isfinite(value), value, np.nan)
        best = np.fmax(state.best, value)
        usable = state.usable.copy()
        usable[rows, np.minimum(state.tries, self.tries - 1)] = np.isfinite(value)
        after = replace(state, tries=state.tries + 1, last=value, best=best, action=np.array(actions), usable=usable)
        gain = np.where(np.isfinite(state.best), best - state.best, 0.0)
        return after, Outcome(value, usable[:, : int(after.tries.max())], gain, after.tries >= self.tries)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        values = np.nan_to_num(np.stack([state.last, state.best], -1), nan=0.0)
        return {
            "position": state.action.astype(np.float32),
            "last_and_best": np.clip(values, -_CLIP, _CLIP).astype(np.float32),
        }

    def brief(self, state: State, row: int) -> Brief:
        places = Places.of(state.capabilities, self.shape)
        (unit,) = set(state.capabilities.channels["PointSpectrum"].values())
        return Brief(
            objective="maximise",
            value_name="mean signal",
            value_unit=unit,
            candidates=places.actions,
            positions_nm=places.positions_nm,
            pixels=places.pixels(None),
            extent_nm=extent_nm(state.capabilities.field),
        )

    def appraise(self, capabilities: Capabilities, results: Sequence[ResultBatch]) -> NDArray[np.float64]:
        """True values [n] from results of all candidates, one row each."""
        return np.array([np.mean(result.values[result.only()]) for result in results], dtype=np.float64)

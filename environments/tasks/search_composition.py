"""Search composition: find the member with the largest property in a space too large for a grid.

An action has a number in [0, 1] for every place: above a half the second element stands there. The value is the mean of
the member's spectrum; the reward is the gain of the best value so far. It ends after `tries` members.
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
from instruments.errors import NotSupported
from instruments.keys import Keys
from physics_priors.bounds import POSITIVE_S, Bounds

_CLIP = 100.0


@dataclass(frozen=True)
class State:
    """B rows: tries made, the last and the best value, the last member's bits, which tries gave a value [B, tries]."""

    tries: NDArray[np.int64]
    last: NDArray[np.float64]
    best: NDArray[np.float64]
    bits: NDArray[np.float64]
    usable: NDArray[np.bool_]
    capabilities: Capabilities = field(metadata=SHARED)


@dataclass(frozen=True)
class SearchComposition:
    """The task; `sites` must be that of the instrument's members."""

    sites: Annotated[int, Bounds("sites", 4, 60)] = 20
    tries: Annotated[int, Bounds("members", 1, 100_000)] = 150
    exposure_s: Annotated[float, POSITIVE_S] = 0.1

    name = "search_composition"

    def check(self, capabilities: Capabilities) -> None:
        for kind in ("SetSample", "PointSpectrum"):
            if kind not in capabilities.requests:
                raise NotSupported(f"{capabilities.name} has no {kind}, which search_composition needs")

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        value = gymnasium.spaces.Box(-_CLIP, _CLIP, (2,), np.float32)
        return gymnasium.spaces.Dict({"bits": self.action_space(capabilities), "last_and_best": value})

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(0.0, 1.0, (self.sites,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows = len(keys)
        none, usable = np.full(rows, np.nan), np.zeros((rows, self.tries), bool)
        return State(np.zeros(rows, np.int64), none, none.copy(), np.zeros((rows, self.sites)), usable, capabilities)

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return []

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        return state

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        rows = len(actions)
        words = np.empty(rows, object)
        words[:] = ["".join("1" if bit > 0.5 else "0" for bit in action) for action in actions]
        none = {"temperature_K": None, "field_T": None, "settle_s": 0.0}
        centre = np.tile(state.capabilities.field.center_nm, (rows, 1))
        return [
            RequestBatch("SetSample", rows, {"member": words}, none),
            RequestBatch("PointSpectrum", rows, {"position_nm": centre}, {"exposure_s": self.exposure_s}),
        ]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        rows, value = np.arange(len(actions)), np.full(len(actions), np.nan)
        if results[1].values:
            read = np.asarray(results[1].values[results[1].only()], np.float64).mean(-1)
            value = np.where(results[0].done & np.isfinite(read), read, np.nan)
        best = np.fmax(state.best, value)
        usable = state.usable.copy()
        usable[rows, np.minimum(state.tries, self.tries - 1)] = np.isfinite(value)
        bits = (np.asarray(actions) > 0.5).astype(np.float64)
        after = replace(state, tries=state.tries + 1, last=value, best=best, bits=bits, usable=usable)
        gain = np.where(np.isfinite(state.best) & np.isfinite(best), best - state.best, 0.0)
        return after, Outcome(value, usable[:, : int(after.tries.max())], gain, after.tries >= self.tries)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        values = np.nan_to_num(np.stack([state.last, state.best], -1), nan=0.0)
        shown = np.clip(values, -_CLIP, _CLIP).astype(np.float32)
        return {"bits": state.bits.astype(np.float32), "last_and_best": shown}

    def brief(self, state: State, row: int) -> Brief:
        (unit,) = set(state.capabilities.channels["PointSpectrum"].values())
        return Brief(objective="maximise", value_name="property", value_unit=unit)

"""Recognise: which class of material lies where, from as few whole spectra as possible.

Nobody labels anything. The first `seeds` spectra are put into groups; a small network learns the groups from whole
spectra; a Gaussian field, over position and over what the survey's image shows, carries its verdicts to every
candidate. The network learns anew whenever the number of spectra has doubled, the groups keep their meaning.

The survey is one image (none where the instrument takes none); an action is (x, y) in [-1, 1] over the field and means
the nearest candidate, as in `spectroscopy_map`; failed curves are set aside. The value is the expected number of the
class at the place, 0 for the weakest signal (and before anything was learned). The reward is the decrease of the mean
doubt over all candidates: the entropy of the class, from 1, all classes alike, to 0. What must not be compared across
samples is the number of a class: groups are found in each sample on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.curves import curves_of
from environments.outliers import Outliers
from environments.recognition.memory import Memory
from environments.recognition.recogniser import Recogniser, doubt
from environments.rows import SHARED
from environments.survey import (
    CLIP,
    Pixels,
    Plan,
    Survey,
    map_brief,
    planned,
    seen,
    standardised,
    survey_requests,
    unseen,
)
from environments.sweeps import BiasSweep, Sweep, at
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.keys import Keys
from physics_priors.bounds import Bounds

_REACH_EVERY = 8
"""Spectra between two looks at how far verdicts reach."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """B rows; `memory` [B] holds one Memory each, probabilities [B, n, classes] what is believed of every candidate."""

    plan: Plan = field(metadata=SHARED)
    images: Mapping[str, Floats]
    context: Floats
    """[B, n] the image at the candidates, scaled; no columns without an image."""
    asked: NDArray[np.bool_]
    count: NDArray[np.int64]
    memory: NDArray[Any]
    probabilities: Floats
    last: Floats
    """[B, classes] of the last spectrum."""
    position: Floats


@dataclass(frozen=True)
class Recognise:
    """The task; `shape` is (rows, columns) of the candidates where the instrument does not list its sites."""

    recogniser: Recogniser = field(default_factory=Recogniser)
    seeds: Annotated[int, Bounds("spectra", 4, 100_000)] = 24
    """Usable spectra before the first lesson; more than there are classes."""
    sweep: Sweep = field(default_factory=BiasSweep)
    channel: str = ""
    shape: tuple[Pixels, Pixels] = (32, 32)
    survey_image: Survey = field(default_factory=Survey)
    outliers: Outliers | None = field(default_factory=Outliers)

    name = "recognise"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        if self.seeds <= self.recogniser.classes:
            raise ValueError(f"seeds={self.seeds} must be more than the {self.recogniser.classes} classes")

    def check(self, capabilities: Capabilities) -> None:
        self._plan(capabilities)

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        n, classes = len(self._plan(capabilities).places), self.recogniser.classes
        sizes = {"class_map": (0.0, 1.0, n), "uncertainty": (0.0, 1.0, n), "measured": (0.0, 1.0, n)}
        sizes |= {"last": (0.0, 1.0, classes), "position": (-1.0, 1.0, 2), "accepted": (0.0, 1.0, 1)}
        sizes |= {"progress": (0.0, 1.0, 1)}
        if self._plan(capabilities).frame is not None:
            sizes["image"] = (-CLIP, CLIP, n)
        return gymnasium.spaces.Dict(
            {name: gymnasium.spaces.Box(low, high, (size,), np.float32) for name, (low, high, size) in sizes.items()}
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        plan, rows, classes = self._plan(capabilities), len(keys), self.recogniser.classes
        n = len(plan.places)
        memory = np.empty(rows, dtype=object)
        memory[:] = [Memory() for _ in range(rows)]
        return State(
            plan=plan,
            images=unseen(plan, rows),
            context=np.zeros((rows, n if plan.frame is not None else 0)),
            asked=np.zeros((rows, n), bool),
            count=np.zeros(rows, np.int64),
            memory=memory,
            probabilities=np.full((rows, n, classes), 1.0 / classes),
            last=np.full((rows, classes), 1.0 / classes),
            position=np.zeros((rows, 2)),
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return survey_requests(state.plan, len(state.count))

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        plan = state.plan
        images = seen(plan, results, len(state.count))
        if images is None:
            return state
        row, column = plan.places.pixels(plan.pixels).T
        return replace(state, images=images, context=standardised(images[plan.image_channels[0]][:, row, column]))

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        plan = state.plan
        return [at(plan.kind, plan.sweep, plan.places.positions_nm[plan.places.nearest(actions)])]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        pick = state.plan.places.nearest(actions)
        spectra = self._spectra(state, results[0])
        rows = range(len(pick))
        memory = np.empty(len(pick), dtype=object)
        memory[:] = [self._taken(state, row, int(pick[row]), spectra[row]) for row in rows]
        beliefs = [self._believed(state, row, memory[row]) for row in rows]
        asked = state.asked.copy()
        asked[np.arange(len(pick)), pick] = True
        after = replace(
            state,
            asked=asked,
            count=state.count + 1,
            memory=memory,
            probabilities=np.stack([p for p, _ in beliefs]),
            last=np.stack([own for _, own in beliefs]),
            position=state.plan.places.actions[pick],
        )
        fell = doubt(state.probabilities).mean(axis=1) - doubt(after.probabilities).mean(axis=1)
        return after, Outcome(self._values(after), _padded(after), fell, np.asarray(asked.all(-1)))

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        numbers = np.arange(self.recogniser.classes) / (self.recogniser.classes - 1)
        stood = [bool(m.accepted[-1]) if len(m.accepted) else False for m in state.memory]
        shown = {
            "class_map": state.probabilities @ numbers,
            "uncertainty": np.clip(doubt(state.probabilities), 0.0, 1.0),
            "measured": state.asked,
            "last": state.last,
            "position": state.position,
            "accepted": np.array(stood)[:, None],
            "progress": state.asked.mean(axis=1, keepdims=True),
        }
        if state.plan.frame is not None:
            shown["image"] = state.context
        return {name: np.array(array, dtype=np.float32) for name, array in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        return map_brief(state.plan, state.images, row, "map", "class", "")

    def verdicts(self, state: State, row: int, spectra: Floats) -> NDArray[np.int64]:
        """The class [n] that a row's network sees in spectra [n, m]; 0 before its first lesson."""
        learned = state.memory[row].learned
        if learned is None:
            return np.zeros(len(spectra), np.int64)
        return np.asarray(learned.network.probabilities(spectra).argmax(axis=1), dtype=np.int64)

    def _plan(self, capabilities: Capabilities) -> Plan:
        return planned(capabilities, self.sweep, self.channel, self.shape, self.survey_image)

    def _spectra(self, state: State, result: ResultBatch) -> Floats:
        """[B, m], NaN where nothing usable came; m may be 0 where nothing came at all."""
        read = curves_of(result, state.plan.channel, state.plan.unit, self.sweep.axis_unit)
        if read is None:
            return np.empty((len(state.count), 0))
        return np.where(result.done[:, None], read[0], np.nan)

    def _taken(self, state: State, row: int, pick: int, spectrum: Floats) -> Memory:
        """The row's memory with one more spectrum, judged anew, and with a lesson where one is due."""
        before: Memory = state.memory[row]
        return self._taught(state, row, before.extended(pick, spectrum, self.outliers))

    def _taught(self, state: State, row: int, memory: Memory) -> Memory:
        usable = int(memory.accepted.sum())
        due = max(self.seeds, 2 * memory.lessons)
        if usable < (due if memory.learned is None else memory.looks + _REACH_EVERY) and usable < due:
            return memory
        spectra, places, side = *self._usable(state, row, memory), state.plan.side_nm
        if usable >= due:
            learned = self.recogniser.learn(spectra, places, side, memory.learned)
            return replace(memory, learned=learned, lessons=usable, looks=usable)
        assert memory.learned is not None
        learned = self.recogniser.placed(memory.learned, spectra, places, side)
        return replace(memory, learned=learned, looks=usable)

    def _usable(self, state: State, row: int, memory: Memory) -> tuple[Floats, Floats]:
        """Usable spectra and their places [n, d]: nm, and what the image shows there."""
        return memory.spectra[memory.accepted], self._coordinates(state, row)[memory.picks[memory.accepted]]

    def _coordinates(self, state: State, row: int) -> Floats:
        return np.column_stack(
            [state.plan.places.positions_nm, state.context[row].reshape(-1, len(state.asked[row])).T]
        )

    def _believed(self, state: State, row: int, memory: Memory) -> tuple[Floats, Floats]:
        """Probabilities of all candidates [n, classes], and of the last spectrum [classes]."""
        classes = self.recogniser.classes
        level = np.full(classes, 1.0 / classes)
        if memory.learned is None:
            return state.probabilities[row], level
        spectra, places = self._usable(state, row, memory)
        found = self.recogniser.everywhere(memory.learned, spectra, places, self._coordinates(state, row))
        last = memory.learned.network.probabilities(memory.spectra[-1:])[0] if memory.accepted[-1] else level
        return found, last

    def _values(self, state: State) -> Floats:
        numbers = np.arange(self.recogniser.classes)
        values = []
        for memory, last in zip(state.memory, state.last, strict=True):
            came = bool(memory.spectra.shape[1]) and bool(np.isfinite(memory.spectra[-1]).all())
            values.append(np.nan if not came else 0.0 if memory.learned is None else float(last @ numbers))
        return np.array(values)


def _padded(state: State) -> NDArray[np.bool_]:
    """accepted [B, N] of all rows, padded to the longest."""
    out = np.zeros((len(state.count), int(state.count.max())), bool)
    for row, memory in enumerate(state.memory):
        out[row, : len(memory.accepted)] = memory.accepted
    return out

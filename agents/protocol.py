"""The plain types between an agent and whoever asks it: Problem, Decision, Transition, Agent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Observation = Mapping[str, NDArray[Any]]


class AgentError(Exception):
    """An agent cannot do what was asked of it: the problem does not suit it, or a state is not its own."""


@dataclass(frozen=True)
class Problem:
    """What an agent is told once.

    Actions are vectors in [low, high] (each [d]), or 0 .. choices - 1 where `choices` is given. candidates [n, d]
    lists the actions to choose from, positions_nm [n, 2] and pixels [n, 2] (row, column in the images) where they
    lie; images [rows, columns] are static context. `objective`: find the largest value or the smallest, or map the
    value everywhere. What a measurement costs is told with its outcome, and an agent may learn to foresee it.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    objective: Literal["maximise", "minimise", "map"]
    value_name: str
    value_unit: str
    choices: int | None = None
    candidates: NDArray[np.float64] | None = None
    positions_nm: NDArray[np.float64] | None = None
    pixels: NDArray[np.int64] | None = None
    images: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    extent_nm: tuple[float, float, float, float] | None = None
    also_name: str = ""
    also_unit: str = ""
    """Of the second number that each measurement brings; no name where it brings one."""


@dataclass(frozen=True)
class Decision:
    """One action and why.

    candidate is its index in `Problem.candidates`, where it was chosen from them; `figures` are numbers worth
    logging (predicted mean and standard deviation, acquisition value), `reason` one plain sentence.
    """

    action: NDArray[Any]
    reason: str
    candidate: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Transition:
    """What came of a decision.

    value is NaN where the measurement failed or was refused. accepted [n] says of every transition told so far,
    this one last, whether its value still stands: later data may unmask an earlier outlier.
    """

    step: int
    decision: Decision
    value: float
    accepted: NDArray[np.bool_]
    reward: float
    observation: Observation
    terminated: bool = False
    seconds: float = 0.0
    electrons: float = 0.0
    also: float = math.nan
    """The second number, where the task reads two; it stands or falls with the value."""
    before: Observation = field(default_factory=dict)
    """What was seen when it was decided; empty where the teller does not say."""


@dataclass(frozen=True)
class Prediction:
    """A model's mean and standard deviation of the value at every candidate, [n] each, in the value's unit."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]


@runtime_checkable
class Agent(Protocol):
    """Decisions are functions of (what was told, seed, step): learning happens in `tell`, never in `act`."""

    def begin(self, problem: Problem, seed: int) -> None:
        """Forget everything and start on a problem; raises AgentError where the problem does not suit it."""
        ...

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        """The next decision; `pending` are decisions whose outcome is not known yet."""
        ...

    def tell(self, transition: Transition) -> None:
        """Take an outcome in, also of a point that a person chose."""
        ...

    def state(self) -> dict[str, Any]:
        """All that was learned since `begin`, as plain values and arrays."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state` of the same agent, after `begin` with the same problem and seed."""
        ...


@runtime_checkable
class Believes(Protocol):
    """An agent that has beliefs to show which are no map of the value: a posterior over rates, say."""

    def beliefs(self) -> Mapping[str, Any]:
        """What is believed now, as plain values and arrays by name; empty before there is anything. Changes nothing."""
        ...


@runtime_checkable
class Predicts(Protocol):
    """An agent that has a model to show."""

    def predict(self) -> Prediction | None:
        """The model's present belief at every candidate; None before it has one. Changes nothing."""
        ...

"""A task: what is wanted of an instrument, written on batches and owning its state.

A task file reads top to bottom: spaces, `start`, `survey`, `requests`, `update`, `observation`, `brief`. All arrays
have a leading axis of B rows, one per sample; a single environment is a batch of one. State is a frozen dataclass
of arrays [B, ...] (or of constants shared by all rows), so that rows can be replaced when episodes end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.keys import Keys

S = TypeVar("S")


@dataclass(frozen=True)
class Outcome:
    """What one action brought, for B rows.

    value [B] is the scalar that the task reads from the measurement (NaN where it failed), accepted [B, n] says
    of each of the n actions so far whether its value still stands (later data may unmask an outlier).
    """

    value: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    also: NDArray[np.float64] | None = None
    """[B] what the task reads beside the value, where it reads two numbers; NaN where that failed."""


@dataclass(frozen=True)
class Brief:
    """What an agent is told once, before its first decision: static, and never more than was measured.

    candidates [n, d] are the actions to choose from, in action units; positions_nm [n, 2] and pixels [n, 2]
    (row, column of `images`) say where they are; images are the survey's channels, [rows, columns] each.
    """

    objective: Literal["maximise", "minimise", "map"]
    value_name: str
    value_unit: str
    candidates: NDArray[np.float64] | None = None
    positions_nm: NDArray[np.float64] | None = None
    pixels: NDArray[np.int64] | None = None
    images: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    extent_nm: tuple[float, float, float, float] | None = None
    """(x0, x1, y0, y1) of the images."""
    also_name: str = ""
    also_unit: str = ""
    """Of what is read beside the value; no name where nothing is."""


class Task(Protocol, Generic[S]):
    """What an environment asks of a task."""

    name: str

    def check(self, capabilities: Capabilities) -> None:
        """Raise NotSupported, OutOfReach or CalibrationUnknown where the instrument cannot serve this task."""
        ...

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        """Space of a single row's observation."""
        ...

    def action_space(self, capabilities: Capabilities) -> gymnasium.Space[Any]:
        """Space of a single row's action: normalised, units inside the task."""
        ...

    def start(self, keys: Keys, capabilities: Capabilities) -> S:
        """State of B fresh rows, one per key."""
        ...

    def survey(self, state: S) -> Sequence[RequestBatch]:
        """What is measured before the first action (the structural image); may be empty."""
        ...

    def surveyed(self, state: S, results: Sequence[ResultBatch]) -> S:
        """The state with the survey's results taken in."""
        ...

    def requests(self, state: S, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        """What to ask of the instrument for actions [B, ...]."""
        ...

    def update(self, state: S, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[S, Outcome]:
        """Take the results of `requests` in; a request that failed comes as a row with `done` False."""
        ...

    def observation(self, state: S) -> Mapping[str, NDArray[Any]]:
        """Observations [B, ...]; fresh arrays at every call."""
        ...

    def brief(self, state: S, row: int) -> Brief:
        """What the agent of one row is told before its first decision, after the survey."""
        ...

"""What every agent here remembers: the problem, the seed, and all that it was told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.options import Box, Options, options_of
from agents.protocol import AgentError, Decision, Problem, Transition


class Remembering:
    """Keeps what was told, so that an agent built on it only has to decide.

    A candidate whose measurement failed or was rejected counts as tried: it is not chosen again before all the
    others were.
    """

    problem: Problem
    seed: int
    options: Options | Box
    actions: NDArray[np.float64]
    """Actions taken, [steps, d]."""
    values: NDArray[np.float64]
    """Their values, [steps], NaN where there is none."""
    also: NDArray[np.float64]
    """What was read beside the values, [steps], NaN where there is none."""
    accepted: NDArray[np.bool_]
    """Which values still stand, [steps]."""
    taken: NDArray[np.int64]
    """The options taken, [steps]; -1 where the problem lists none."""

    def begin(self, problem: Problem, seed: int) -> None:
        self.options = options_of(problem)
        self.problem, self.seed = problem, int(seed)
        self.actions = np.empty((0, self.options.axes))
        self.values, self.also, self.accepted = np.empty(0), np.empty(0), np.empty(0, dtype=bool)
        self.taken = np.empty(0, dtype=np.int64)

    def tell(self, transition: Transition) -> None:
        accepted = np.asarray(transition.accepted, dtype=bool)
        if accepted.shape != (len(self.values) + 1,):
            raise AgentError(
                f"`accepted` must have one entry for each of the {len(self.values) + 1} transitions told, "
                f"this one last; got shape {accepted.shape}"
            )
        decision = transition.decision
        taken = self.options.index(decision) if isinstance(self.options, Options) else -1
        self.actions = np.vstack([self.actions, np.ravel(decision.action)[None, :]])
        self.values = np.append(self.values, float(transition.value))
        self.also = np.append(self.also, float(transition.also))
        self.accepted, self.taken = accepted.copy(), np.append(self.taken, taken)

    def state(self) -> dict[str, Any]:
        kept = {"actions": self.actions, "values": self.values, "accepted": self.accepted, "taken": self.taken}
        if self.problem.also_name:
            kept["also"] = self.also
        return {"agent": type(self).__name__, **{name: array.copy() for name, array in kept.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        if state.get("agent") != type(self).__name__:
            raise AgentError(f"this state is of {state.get('agent', 'no agent')!s}, not of {type(self).__name__}")
        self.actions = np.array(state["actions"], dtype=np.float64)
        self.values = np.array(state["values"], dtype=np.float64)
        self.also = np.array(state.get("also", np.full(len(self.values), np.nan)), dtype=np.float64)
        self.accepted = np.array(state["accepted"], dtype=bool)
        self.taken = np.array(state["taken"], dtype=np.int64)

    @property
    def told(self) -> int:
        """How many transitions were told."""
        return len(self.values)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which values may be learned from, [steps]: finite, and still accepted."""
        return self.accepted & np.isfinite(self.values)

    def open_options(self, options: Options, pending: Sequence[Decision]) -> NDArray[np.int64]:
        """Indices of the options neither told nor pending; the least taken ones where there are none."""
        return options.open([*self.taken, *(options.index(decision) for decision in pending)])

    def generator(self, pending: Sequence[Decision] = ()) -> np.random.Generator:
        """A generator that depends on the seed and on the step that is decided now, and on nothing else."""
        return np.random.default_rng([self.seed, self.told + len(pending)])

"""The agent that acts by a trained policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from agents.reinforcement.beliefs import Beliefs
from agents.reinforcement.lstm import Memory
from agents.reinforcement.policy import Policy, load


class TrainedPolicy:
    """Takes the action that a policy finds most likely; it learns nothing any more, but some remember what they saw.

    `policy` is a file that `probewright train` wrote, models:/NAME/VERSION in MLflow's registry (the one of
    MLFLOW_TRACKING_URI, else that of the folder `runs`), or shipped:NAME, which comes with the package. A problem with
    other actions is refused when it begins, other observations at the first decision.
    """

    def __init__(self, policy: str = "") -> None:
        self.where = policy
        self._loaded = load(policy) if policy else None

    @property
    def _policy(self) -> Policy:
        if self._loaded is None:
            raise AgentError("no policy was named: give agent.policy=FILE of `probewright train`, or shipped:NAME")
        return self._loaded

    def begin(self, problem: Problem, seed: int) -> None:
        wanted = self._policy.signature
        offered = (tuple(np.ravel(problem.low).tolist()), tuple(np.ravel(problem.high).tolist()), problem.choices)
        if offered != (wanted.low, wanted.high, wanted.choices):
            raise AgentError(
                f"{self.where} was trained for actions in {_said(wanted.low, wanted.high, wanted.choices)}, "
                f"this task has {_said(*offered)}"
            )
        self._told = 0
        self._memory: Memory | None = None
        self._beliefs = Beliefs(self._policy.physics)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        about = self._policy.about
        reason = f"policy of {about.get('algorithm', 'a trainer')}, trained for {about.get('steps', '?')} steps"
        return Decision(self._step(observation)[0][0], reason)

    def tell(self, transition: Transition) -> None:
        """Remember what was seen before, where the policy has a memory, and learn what its physics keeps a belief of.

        AgentError where either is so and it was not told what was seen before.
        """
        self._told += 1
        if self._policy.lstm is None and not self._policy.physics.belief:
            return
        if not transition.before:
            raise AgentError(f"{self.where} remembers what it saw, and was not told it: Transition.before is empty")
        if self._policy.lstm is not None:
            self._memory = self._step(transition.before)[1]
        actions, electrons = np.asarray(transition.decision.action)[None], np.array([transition.electrons])
        self._beliefs.after(_batch(transition.before), actions, _batch(transition.observation), electrons)

    def state(self) -> dict[str, Any]:
        known = {} if self._memory is None else {name: array.copy() for name, array in vars(self._memory).items()}
        believed = {} if self._beliefs.statistics is None else {"statistics": self._beliefs.statistics.copy()}
        return {"agent": type(self).__name__, "told": self._told, "memory": known, **believed}

    def restore(self, state: dict[str, Any]) -> None:
        if state.get("agent") != type(self).__name__:
            raise AgentError(f"this state is of {state.get('agent', 'no agent')!s}, not of {type(self).__name__}")
        self._told, known = int(state["told"]), state.get("memory", {})
        self._memory = Memory(**{name: np.array(values) for name, values in known.items()}) if known else None
        believed = state.get("statistics")
        self._beliefs.statistics = None if believed is None else np.array(believed, dtype=np.float64)

    def _step(self, observation: Observation) -> tuple[NDArray[Any], Memory | None]:
        return self._policy.step(self._beliefs.shown(_batch(observation)), self._memory)


def _batch(observation: Observation) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(values)[None] for name, values in observation.items()}


def _said(low: Sequence[float], high: Sequence[float], choices: int | None) -> str:
    if choices is not None:
        return f"0 to {choices - 1}"
    return f"{len(low)} numbers from {list(low)} to {list(high)}"

"""Reference policies that are given truth. They live here and nowhere else; no agent can ask for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Decision, Observation, Problem, Transition


class BestFirst:
    """Asks for the candidates in the order of their true values, the largest first."""

    def __init__(self, truth: NDArray[np.float64]) -> None:
        self._order = np.argsort(-np.where(np.isfinite(truth), truth, -np.inf), kind="stable")
        self._step = 0

    def begin(self, problem: Problem, seed: int) -> None:
        if problem.candidates is None or len(problem.candidates) != len(self._order):
            raise AgentError("the oracle needs the candidates that its truth is about")
        self._candidates, self._step = problem.candidates, 0

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        candidate = int(self._order[min(self._step, len(self._order) - 1)])
        return Decision(self._candidates[candidate], "the largest true value not yet measured", candidate)

    def tell(self, transition: Transition) -> None:
        self._step += 1

    def state(self) -> dict[str, Any]:
        return {"step": self._step}

    def restore(self, state: dict[str, Any]) -> None:
        self._step = int(state["step"])

"""One number at a time: how a person turns knobs, for boxes of numbers without a list of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from agents.options import Box
from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from agents.remembering import Remembering
from physics_priors.bounds import Bounds

Share = Annotated[float, Bounds("", 0.0, 1.0, open_low=True)]


class CoordinateSearch(Remembering):
    """Begins in the middle; tries a step up and one down on each axis in turn and goes on where it got better.

    When no axis helped in either direction the step is halved. Steps are shares of the box; a value that failed or was
    rejected counts as no better.
    """

    def __init__(self, step: Share = 0.25, smallest: Share = 0.01) -> None:
        """`smallest`: the step is not halved below it."""
        self.step, self.smallest = step, smallest

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        if not isinstance(self.options, Box):
            raise AgentError("coordinate search turns numbers of a box; this problem lists candidates: use agent=sobol")
        self._at, self._best = np.full(self.options.axes, 0.5), -np.inf
        self._turn, self._in_vain, self._size = 0, 0, self.step

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        assert isinstance(self.options, Box)
        if self.told + len(pending) == 0:
            return self.options.decide(self._at.copy(), "the middle of the box")
        turn = self._turn + len(pending)
        axis, sign = turn // 2 % self.options.axes, 1 - 2 * (turn % 2)
        return self.options.decide(
            self._proposed(turn), f"{self._size:g} {'up' if sign > 0 else 'down'} on axis {axis}"
        )

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        assert isinstance(self.options, Box)
        sense = -1.0 if self.problem.objective == "minimise" else 1.0
        value = sense * transition.value if self.usable[-1] else -np.inf
        if value > self._best:
            span = self.options.high - self.options.low
            self._at = (np.ravel(transition.decision.action) - self.options.low) / np.where(span > 0, span, 1.0)
            self._best, self._in_vain = value, 0
        elif self.told > 1:
            self._in_vain += 1
            self._turn += 1
        self._settle()

    def state(self) -> dict[str, Any]:
        own = {"at": self._at.copy(), "best": self._best, "turn": self._turn, "in_vain": self._in_vain}
        return {**super().state(), **own, "size": self._size}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._at, self._best = np.array(state["at"], dtype=np.float64), float(state["best"])
        self._turn, self._in_vain, self._size = int(state["turn"]), int(state["in_vain"]), float(state["size"])

    def _proposed(self, turn: int) -> NDArray[np.float64]:
        point = self._at.copy()
        axis, sign = turn // 2 % len(point), 1.0 - 2.0 * (turn % 2)
        point[axis] = np.clip(point[axis] + sign * self._size, 0.0, 1.0)
        return point

    def _settle(self) -> None:
        """Halve the step after a round in vain; pass over turns that the border makes no step."""
        for _ in range(4 * len(self._at)):
            if self._in_vain >= 2 * len(self._at):
                self._size, self._in_vain = max(self._size / 2, self.smallest), 0
            if not np.array_equal(self._proposed(self._turn), self._at):
                return
            self._turn, self._in_vain = self._turn + 1, self._in_vain + 1

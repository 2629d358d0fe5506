"""Most uncertain: measure next where the task's own picture of the field is least certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from agents.baselines.sobol import sobol_point
from agents.options import Box, Options
from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from agents.remembering import Remembering
from physics_priors.bounds import Bounds


class MostUncertain(Remembering):
    """Space-filling at first, then the option of largest `uncertainty` in the observation, less what travel costs.

    For tasks that list candidates and observe one uncertainty for each (`recognise`, `reconstruct`).
    """

    def __init__(
        self,
        seeds: Annotated[int, Bounds("steps", 0, 100_000)] = 24,
        travel: Annotated[float, Bounds("", 0.0)] = 0.0,
    ) -> None:
        """`travel` is what a whole diagonal of the field takes off, in units of the largest uncertainty."""
        self.seeds, self.travel = seeds, travel

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        if isinstance(self.options, Box):
            raise AgentError("most_uncertain chooses among candidates, and this problem lists none: use agent=sobol")
        self._seen: dict[str, NDArray[Any]] = {}

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        options = self._options()
        free, number = self.open_options(options, pending), self.told + len(pending)
        if number < self.seeds:
            point = sobol_point(options.axes, self.seed, number)
            return options.decide(
                options.nearest(point, free), f"point {number + 1} of {self.seeds} of a Sobol sequence"
            )
        doubt = self._doubt(observation, options)
        score = doubt - self.travel * doubt.max() * self._away(options)
        chosen = int(free[np.argmax(score[free])])
        return options.decide(chosen, "least certain of all open options", {"uncertainty": float(doubt[chosen])})

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        wanted = ("uncertainty", "class_map", "mean")
        self._seen = {n: np.array(v) for n, v in transition.observation.items() if n in wanted}

    def beliefs(self) -> Mapping[str, Any]:
        return dict(self._seen)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "seen": {name: value.copy() for name, value in self._seen.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._seen = {name: np.array(value) for name, value in state["seen"].items()}

    def _options(self) -> Options:
        assert isinstance(self.options, Options)
        return self.options

    def _doubt(self, observation: Observation, options: Options) -> NDArray[np.float64]:
        doubt = np.ravel(observation.get("uncertainty", np.empty(0))).astype(np.float64)
        if len(doubt) != len(options):
            raise AgentError(
                f"most_uncertain needs an observation `uncertainty` of {len(options)} candidates, got {len(doubt)}: "
                "use it with task=recognise or task=reconstruct"
            )
        return doubt

    def _away(self, options: Options) -> NDArray[np.float64]:
        """Distance [n] from where the last action went, in diagonals of the options' space."""
        if not self.told:
            return np.zeros(len(options))
        here = options.unit[self.taken[-1]]
        return np.asarray(np.linalg.norm(options.unit - here, axis=1) / np.sqrt(options.axes))

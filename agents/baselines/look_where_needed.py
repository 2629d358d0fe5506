"""Look where it is needed, for as long as it is needed; or, to compare with, at everything.

For tasks whose observation lists "defects" (places, as actions have them), "unsettled" (-1: no defect) and "need" (the
dwell), and whose actions are (x, y, size, dwell), as in image_within_dose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds

_NEEDED = ("defects", "unsettled", "need")


class LookWhereNeeded(Remembering):
    """Takes the frame around the defect with the largest unsettled share, with the dwell it needs.

    With `everywhere`, or where the problem lists no defect, it takes the whole field with `dwell` in [-1, 1].
    """

    def __init__(self, everywhere: bool = False, dwell: Annotated[float, Bounds("", -1.0, 1.0)] = 0.4) -> None:
        self.everywhere, self.dwell = everywhere, dwell

    def begin(self, problem: Problem, seed: int) -> None:
        if np.shape(problem.low) != (4,) or problem.candidates is None:
            raise AgentError("LookWhereNeeded needs listed actions (x, y, size, dwell), as image_within_dose has them")
        super().begin(problem, seed)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        assert isinstance(self.options, Options)
        if absent := [name for name in _NEEDED if name not in observation]:
            raise AgentError(f"LookWhereNeeded needs the observation {absent[0]!r}: use it with image_within_dose")
        whole = np.array([*self.options.actions[0][:3], self.dwell])
        left = np.array(observation["unsettled"], dtype=np.float64)
        for decision in pending:
            left[int(decision.figures.get("defect", -1.0))] = -1.0
        worst = int(np.argmax(left))
        if self.everywhere or left[worst] <= 0.0 or len(self.options) < 2:
            return Decision(whole, "the whole field", figures={"defect": -1.0})
        x, y = np.reshape(observation["defects"], (-1, 2))[worst]
        size, need = self.options.actions[1][2], float(observation["need"][worst])
        figures = {"defect": float(worst), "unsettled": float(left[worst])}
        action = np.array([x, y, size, need], dtype=np.float64)
        return Decision(action, f"around defect {worst + 1}, for as long as it needs", figures=figures)

"""The published way to move a dopant: aim at the neighbour that is nearest to the target, short of it, and wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from agents.planning.hops import situation
from agents.protocol import AgentError, Decision, Observation, Problem
from agents.remembering import Remembering
from physics_priors.beam.hop import BOND_NM, HopLaw
from physics_priors.bounds import Bounds


class GreedyHops(Remembering):
    """Park the beam at `aim` of the way to the wanted neighbour, for `dwell` of the task's logarithmic range (-1 to 1).

    The defaults are the human prior's 0.85 (Putting Dune, arXiv:2311.17894) and the longest dwell, which is ended by
    the trace where the task watches it.
    """

    def __init__(
        self,
        aim: Annotated[float, Bounds("bonds", 0.0, 2.0)] = HopLaw().aim,
        dwell: Annotated[float, Bounds("", -1.0, 1.0)] = 1.0,
    ) -> None:
        self.aim, self.dwell = aim, dwell

    def begin(self, problem: Problem, seed: int) -> None:
        if np.shape(problem.low) != (3,):
            raise AgentError(f"{type(self).__name__} needs actions (x, y, dwell), not of shape {np.shape(problem.low)}")
        super().begin(problem, seed)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        now = situation(observation)
        way = now.wanted_nm
        far = float(np.hypot(*now.target_nm)) / BOND_NM
        reason = f"towards the neighbour nearest to the target, which is {far:.1f} bonds away"
        return Decision(now.action(self.aim * way, self.dwell), reason, figures={"aim": self.aim})

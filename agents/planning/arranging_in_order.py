"""How a person would arrange dopants: one after the other, each to the nearest target that is left, by greedy hops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from agents.planning.hops import situation
from agents.planning.pattern import FILLED, Pattern, checked_problem, for_atom, waiting
from agents.protocol import Decision, Observation, Problem
from agents.remembering import Remembering
from physics_priors.beam.hop import HopLaw
from physics_priors.bounds import Bounds


class ArrangingInOrder(Remembering):
    """Each as `GreedyHops`: the beam at `aim` of the way to the neighbour nearest to the target, for `dwell` at most.

    Other dopants in the way are not avoided.
    """

    def __init__(
        self,
        aim: Annotated[float, Bounds("bonds", 0.0, 2.0)] = HopLaw().aim,
        dwell: Annotated[float, Bounds("", -1.0, 1.0)] = 1.0,
    ) -> None:
        self.aim, self.dwell = aim, dwell

    def begin(self, problem: Problem, seed: int) -> None:
        checked_problem(problem, type(self).__name__)
        super().begin(problem, seed)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        pattern = Pattern.of(observation, self.problem)
        if pattern.unsure:
            return waiting(pattern.count)
        atom, target, far = next_in_order(pattern)
        now = situation(pattern.view(atom, target))
        action = for_atom(atom, pattern.count, now.action(self.aim * now.wanted_nm, self.dwell))
        reason = f"atom {atom} towards its target, which is {far:.1f} bonds away"
        return Decision(action, reason, figures={"aim": self.aim, "atom": float(atom)})


def next_in_order(pattern: Pattern) -> tuple[int, int, float]:
    """The first atom that is not on its target, which target that is, and how many bonds away."""
    away = pattern.away()
    targets = in_order(away)
    far = away[np.arange(len(targets)), targets]
    atom = int(np.argmax(far > FILLED))
    return atom, int(targets[atom]), float(far[atom])


def in_order(away: NDArray[np.float64]) -> NDArray[np.int64]:
    """The target [k] of every dopant: the nearest one that those before it left, for distances [k, t]."""
    left, targets = away.copy(), np.empty(len(away), dtype=np.int64)
    for atom in range(len(away)):
        targets[atom] = int(left[atom].argmin())
        left[:, targets[atom]] = np.inf
    return targets

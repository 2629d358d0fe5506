"""Arrange dopants and learn the law of their hops meanwhile: who goes where, in which order, by which way.

All atoms obey one law, so that one belief (`hop_belief`) takes every dwell in, whichever atom it was about; each atom
has its own chance of being fourfold, its own vacancies and its own places that are too bright. Targets are assigned
anew for every decision, so that the sum of hops is least. Ways keep off the sites next to other silicon, which the beam
would move too, unless there is no other one (`hop_routes`). Next comes the atom whose way is free and whose progress
per second is best by the plan of one atom (`hop_plan`).

What a dwell does to atoms that it is not about enters the belief neither where they move nor where they stay. Of an
atom that moved by itself, what was known around it is forgotten; its chance of being fourfold is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_glare import NO_GLARE
from agents.planning.hop_lattice import bonds
from agents.planning.hop_plan import Plan
from agents.planning.hop_routes import BESIDE_SILICON, Surroundings, cost_of
from agents.planning.hops import Situation
from agents.planning.learning_hops import LearningHops
from agents.planning.pattern import FILLED, Pattern, assigned, checked_problem, for_atom, waiting
from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from agents.remembering import Remembering
from physics_priors.beam.hop import BOND_NM
from physics_priors.bounds import POSITIVE_S, Bounds

Floats = NDArray[np.float64]
_ONE: Final = Problem(-np.ones(3), np.ones(3), "minimise", "distance to the target", "bonds")
_STAYS: Final = 1.0
"""[bonds] A value as large says that the target of an atom has not changed, which here it never does."""


class ArrangingHops(Remembering):
    """See the module's text. The options are those of `LearningHops`, which moves each of the atoms."""

    def __init__(
        self,
        trust: Annotated[float, Bounds("", 0.0, 1.0, open_low=True, open_high=True)] = 0.7,
        particles: Annotated[int, Bounds("particles", 30, 100_000)] = 600,
        draws: Annotated[int, Bounds("draws", 1, 10_000)] = 80,
        watched: bool = True,
        action_s: Annotated[float, Bounds("s", 0.0, 3600.0)] = 1.0,
        shortest_s: Annotated[float, POSITIVE_S] = 0.15,
        longest_s: Annotated[float, POSITIVE_S] = 15.0,
    ) -> None:
        self.mover = LearningHops(trust, particles, draws, watched, action_s, shortest_s, longest_s)

    def begin(self, problem: Problem, seed: int) -> None:
        checked_problem(problem, type(self).__name__)
        super().begin(problem, seed)
        self.mover.begin(replace(_ONE, extent_nm=problem.extent_nm), seed)
        self.around: dict[int, tuple[Surroundings, Floats]] = {}
        """What is known around each atom that was dwelt on: the lattice, and bright places [m, 2] from it."""
        self.latest = 0
        """The atom that was dwelt on last."""
        self.places = np.empty((0, 2))
        """Where the atoms were last [k, 2], from the first target."""

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        pattern = Pattern.of(observation, self.problem)
        if pattern.unsure:
            return waiting(pattern.count)
        targets, uniform = assigned(pattern.hops()), float(self.generator(pending).uniform())
        far = pattern.away()[np.arange(pattern.count), targets]
        chosen: tuple[tuple[bool, float], int, Situation, Plan] | None = None
        for atom in np.flatnonzero(far > FILLED).tolist() or [0]:
            mover = self.mover_of(atom)
            now, plan = mover.planned(pattern.view(atom, int(targets[atom])), uniform, pattern.others_nm(atom))
            free = cost_of(now, bonds(now.neighbours_nm)) < BESIDE_SILICON
            if chosen is None or (free, plan.bonds_per_s) > chosen[0]:
                chosen = ((free, plan.bonds_per_s), atom, now, plan)
        if chosen is None:
            raise AgentError("there is no dopant to move")
        (free, _), atom, now, plan = chosen
        own = self.mover_of(atom).decided(now, plan)
        figures = {**own.figures, "atom": float(atom), "target": float(targets[atom]), "free": float(free)}
        said = f"atom {atom}, {far[atom]:.1f} bonds from its target" + ("" if free else ", past other silicon")
        return Decision(for_atom(atom, pattern.count, own.action), f"{said}: {own.reason}", figures=figures)

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        pattern = Pattern.of(transition.observation, self.problem)
        if pattern.unsure or not np.isfinite(transition.value):
            return
        places, atom = pattern.dopants_nm - pattern.targets_nm[0], pattern.which
        moved = np.zeros(len(places), dtype=bool)
        if len(self.places):
            moved = np.hypot(*(places - self.places).T) > 0.5 * BOND_NM
        own = transition.decision
        if pattern.seconds > 0.0 and own.figures.get("atom", atom) == atom:
            view = pattern.view(atom, int(own.figures.get("target", 0.0)))
            mover = self.mover_of(atom)
            told = replace(own, action=np.ravel(own.action)[1:])
            value = _STAYS + transition.value
            mover.learn(replace(transition, decision=told, observation=view, value=value))
            self.around[atom], moved[atom], self.latest = (mover.around, mover.glare_nm), False, atom
        for other in np.flatnonzero(moved).tolist():
            self.around.pop(other, None)
        self.places = places

    def beliefs(self) -> Mapping[str, Any]:
        """As of `LearningHops`, whose `fourfold` is that of the atom that was moved last."""
        return self.mover_of(self.latest).beliefs()

    def state(self) -> dict[str, Any]:
        around = {
            f"around_{atom}_{name}": array.copy()
            for atom, (known, glare_nm) in self.around.items()
            for name, array in {**known.state(), "glare_nm": glare_nm}.items()
        }
        known = np.array(list(self.around), dtype=np.int64)
        own = {"places": self.places.copy(), "known": known, "atom": np.array(self.latest)}
        return {**super().state(), **self.mover.learned(), **own, **around}

    def restore(self, state: dict[str, Any]) -> None:
        """The belief is learned again from the dwells in the state: the same numbers, bit for bit."""
        super().restore(state)
        self.mover.relearned(state)
        self.latest = int(state["atom"])
        self.places = np.array(state["places"], dtype=np.float64)
        self.around = {int(atom): _around_of(state, int(atom)) for atom in np.ravel(state["known"])}

    def mover_of(self, atom: int) -> LearningHops:
        """The planner of one atom, with what is known around this one."""
        self.mover.atom = atom
        self.mover.around, self.mover.glare_nm = self.around.get(atom, (Surroundings(), NO_GLARE))
        return self.mover


def _around_of(state: Mapping[str, Any], atom: int) -> tuple[Surroundings, Floats]:
    names = ("bonds_nm", "vacant_nm", "waited", "carbons_nm", "regular", "glare_nm")
    own = {name: np.array(state[f"around_{atom}_{name}"]) for name in names}
    return Surroundings.restored(own), np.array(own["glare_nm"], dtype=np.float64)

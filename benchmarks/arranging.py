"""Arranging three silicon atoms: the planner beside a person's heuristic, and without its order and ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.planning.arranging_hops import ArrangingHops
from agents.planning.arranging_in_order import ArrangingInOrder, next_in_order
from agents.planning.pattern import Pattern, for_atom, waiting
from agents.protocol import Agent, Decision, Observation
from benchmarks.episodes import begun, episode
from benchmarks.registry import Measured, figure
from environments.environment import Environment
from environments.tasks.arrange_dopants import ArrangeDopants
from instruments.embedded import Embedded
from instruments.twins.stem.microscope import StemMicroscope
from instruments.twins.stem.samples import Graphene

Floats = NDArray[np.float64]
_SEEDS: Final = range(300, 330)
_TASK: Final = ArrangeDopants()
_DRAWS: Final = 4000


@figure("planning.arranging_ratio", "ratio")
def arranging_ratio() -> Measured:
    """Seconds of the planner of several atoms over those of a person's heuristic, default twin, 30 samples."""
    found = {name: np.array([_played(make(), seed) for seed in _SEEDS]) for name, make in _POLICIES.items()}
    planner, person = (found[name][:, 0] for name in ("planner", "person"))
    drawn = np.random.default_rng(0).integers(0, len(planner), (_DRAWS, len(planner)))
    ratios = planner[drawn].sum(1) / person[drawn].sum(1)
    return Measured(
        value=float(planner.sum() / person.sum()),
        reference=1.0,
        compared="person: nearest target that is left, one atom after the other, aim 0.85, dwells of up to 15 s that "
        "the trace ends; one_at_a_time: the same targets and order, each atom by the planner of one; the same samples",
        details={
            "interval_95": np.quantile(ratios, [0.025, 0.975]).round(4).tolist(),
            "seeds": [_SEEDS.start, _SEEDS.stop - 1],
            "policies": {name: _told(rows) for name, rows in found.items()},
        },
    )


class OneAtATime(ArrangingHops):
    """A person's targets and order, other silicon not avoided, and each atom moved by the planner of one."""

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        pattern = Pattern.of(observation, self.problem)
        if pattern.unsure:
            return waiting(pattern.count)
        atom, target, _ = next_in_order(pattern)
        mover = self.mover_of(atom)
        now, plan = mover.planned(pattern.view(atom, target), float(self.generator(pending).uniform()))
        own = mover.decided(now, plan)
        figures = {**own.figures, "atom": float(atom), "target": float(target)}
        return Decision(for_atom(atom, pattern.count, own.action), own.reason, figures=figures)


_POLICIES: Final[dict[str, Callable[[], Agent]]] = {
    "planner": ArrangingHops,
    "one_at_a_time": OneAtATime,
    "person": ArrangingInOrder,
}


def _played(agent: Agent, seed: int) -> tuple[float, float, float, float]:
    """Seconds, actions, targets filled at the end, and whether an atom was lost."""
    env = Environment(Embedded(StemMicroscope(sample=Graphene(5.0, 5.0, silicon=_TASK.dopants))), _TASK)
    observation, _ = begun(agent, env, seed)
    turns = [turn.told for turn in episode(agent, env, observation)]
    filled = round(_TASK.dopants * float(turns[-1].observation["progress"][1]))
    return sum(told.seconds for told in turns), len(turns), filled, float(turns[-1].reward < -0.9)


def _told(rows: Floats) -> dict[str, Any]:
    seconds, actions, filled, lost = rows.T
    return {
        "seconds_mean": round(float(seconds.mean()), 1),
        "seconds_median": round(float(np.median(seconds)), 1),
        "actions_mean": round(float(actions.mean()), 1),
        "all_filled": int((filled == _TASK.dopants).sum()),
        "lost": int(lost.sum()),
        "samples": len(rows),
    }

"""Move a dopant and learn the law of its hops meanwhile: how often, where to aim, and by how much the beam is off.

The belief is over the parameters of the human prior's law and the beam's offset (`physics_priors.beam.hop.HOP`), as
particles; every dwell is data, one without a hop too. Where the trace ended the dwell the hop is stamped, else only its
having been is known. The beam is parked where the belief expects most: the rate to the wanted neighbour, less
`caution` times the rates to the others, averaged over the particles. A constructor with `parameters` is told the law
and learns nothing: the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from agents.planning.greedy_hops import GreedyHops
from agents.planning.hops import Situation, hopped_to, situation
from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from physics_priors.beam.events import stamped
from physics_priors.beam.hop import BOND_NM, HOP
from physics_priors.beam.hop_model import HopModel
from physics_priors.bounds import Bounds
from physics_priors.distributions import Gamma
from physics_priors.posterior import Particles

Floats = NDArray[np.float64]
_FAR_NM = 10.0
"""Where a neighbour is put that is not there: the law gives it no rate."""


class LearningHops(GreedyHops):
    """See the module's text. Data are kept as arrays, so that a state can be saved and restored."""

    def __init__(
        self,
        particles: Annotated[int, Bounds("particles", 10, 100_000)] = 600,
        caution: Annotated[float, Bounds("", 0.0, 100.0)] = 1.0,
        dwell: Annotated[float, Bounds("", -1.0, 1.0)] = 1.0,
        watched: bool = True,
        parameters: tuple[float, ...] | None = None,
    ) -> None:
        """`watched`: a dwell that was shorter than its longest was ended by the hop itself."""
        super().__init__(dwell=dwell)
        if parameters is not None and len(parameters) != len(HOP):
            raise AgentError(f"parameters must be {len(HOP)} numbers: {', '.join(HOP.names)}")
        self.particles, self.caution, self.watched = particles, caution, watched
        self.parameters = None if parameters is None else tuple(float(v) for v in parameters)

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        self.belief = Particles(HOP, self.particles, seed=self.seed)
        self.model = HopModel()
        self.counted = np.zeros(2)
        """Hops, and seconds of dwells."""
        self.longest_s = 0.0

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        now = situation(observation)
        place, expected = self._best(now)
        beam = now.action(place, self.dwell)
        reason = f"the rate expected to the wanted neighbour is {expected:.3g} per second"
        figures = {"expected_rate_s": expected, "x_nm": float(place[0]), "y_nm": float(place[1])}
        return Decision(beam, reason, figures={**figures, **_figures_of(now)})

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        if self.parameters is not None or not np.isfinite(transition.value):
            return
        figures = transition.decision.figures
        before = _situation_of(figures)
        if before is None:
            return
        seconds, moved = (float(v) for v in np.asarray(transition.observation["last"], dtype=np.float64))
        if seconds <= 0.0:
            return
        if not moved:
            self.longest_s = max(self.longest_s, seconds)
        to = -1
        if moved:
            to = _nearest_way(before, transition)
            if to < 0:
                return
        self.counted = self.counted + np.array([moved, seconds])
        self._learn(before, np.array([figures["x_nm"], figures["y_nm"]]), seconds, to)

    def beliefs(self) -> Mapping[str, Any]:
        """Means and 95 % intervals of the law's parameters, particles, and the Gamma posterior of the plain rate."""
        if not self.counted[1]:
            return {}
        plain = stamped(Gamma(0.5, 1.0), np.array([self.counted[0]]), np.array([self.counted[1]]))
        return {
            "names": list(HOP.names),
            "mean": self.belief.mean(),
            "interval_95": self.belief.interval(),
            "particles": self.belief.theta,
            "weight": self.belief.weight,
            "hops": float(self.counted[0]),
            "dwell_s": float(self.counted[1]),
            "gamma_shape": plain.shape,
            "gamma_rate_s": plain.rate,
        }

    def state(self) -> dict[str, Any]:
        own = {name: np.array(getattr(self.belief, name)) for name in ("z", "log_weight")}
        data = {f"design_{k}": np.array(v) for k, v in self.belief.design.items()}
        data |= {f"outcome_{k}": np.array(v) for k, v in self.belief.outcome.items()}
        extra = {"updates": self.belief.updates, "counted": self.counted.copy(), "longest_s": self.longest_s}
        return {**super().state(), **own, **data, **extra}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        parts = {
            part: {k.removeprefix(f"{part}_"): np.array(v) for k, v in state.items() if k.startswith(f"{part}_")}
            for part in ("design", "outcome")
        }
        self.belief = Particles(
            HOP,
            self.particles,
            seed=self.seed,
            z=np.array(state["z"]),
            log_weight=np.array(state["log_weight"]),
            updates=int(state["updates"]),
            design=parts["design"],
            outcome=parts["outcome"],
        )
        self.counted, self.longest_s = np.array(state["counted"], dtype=np.float64), float(state["longest_s"])

    def _best(self, now: Situation) -> tuple[Floats, float]:
        """The best place of the beam, from the dopant, and the rate to the wanted neighbour that is expected there."""
        way = now.neighbours_nm[now.wanted]
        across = np.array([-way[1], way[0]])
        grid = np.stack(np.meshgrid(np.linspace(0.45, 1.25, 17), np.linspace(-0.35, 0.35, 15), indexing="ij"), -1)
        places = grid.reshape(-1, 2) @ np.stack([way, across])
        theta, weight = self._theta()
        near = np.repeat(now.neighbours_nm[None], len(places), axis=0)
        rates = self.model.rates_per_s(theta, {"beam_nm": places, "neighbours_nm": near})
        mean = np.tensordot(weight, rates, axes=1)
        score = (1.0 + self.caution) * mean[:, now.wanted] - self.caution * mean.sum(-1)
        best = int(np.argmax(score))
        return places[best], float(mean[best, now.wanted])

    def _theta(self) -> tuple[Floats, Floats]:
        """Parameters [n, 5] and their weights: a part of the particles is enough to aim by."""
        if self.parameters is not None:
            return np.array([self.parameters]), np.ones(1)
        theta, weight = self.belief.theta, self.belief.weight
        kept = np.argsort(-weight, kind="stable")[:150]
        return theta[kept], weight[kept] / weight[kept].sum()

    def _learn(self, before: Situation, beam: Floats, seconds: float, to: int) -> None:
        near = np.full((1, 3, 2), _FAR_NM)
        near[0, : len(before.neighbours_nm)] = before.neighbours_nm[:3]
        design = {"beam_nm": beam[None], "neighbours_nm": near, "seconds": np.array([seconds])}
        under = int(np.argmin(np.hypot(*(near[0] - beam).T)))
        early = self.watched and to == under and (self.longest_s == 0.0 or seconds < 0.999 * self.longest_s)
        outcome = {"neighbour": np.array([to]), "stamped": np.array([early])}
        self.belief = self.belief.updated(self.model, design, outcome)


def _figures_of(now: Situation) -> dict[str, float]:
    """What has to be remembered of a situation until its outcome is told."""
    figures = {"target_x_nm": float(now.target_nm[0]), "target_y_nm": float(now.target_nm[1])}
    for number, (x, y) in enumerate(now.neighbours_nm):
        figures |= {f"neighbour_{number}_x_nm": float(x), f"neighbour_{number}_y_nm": float(y)}
    return figures


def _situation_of(figures: Mapping[str, float]) -> Situation | None:
    """The situation of a decision; None where another agent or a person took it."""
    if "target_x_nm" not in figures or "x_nm" not in figures:
        return None
    there = [n for n in range(3) if f"neighbour_{n}_x_nm" in figures]
    near = [(figures[f"neighbour_{n}_x_nm"], figures[f"neighbour_{n}_y_nm"]) for n in there]
    return Situation(np.array(near), np.array([figures["target_x_nm"], figures["target_y_nm"]]), 1.0)


def _nearest_way(before: Situation, transition: Transition) -> int:
    """Which neighbour the dopant went to; -1 where that cannot be told.

    A target changes when it is reached: then it was a neighbour, and the dopant went there.
    """
    to = hopped_to(before, situation(transition.observation), True)
    if to < 0 and np.hypot(*(before.neighbours_nm[before.wanted] - before.target_nm)) < 0.5 * BOND_NM:
        return before.wanted
    return to

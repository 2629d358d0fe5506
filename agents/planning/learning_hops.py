"""Move a dopant and learn the law of its hops meanwhile: how often, where to aim, and by how much the beam is off.

The belief (`hop_belief`) begins with the published law in all likelihood, and with others beside it (`hop_prior`).
Every dwell is data, one without a hop too: where the trace ended the dwell the hop is stamped, else only its having
been is known. Place and dwell are those that bring most progress per second over draws of the belief (`hop_plan`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_belief import ASTRAY, STAYED, Dwell, HopBelief
from agents.planning.hop_border import room_of
from agents.planning.hop_glare import NO_GLARE, carried_along, seen_in_vain
from agents.planning.hop_plan import CLOSE, FILL, TURN_BACK, Clock, Plan, decide
from agents.planning.hop_prior import NAMES, accounts
from agents.planning.hop_routes import NONE_SEEN, Surroundings
from agents.planning.hops import Situation, figures_of, situation, situation_of, way_of, went_to
from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from agents.remembering import Remembering
from physics_priors.bounds import POSITIVE_S, Bounds

Floats = NDArray[np.float64]
DWELLS: Final = np.linspace(-1.0, 1.0, 6)
"""The dwells that are weighed, on the task's logarithmic scale."""
_BETWEEN_S: Final = 1.5
"""What is lost with every dwell, before the first was told."""
_LOST_S: Final = 7e-4
"""How often the beam throws out a carbon that it stands on [1/s], roughly."""
_FILLED: Final = (60.0, 1.0)
"""Seconds on a carbon beside a vacancy and how often it jumped, before the first (a gamma distribution)."""
_SEEN: Final = (5.0, 0.25)
"""Arrivals that ended a dwell, and that did not though they should have, before the first (a beta distribution)."""
_LEARNED: Final = ("between", "delay", "seen", "filled")
_AROUND: Final = ("glare_nm", "carbons_nm")
_INSTANT_S: Final = 0.05
_SHOWN: Final = 2000
_OLDER: Final = "this state is of an older version of the planner of hops: start anew"


class LearningHops(Remembering):
    """See the module's text. The range of dwells must be the task's, on which the scale of actions rests."""

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
        """`trust`: prior probability that the published law holds. `watched`: a dwell that was shorter than its
        longest was ended by the hop itself. `action_s`: what an action is taken to cost at least, besides its dwell:
        where looks take no time there are still only so many of them.
        """
        if not shortest_s < longest_s:
            raise AgentError(f"shortest_s={shortest_s:g} must be below longest_s={longest_s:g}")
        self.trust, self.particles, self.draws, self.watched, self.action_s = trust, particles, draws, watched, action_s
        self.dwells_s = shortest_s * (longest_s / shortest_s) ** (0.5 * (DWELLS + 1.0))

    def begin(self, problem: Problem, seed: int) -> None:
        if np.shape(problem.low) != (3,):
            raise AgentError(f"{type(self).__name__} needs actions (x, y, dwell), not of shape {np.shape(problem.low)}")
        super().begin(problem, seed)
        self.belief = HopBelief(accounts(self.trust), self.particles, self.seed)
        self.atom = 0
        """Which silicon it is, where there are several."""
        self.around = Surroundings()
        self.between = np.zeros(2)
        """Seconds that looks took, and how many there were."""
        self.delay = np.full(1, np.nan)
        """Seconds before a dwell begins, which count as its own; NaN before a dwell in vain showed them."""
        self.glare_nm = NO_GLARE
        """Where the trace ended dwells in vain, [m, 2] from the dopant."""
        self.seen = np.array(_SEEN)
        self.filled = np.array(_FILLED)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        now, plan = self.planned(observation, float(self.generator(pending).uniform()))
        return self.decided(now, plan)

    def planned(
        self, observation: Observation, uniform: float, others_nm: Floats = NONE_SEEN
    ) -> tuple[Situation, Plan]:
        """The situation and the best dwell in it, a uniform number shifting the draws of the belief.

        `others_nm` [a, 2]: other silicon, from this one.
        """
        room_nm = room_of(observation, self.problem.extent_nm)
        now = replace(situation(observation), room_nm=room_nm, glare_nm=self.glare_nm, others_nm=others_nm)
        uniforms = (np.arange(self.draws) + uniform) / self.draws
        around = self.around.looked(observation)
        between_s = max(self._look_s + self._delay_s, self.action_s)
        clock = Clock(self.dwells_s, between_s, self.watched, _LOST_S, self._filling_s, self._seen)
        return now, decide(now, around, self.belief.draws(uniforms, self.atom), clock)

    def decided(self, now: Situation, plan: Plan) -> Decision:
        """The decision that carries a plan out."""
        action = now.action(plan.beam_nm, float(DWELLS[plan.dwell]))
        figures = {"x_nm": float(plan.beam_nm[0]), "y_nm": float(plan.beam_nm[1]), "towards": float(plan.towards)}
        figures |= {"longest_s": float(self.dwells_s[plan.dwell]), "bonds_per_s": plan.bonds_per_s}
        return Decision(action, self._reason(plan), figures={**figures, **figures_of(now)})

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        self.learn(transition)

    def learn(self, transition: Transition) -> None:
        """Take an outcome into the belief and into what is known of the lattice."""
        seconds, moved = (float(v) for v in np.asarray(transition.observation["last"], dtype=np.float64))
        if not np.isfinite(transition.value) or seconds <= 0.0:
            return
        self.between = self.between + np.array([max(transition.seconds - seconds, 0.0), 1.0])
        regular = self.around.regular
        self.around = self._surrounded(transition, seconds, moved > 0)
        dwell = self._dwell(transition, seconds, moved > 0) if regular and self.around.regular else None
        if dwell is not None:
            self.belief.learn(dwell)

    def beliefs(self) -> Mapping[str, Any]:
        """Means and 95 % intervals of the parameters, draws of them, and how probable the published law is."""
        data = self.belief.data
        if not len(data):
            return {}
        theta = self.belief.draws((np.arange(_SHOWN) + 0.5) / _SHOWN)[:, :-1]
        return {
            "names": list(NAMES),
            "mean": theta.mean(0),
            "interval_95": np.quantile(theta, [0.025, 0.975], axis=0).T,
            "particles": theta,
            "weight": np.full(_SHOWN, 1.0 / _SHOWN),
            "hops": float((data[:, 9] != STAYED).sum()),
            "dwell_s": float(data[:, 8].sum()),
            "published": self.belief.probability(0),
            "fourfold": self.belief.fourfold(self.atom),
        }

    def state(self) -> dict[str, Any]:
        kept = {"glare_nm": self.glare_nm, **self.around.state()}
        return {**super().state(), **self.learned(), **{name: array.copy() for name, array in kept.items()}}

    def learned(self) -> dict[str, Any]:
        """Of the state, what is the same beside any silicon: the dwells, and how looks and delays were."""
        own = {"dwells": self.belief.data, **{name: getattr(self, name) for name in _LEARNED}}
        return {name: array.copy() for name, array in own.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """The belief is learned again from the dwells in the state: the same numbers, bit for bit."""
        super().restore(state)
        if any(name not in state for name in _AROUND):
            raise AgentError(_OLDER)
        self.relearned(state)
        self.glare_nm = np.array(state["glare_nm"], dtype=np.float64)
        self.around = Surroundings.restored(state)

    def relearned(self, state: Mapping[str, Any]) -> None:
        """From `learned`; AgentError where that is of an older version."""
        if any(name not in state for name in _LEARNED) or np.shape(state["dwells"])[1:] != self.belief.data.shape[1:]:
            raise AgentError(_OLDER)
        self.between, self.delay, self.seen, self.filled = (
            np.array(state[name], dtype=np.float64) for name in _LEARNED
        )
        self.belief = HopBelief(accounts(self.trust), self.particles, self.seed)
        for row in np.array(state["dwells"], dtype=np.float64):
            self.belief.take(row)

    @property
    def _look_s(self) -> float:
        return float(self.between[0] / self.between[1]) if self.between[1] else 0.5 * _BETWEEN_S

    @property
    def _seen(self) -> float:
        return float(self.seen[0] / self.seen.sum())

    @property
    def _filling_s(self) -> float:
        """What it takes until a carbon under the beam jumps into a vacancy beside it: it decides on detours too."""
        return float(self.filled[0] / self.filled[1])

    @property
    def _delay_s(self) -> float:
        """Before a dwell in vain showed it, a look is taken to be as long in coming."""
        return self._look_s if np.isnan(self.delay[0]) else float(self.delay[0])

    def _surrounded(self, transition: Transition, seconds: float, moved: bool) -> Surroundings:
        """What is known of the lattice now, the dopant having moved or a carbon having been waited for."""
        figures = transition.decision.figures
        before = situation_of(figures)
        if moved:
            way = np.zeros(2) if before is None else way_of(before, transition.observation, transition.value)
            self.glare_nm = carried_along(self.glare_nm, way)
            return self.around.looked(transition.observation, way)
        around, towards = self.around.looked(transition.observation), figures.get("towards", 0.0)
        if towards not in (FILL, CLOSE):
            return around
        beam_nm = np.array([figures["x_nm"], figures["y_nm"]])
        if towards == CLOSE:
            return around.closed(beam_nm, seconds, self._filling_s)
        in_vain = min(float(self.around.waited[2]), float(self.filled[0]) - _FILLED[0])
        after = around.waited_for(beam_nm, seconds, self.around, float((self.filled[0] - in_vain) / self.filled[1]))
        jumped = self.around.beside > around.beside
        given_up = not (jumped or after.waited.any())  # it was not there to be waited for
        self.filled = self.filled + np.array([-in_vain if given_up else seconds, jumped])
        return after

    def _reason(self, plan: Plan) -> str:
        if plan.towards == TURN_BACK:
            return "a bond beside the silicon is turned: the beam shall turn it back"
        if plan.towards == CLOSE:
            return "too many vacancies are near the silicon: carbon farther out shall fill one of them"
        if plan.towards == FILL:
            return "a vacancy is in the way: a carbon beside it shall jump into it"
        told = f"{plan.bonds_per_s:.3g} bonds per second are expected with dwells of {self.dwells_s[plan.dwell]:.3g} s"
        believed = f"the published law holds with {self.belief.probability(0):.0%}"
        return f"{told}; {believed}, the silicon is fourfold with {self.belief.fourfold(self.atom):.0%}"

    def _dwell(self, transition: Transition, seconds: float, moved: bool) -> Dwell | None:
        """What was seen; None where another agent or a person chose, and the beam's place is not known."""
        figures = transition.decision.figures
        before = situation_of(figures)
        if before is None or "longest_s" not in figures or not len(before.neighbours_nm):
            return None
        longest_s, look_s = figures["longest_s"], max(transition.seconds - seconds, 0.0)
        if seconds - 2.0 * look_s > 2.0 * longest_s:
            raise AgentError(
                f"a dwell of at most {longest_s:.3g} s lasted {seconds:.3g} s: "
                "set the agent's shortest_s and longest_s to the task's"
            )
        if not moved and seconds >= longest_s:
            self.delay = np.full(1, min(max(seconds - longest_s, 0.0), 2.0 * look_s))
        seconds = min(max(seconds - self._delay_s, _INSTANT_S), longest_s)
        beam = np.array([figures["x_nm"], figures["y_nm"]])
        if self.watched and not moved:
            self.glare_nm = seen_in_vain(self.glare_nm, beam, seconds, longest_s)
        to = went_to(before, transition.observation, transition.value) if moved else STAYED
        under = int(np.argmin(np.hypot(*(before.neighbours_nm - beam).T)))
        early = self.watched and to == under and seconds < 0.99 * longest_s
        if self.watched and to == under:
            self.seen = self.seen + np.array([early, not early])
        return Dwell(beam, before.neighbours_nm, seconds, to if to >= 0 or not moved else ASTRAY, early, self.atom)

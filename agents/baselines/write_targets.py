"""Write targets one after the other and look now and then: how a microscopist takes sulphur from a line of columns.

For tasks whose observation lists "targets" (present places, as actions have them), "missing" (-1: no target, 0: still
to write) and "last" (looked, dwelt, dropped), and whose actions are (what, x, y, dwell) as in write_vacancies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from agents.remembering import Remembering
from physics_priors.beam.events import stamped
from physics_priors.bounds import Bounds
from physics_priors.distributions import Gamma

_NEEDED = ("targets", "missing", "last")
_LOOK, _TARGET, _DROPPED, _MEGAELECTRONS, _DWELL, _SECONDS = range(6)
_KEPT = 6
PRIOR = Gamma(0.5, 5.0)
"""Events per 1e6 electrons on a column, before there are any: wide."""


class WriteTargets(Remembering):
    """Parks the beam on the first target still to write; looks after every `look_every` dwells or `look_after_s`,
    because the sample drifts, and when none is left.

    Dwells end when the trace drops, and their electrons stamp the event: `beliefs` is the exact posterior of the rate.
    With `watch` off, or once looks disprove more drops than they confirm (a parked beam is elsewhere), dwells are
    blind: they last `blind` in [-1, 1], longer with every round in which looks find too little written.
    """

    def __init__(
        self,
        look_every: Annotated[int, Bounds("dwells", 1, 10_000)] = 8,
        look_after_s: Annotated[float, Bounds("s", 0.0, 1e6)] = 3.0,
        watch: bool = True,
        blind: Annotated[float, Bounds("", -1.0, 1.0)] = 0.0,
        longer: Annotated[float, Bounds("", 0.0, 1.0)] = 0.1,
    ) -> None:
        self.look_every, self.look_after_s = look_every, look_after_s
        self.watch, self.blind, self.longer = watch, blind, longer

    def begin(self, problem: Problem, seed: int) -> None:
        if np.shape(problem.low) != (4,):
            raise AgentError(f"WriteTargets needs actions (what, x, y, dwell), not of shape {np.shape(problem.low)}")
        super().begin(problem, seed)
        self.steps = np.empty((0, _KEPT))
        """[steps, 6]: looked, target (-1: none), dropped, 1e6 electrons, dwell, seconds."""
        self.judged = np.zeros(2)
        """Drops that looks confirmed, and disproved."""
        self.dwell = float(self.blind)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        if absent := [name for name in _NEEDED if name not in observation]:
            raise AgentError(
                f"WriteTargets needs the observation {absent[0]!r}: use it with a task that writes targets"
            )
        since = [int(row[_TARGET]) for row in self._since_look()] + [_target_of(decision) for decision in pending]
        still = [int(i) for i in np.flatnonzero(np.round(observation["missing"]) == 0) if i not in since]
        late = len(since) >= self.look_every or self._since_look()[:, _SECONDS].sum() > self.look_after_s
        if not still or late:
            why = "to see what is left" if still else "no target is left that was not tried since the last look"
            return Decision(np.array([-1.0, 0.0, 0.0, 0.0]), f"look, {why}", figures={"target": -1.0})
        x, y = np.reshape(observation["targets"], (-1, 2))[still[0]]
        what, dwell = (0.0, 1.0) if self.watches else (1.0, self.dwell)
        how = "until the trace drops" if self.watches else "blindly"
        action = np.array([what, x, y, dwell], dtype=np.float64)
        return Decision(action, f"write target {still[0] + 1} {how}", figures={"target": float(still[0])})

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        looked, _, dropped = np.asarray(transition.observation["last"], dtype=np.float64)
        if looked:
            missing = np.array(np.round(transition.observation["missing"]), dtype=np.float64)
            self._judge(missing)
        target, dwell = _target_of(transition.decision), float(np.ravel(transition.decision.action)[3])
        row = [looked, float(target), dropped, 1e-6 * transition.electrons, dwell, transition.seconds]
        self.steps = np.vstack([self.steps, row])

    def beliefs(self) -> Mapping[str, Any]:
        """The rate of losses per 1e6 electrons on a column: shape and rate of its Gamma posterior, mean, interval."""
        watched = self.steps[(self.steps[:, _TARGET] >= 0) & (self.steps[:, _DWELL] == 1.0)]
        if not len(watched):
            return {}
        found = stamped(PRIOR, watched[:, _DROPPED], watched[:, _MEGAELECTRONS])
        interval = found.quantile([0.025, 0.975])
        return {
            "losses_per_megaelectron": found.shape / found.rate,
            "interval_95": interval,
            "gamma_shape": found.shape,
            "gamma_rate_megaelectron": found.rate,
            "drops_confirmed": float(self.judged[0]),
            "drops_disproved": float(self.judged[1]),
        }

    def state(self) -> dict[str, Any]:
        own = {"steps": self.steps.copy(), "judged": self.judged.copy(), "dwell": self.dwell}
        return {**super().state(), **own}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.steps = np.array(state["steps"], dtype=np.float64)
        self.judged, self.dwell = np.array(state["judged"], dtype=np.float64), float(state["dwell"])

    @property
    def watches(self) -> bool:
        """Whether a drop of the trace is believed."""
        return self.watch and bool(self.judged[1] <= self.judged[0] + 2)

    def _since_look(self) -> NDArray[np.float64]:
        looks = np.flatnonzero(self.steps[:, _LOOK] > 0)
        return self.steps[looks[-1] + 1 if len(looks) else 0 :]

    def _judge(self, missing: NDArray[np.float64]) -> None:
        """What a look says of the dwells before it; a drop that it disproves was no loss."""
        rows = np.arange(len(self.steps) - len(self._since_look()), len(self.steps))
        rows = rows[self.steps[rows, _TARGET] >= 0]
        written = missing[self.steps[rows, _TARGET].astype(np.int64)] > 0
        drops = self.steps[rows, _DROPPED] > 0
        if self.watches:
            self.judged = self.judged + np.array([(drops & written).sum(), (drops & ~written).sum()], dtype=np.float64)
        elif len(rows) and written.mean() < 0.5:
            self.dwell = min(self.dwell + self.longer, 1.0)
        self.steps[rows[~written], _DROPPED] = 0.0


def _target_of(decision: Decision) -> int:
    """The target that a decision names; -1 for a look, or for another's decision."""
    return int(decision.figures.get("target", -1.0))

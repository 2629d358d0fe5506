"""Write targets one after the other and look now and then: how a microscopist takes sulphur from a line of columns.

For tasks whose observation lists "targets" (present places, as actions have them), "missing" (-1: no target, 0: still
to write) and "last" (looked, dwelt, dropped, level), and whose actions are (what, x, y, dwell) as in write_vacancies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from agents.remembering import Remembering
from physics_priors.beam.aim import OFFSET, Hump
from physics_priors.beam.events import stamped
from physics_priors.bounds import Bounds
from physics_priors.distributions import Gamma
from physics_priors.posterior import Grid

Floats = NDArray[np.float64]
_NEEDED = ("targets", "missing", "last")
_LOOK, _TARGET, _DROPPED, _LEVEL, _MEGAELECTRONS, _DWELL, _SECONDS, _AIM_X, _AIM_Y = range(9)
_KEPT = 9
_ON, _TRIES, _RECENT, _PROBE_NM, _CERTAIN_NM = 0.88, 8, 12, 0.03, 0.015
PRIOR: Final = Gamma(0.5, 5.0)
"""Events per 1e6 electrons on a column, before there are any: wide."""


class WriteTargets(Remembering):
    """Parks the beam on the first target still to write; looks after every `look_every` dwells or `look_after_s`,
    because the sample drifts, and when none is left.

    Dwells end when the trace drops, and their electrons stamp the event: `beliefs` is the exact posterior of the rate.
    With `aim`, it learns from the brightness at the begin of each dwell by how much the beam is off, and corrects it; a
    dwell that begins too dark is no try. With `watch` off, or once looks disprove more drops than they confirm, dwells
    are blind: they last `blind` in [-1, 1], `longer` with every round in which looks find too little written.
    """

    def __init__(
        self,
        look_every: Annotated[int, Bounds("dwells", 1, 10_000)] = 8,
        look_after_s: Annotated[float, Bounds("s", 0.0, 1e6)] = 3.0,
        watch: bool = True,
        aim: bool = True,
        blind: Annotated[float, Bounds("", -1.0, 1.0)] = 0.0,
        longer: Annotated[float, Bounds("", 0.0, 1.0)] = 0.1,
    ) -> None:
        self.look_every, self.look_after_s = look_every, look_after_s
        self.watch, self.aim, self.blind, self.longer = watch, aim, blind, longer

    def begin(self, problem: Problem, seed: int) -> None:
        if np.shape(problem.low) != (4,) or problem.extent_nm is None:
            raise AgentError(
                f"WriteTargets needs actions (what, x, y, dwell) over a field, not {np.shape(problem.low)}"
            )
        super().begin(problem, seed)
        x0, x1, y0, y1 = problem.extent_nm
        self.half_nm = np.array([x1 - x0, y1 - y0]) / 2
        self.steps = np.empty((0, _KEPT))
        """[steps, 9]: looked, target (-1: none), dropped, level, 1e6 electrons, dwell, seconds, aim [nm]."""
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
        done = [*self._tried(), *(_number(decision, "target") for decision in pending)]
        still = [int(i) for i in np.flatnonzero(np.round(observation["missing"]) == 0) if i not in done]
        late = len(done) >= self.look_every or self._since_look()[:, _SECONDS].sum() > self.look_after_s
        if not still or late:
            why = "to see what is left" if still else "no target is left that was not tried since the last look"
            return Decision(np.array([-1.0, 0.0, 0.0, 0.0]), f"look, {why}", figures={"target": -1.0})
        return self._write(still[0], np.reshape(observation["targets"], (-1, 2))[still[0]])

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        looked, _, dropped, level = np.asarray(transition.observation["last"], dtype=np.float64)
        decision = transition.decision
        if looked:
            missing = np.array(np.round(transition.observation["missing"]), dtype=np.float64)
            self._judge(missing)
        row = [looked, _number(decision, "target"), dropped, level, 1e-6 * transition.electrons]
        row += [float(np.ravel(decision.action)[3]), transition.seconds]
        row += [_number(decision, name, 0.0) for name in ("aim_x_nm", "aim_y_nm")]
        self.steps = np.vstack([self.steps, row])

    def beliefs(self) -> Mapping[str, Any]:
        """The rate of losses per 1e6 electrons on a column: shape and rate of its Gamma posterior, mean, interval; and
        by how much the beam is believed to be off [nm]."""
        watched = self.steps[(self.steps[:, _TARGET] >= 0) & (self.steps[:, _DWELL] == 1.0)]
        if not len(watched):
            return {}
        on = watched[(watched[:, _LEVEL] >= _ON) | (watched[:, _DROPPED] > 0)]
        found = stamped(PRIOR, on[:, _DROPPED], on[:, _MEGAELECTRONS])
        offset, sd = self._offset_nm()
        return {
            "losses_per_megaelectron": found.shape / found.rate,
            "interval_95": found.quantile([0.025, 0.975]),
            "gamma_shape": found.shape,
            "gamma_rate_megaelectron": found.rate,
            "drops_confirmed": float(self.judged[0]),
            "drops_disproved": float(self.judged[1]),
            "offset_nm": offset,
            "offset_sd_nm": sd,
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

    def _write(self, target: int, place: Floats) -> Decision:
        aim_nm = self._aim_nm()
        what, dwell = (0.0, 1.0) if self.watches else (1.0, self.dwell)
        how = "until the trace drops" if self.watches else "blindly"
        at = np.clip(place + aim_nm / self.half_nm, -1.0, 1.0)
        figures = {"target": float(target), "aim_x_nm": float(aim_nm[0]), "aim_y_nm": float(aim_nm[1])}
        return Decision(np.array([what, *at, dwell]), f"write target {target + 1} {how}", figures=figures)

    def _aim_nm(self) -> Floats:
        """Where to aim, relative to the column: against the offset; beside that, in turns, while it is not known."""
        if not self.aim:
            return np.zeros(2)
        offset, sd = self._offset_nm()
        recent = self._levels()
        if not len(recent) or recent[-1, _LEVEL] >= _ON or sd.max() < _CERTAIN_NM:
            return -offset
        angle = 2.4 * len(self.steps)  # the golden angle: no direction twice
        return np.asarray(-offset + _PROBE_NM * np.array([np.cos(angle), np.sin(angle)]))

    def _offset_nm(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation [2] of where the beam is, less where it is said to be, from recent dwells."""
        recent = self._levels()[-_RECENT:]
        found = Grid(OFFSET, 41).updated(Hump(), {"aim_nm": recent[:, [_AIM_X, _AIM_Y]]}, {"level": recent[:, _LEVEL]})
        mean = found.mean()
        return mean, np.sqrt(found.weight @ np.square(found.nodes - mean))

    def _levels(self) -> Floats:
        return self.steps[(self.steps[:, _TARGET] >= 0) & (self.steps[:, _LEVEL] > 0)]

    def _tried(self) -> list[float]:
        """Targets tried since the last look: a dwell that began too dark is none, unless that happened often."""
        since = self._since_look()
        since = since[since[:, _TARGET] >= 0]
        on = (since[:, _DROPPED] > 0) | (since[:, _LEVEL] >= _ON) | (not self.watches or not self.aim)
        often = [target for target in np.unique(since[:, _TARGET]) if (since[:, _TARGET] == target).sum() >= _TRIES]
        return [*since[on, _TARGET].tolist(), *often]

    def _since_look(self) -> Floats:
        looks = np.flatnonzero(self.steps[:, _LOOK] > 0)
        return self.steps[looks[-1] + 1 if len(looks) else 0 :]

    def _judge(self, missing: Floats) -> None:
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


def _number(decision: Decision, name: str, other: float = -1.0) -> float:
    """A figure that a decision carries; `other` for a look, or for another's decision."""
    return float(decision.figures.get(name, other))

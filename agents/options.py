"""The actions that an agent may choose from, and which of them are still open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Decision, Problem


@dataclass(frozen=True)
class Options:
    """Actions [n, d] to choose from, and where each lies in the unit cube that the problem's bounds span, [n, d]."""

    actions: NDArray[np.float64]
    unit: NDArray[np.float64]
    discrete: bool
    listed: bool

    @property
    def axes(self) -> int:
        """Numbers in one action."""
        return int(self.actions.shape[1])

    def __len__(self) -> int:
        return len(self.actions)

    def decide(self, index: int, reason: str, figures: Mapping[str, float] | None = None) -> Decision:
        """The decision for option `index`."""
        row = self.actions[index]
        action = np.asarray(round(float(row[0])), dtype=np.int64) if self.discrete else row.copy()
        return Decision(action, reason, candidate=int(index) if self.listed else None, figures=figures or {})

    def index(self, decision: Decision) -> int:
        """The option that a decision took: the one it names, else the one nearest to its action."""
        if self.listed and decision.candidate is not None:
            if not 0 <= decision.candidate < len(self):
                raise AgentError(f"candidate {decision.candidate} is not one of the problem's {len(self)}")
            return int(decision.candidate)
        away = np.ravel(decision.action)[None, :] - self.actions
        return int(np.argmin(np.sum(away**2, axis=1)))

    def nearest(self, point: NDArray[np.float64], among: NDArray[np.int64]) -> int:
        """Which option of `among` lies nearest to a point [d] of the unit cube; the lowest index where several do."""
        return int(among[np.argmin(np.sum((self.unit[among] - point) ** 2, axis=1))])

    def open(self, taken: Iterable[int]) -> NDArray[np.int64]:
        """Indices not taken yet; once all were taken, those taken least often."""
        visits = np.bincount(np.fromiter(taken, dtype=np.int64), minlength=len(self))
        return np.flatnonzero(visits == visits.min())


@dataclass(frozen=True)
class Box:
    """The bounds of a problem that lists no actions, [d] each."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    shape: tuple[int, ...]

    @property
    def axes(self) -> int:
        """Numbers in one action."""
        return len(self.low)

    def decide(self, point: NDArray[np.float64], reason: str) -> Decision:
        """The decision for a point [d] of the unit cube."""
        return Decision((self.low + point * (self.high - self.low)).reshape(self.shape), reason)


def options_of(problem: Problem) -> Options | Box:
    """What a problem offers; AgentError where its bounds or candidates make no sense."""
    low, high = np.ravel(problem.low).astype(np.float64), np.ravel(problem.high).astype(np.float64)
    if problem.candidates is None and problem.choices is None:
        if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high)) and np.all(low <= high)):
            raise AgentError("the action bounds must be finite, low before high: normalise the task's actions")
        return Box(low, high, np.shape(problem.low))
    actions = _listed(problem)
    span = np.where(high > low, high - low, 1.0)
    if problem.candidates is None:
        low, span = np.zeros(1), np.array([max(len(actions) - 1, 1)], dtype=np.float64)
    unit = (actions - low) / span
    if not np.all(np.abs(unit - 0.5) <= 0.5 + 1e-6):
        raise AgentError("some candidates lie outside the action bounds, or are not numbers")
    return Options(actions, unit, problem.choices is not None, problem.candidates is not None)


def _listed(problem: Problem) -> NDArray[np.float64]:
    if problem.candidates is None:
        return np.arange(problem.choices or 0, dtype=np.float64)[:, None]
    candidates = np.asarray(problem.candidates, dtype=np.float64)
    if candidates.ndim != 2 or len(candidates) == 0:
        raise AgentError(f"candidates must be a table [n, d] of at least one action, got shape {candidates.shape}")
    return candidates

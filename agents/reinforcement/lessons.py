"""What was recorded, as a policy is taught it: what was seen before every action, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError
from agents.reinforcement.physics import Physics
from agents.reinforcement.policy import Signature

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lessons:
    """observation by name [N, ...], action [N, d] (or [N] choices) and which episode each of the N steps is of."""

    signature: Signature
    physics: Physics
    observation: Mapping[str, NDArray[Any]]
    action: NDArray[Any]
    episode: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.action)

    @property
    def choices(self) -> int | None:
        """How many choices a policy has, None where it puts out numbers."""
        return self.physics.outputs(*self._bounds, self.signature.choices, list(self.observation))[2]

    def targets(self) -> NDArray[Any]:
        """What a policy should put out at every step: choices [N], or numbers [N, d] within their bounds.

        Where `physics` makes choices of numbers it is the choice whose action is nearest to what was done, each number
        measured in its range, among those that are allowed. For `residual` it is what, times `scale`, is missing from
        the greedy action, clipped to -1 .. 1.
        """
        low, high = self._bounds
        if self.choices is not None:
            plain = self.signature.choices is not None
            return np.asarray(self.action, dtype=np.int64) if plain else self._nearest(self.choices)
        done = np.asarray(self.action, dtype=np.float64).reshape(len(self), -1)
        if self.physics.action != "residual":
            return np.asarray(np.clip(done, low, high))
        if self.physics.scale == 0.0:
            raise AgentError("physics.scale=0 adds nothing to the greedy action: there is nothing to clone")
        start: Floats = self.physics.actions(self.observation, np.zeros_like(done), low, high)
        return np.asarray(np.clip((done - start) / self.physics.scale, -1.0, 1.0))

    def allowed(self) -> NDArray[np.bool_] | None:
        """Which choices [N, n] physics allows at every step; None where any may be taken."""
        return self.physics.allowed(self.observation, len(self.signature.low))

    @property
    def _bounds(self) -> tuple[Floats, Floats]:
        return np.array(self.signature.low), np.array(self.signature.high)

    def _nearest(self, count: int) -> NDArray[np.int64]:
        low, high = self._bounds
        done = np.asarray(self.action, dtype=np.float64).reshape(len(self), -1)
        best, least, allowed = np.zeros(len(self), np.int64), np.full(len(self), np.inf), self.allowed()
        for choice in range(count):
            chosen = self.physics.actions(self.observation, np.full(len(self), choice), low, high)
            apart = np.square((chosen - done) / (high - low)).sum(1)
            if allowed is not None:
                apart = np.where(allowed[:, choice], apart, np.inf)
            best, least = np.where(apart < least, choice, best), np.minimum(apart, least)
        return best

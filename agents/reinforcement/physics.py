"""What of physics goes into a policy: what its outputs mean, which are allowed, and a potential that shapes rewards.

Each is switched on by itself. What the outputs mean and which are allowed is kept in the policy's file; a potential
matters in training only (A. Y. Ng et al., 1999: the best policy stays the best).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError
from agents.reinforcement import hop_actions
from physics_priors.bounds import Bounds

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Physics:
    """`plain`: outputs are the task's actions. `grid`: choices among `levels` values of each number.

    For the task move_dopant: `residual`, outputs times `scale` are added to the greedy action; `hops`, choices of
    neighbour and dwell.
    """

    action: Literal["plain", "grid", "residual", "hops"] = "plain"
    levels: Annotated[int, Bounds("values", 2, 100)] = 5
    scale: Annotated[float, Bounds("", 0.0, 2.0)] = 0.5
    mask: bool = False
    """Only choices that physics allows (for `hops`: neighbours that are there and nearer to the target)."""
    potential: Annotated[float, Bounds("", 0.0, 100.0)] = 0.0
    """Weight of the shaping by the value of the published law (for the task move_dopant); 0: none."""

    def __post_init__(self) -> None:
        if self.mask and self.action != "hops":
            raise ValueError("physics.mask=true wants physics.action=hops: nothing else has choices to mask")

    def outputs(self, low: Floats, high: Floats, choices: int | None) -> tuple[Floats, Floats, int | None]:
        """Bounds [d], or the number of choices, of what a learner puts out for a task of such actions."""
        if self.action == "plain":
            return low, high, choices
        if choices is not None or not np.isfinite([*low, *high]).all():
            raise AgentError(f"physics.action={self.action} wants a task whose actions are bounded numbers")
        if self.action == "grid":
            if self.levels ** len(low) > 10_000:
                raise AgentError(f"physics.levels={self.levels} makes {self.levels ** len(low)} choices: lower it")
            return np.zeros(1), np.array([self.levels ** len(low) - 1.0]), self.levels ** len(low)
        if len(low) != 3:
            raise AgentError(f"physics.action={self.action} is for the task move_dopant, of actions (x, y, dwell)")
        if self.action == "hops":
            count = hop_actions.NEIGHBOURS * len(hop_actions.DWELLS)
            return np.zeros(1), np.array([count - 1.0]), count
        return -np.ones(3), np.ones(3), None

    def actions(
        self, observation: Mapping[str, NDArray[Any]], put_out: NDArray[Any], low: Floats, high: Floats
    ) -> NDArray[Any]:
        """The task's actions [B, d], within [low, high], of what was put out, [B, d] or choices [B]."""
        if self.action == "grid":
            axes = [np.linspace(a, b, self.levels) for a, b in zip(low, high, strict=True)]
            return np.array(list(itertools.product(*axes)))[np.asarray(put_out, dtype=np.int64)]
        if self.action == "hops":
            return hop_actions.chosen(observation, put_out)
        if self.action == "residual":
            return np.clip(hop_actions.greedy(observation) + self.scale * np.asarray(put_out), low, high)
        return put_out

    def allowed(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_] | None:
        """Which choices [B, n] may be taken; None where any may."""
        return hop_actions.allowed(observation) if self.mask else None

    def shaping(self, observation: Mapping[str, NDArray[Any]]) -> Floats:
        """The potential [B]."""
        return self.potential * hop_actions.value(observation)

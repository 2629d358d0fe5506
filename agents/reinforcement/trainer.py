"""What a trainer is: it learns from environments for as long as it is told, and can be put down and taken up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from agents.reinforcement.physics import Physics
from agents.reinforcement.policy import Policy, Signature


class Trainer(Protocol):
    """Between `begin` and the end it holds the learner; `environments` is a Stable-Baselines3 VecEnv."""

    @property
    def name(self) -> str:
        """Of the algorithm."""
        ...

    @property
    def gamma(self) -> float:
        """Discount of a step."""
        ...

    @property
    def masks(self) -> bool | None:
        """Whether it keeps to the choices that physics allows; None: as one likes."""
        ...

    @property
    def recorded(self) -> bool:
        """Whether it learns from recordings: then `environments` are the `Lessons` of them."""
        ...

    @property
    def done(self) -> bool:
        """Whether going on would bring nothing more."""
        ...

    def begin(self, environments: Any, seed: int) -> None:
        """A fresh learner."""
        ...

    def restore(self, environments: Any, folder: Path) -> None:
        """The learner that `save` left in a folder, with fresh episodes."""
        ...

    def learn(self, steps: int) -> Mapping[str, float]:
        """Go on for at least `steps` environment steps; what the learner says of itself, by name."""
        ...

    @property
    def steps(self) -> int:
        """Environment steps so far."""
        ...

    def policy(self, signature: Signature, about: Mapping[str, Any], physics: Physics) -> Policy:
        """What was learned so far."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything needed to go on into a folder."""
        ...

"""Recorded episodes: what was seen, what was done, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Episode:
    """observations by name [T + 1, ...], actions [T, ...] as decided (float64, or int64 choices), rewards [T]."""

    observations: Mapping[str, NDArray[Any]]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    terminated: bool
    """By the task; else the budget, a person or a failure cut it short after its last step."""
    seed: int | None
    source: str
    """The run folder's name, or the data set and the episode's number."""


@dataclass(frozen=True)
class Recording:
    """Episodes of one task; `parts` holds the nodes instrument, task and scenario they were made with, where known."""

    observation_space: gymnasium.spaces.Dict
    action_space: gymnasium.Space[Any]
    parts: Mapping[str, Any]
    episodes: tuple[Episode, ...]

    @property
    def steps(self) -> int:
        """Of all episodes together."""
        return sum(len(episode.rewards) for episode in self.episodes)

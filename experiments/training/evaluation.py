"""A policy judged on seeds that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from agents.reinforcement.beliefs import Beliefs
from agents.reinforcement.policy import Policy
from environments.vector import VectorEnvironment
from experiments.training.settings import TrainParts, TrainSettings

HELD_OUT = 2**40
"""First seed of evaluations: above every seed that a training begins with or draws, which are below 2**32."""
_MOST = 128


@dataclass(frozen=True)
class Evaluation:
    """Returns and lengths of whole episodes, one a seed, and which ended because the task was complete."""

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    complete: NDArray[np.bool_]

    @property
    def standard_error(self) -> float:
        """Of the mean return."""
        return float(self.returns.std(ddof=1) / np.sqrt(len(self.returns))) if len(self.returns) > 1 else float("nan")


def evaluate(policy: Policy, settings: TrainSettings, parts: TrainParts, steps_at_most: int = 100_000) -> Evaluation:
    """Play `settings.episodes` episodes, a batch at a time; an episode that never ends is cut at `steps_at_most`."""
    found = []
    for first in range(0, settings.episodes, _MOST):
        count = min(_MOST, settings.episodes - first)
        environment = environment_of(settings, parts, count, AutoresetMode.NEXT_STEP, parts.task)
        found.append(_played(policy, environment, HELD_OUT + first, steps_at_most))
    returns, lengths, complete = (np.concatenate(column) for column in zip(*found, strict=True))
    return Evaluation(returns, lengths, complete)


def environment_of(
    settings: TrainSettings, parts: TrainParts, count: int, mode: AutoresetMode, task: Any, ahead: bool = False
) -> VectorEnvironment:
    """`count` copies of the twin with a task; with `ahead` samples are made before rows end."""
    return VectorEnvironment(
        parts.core,
        task,
        count,
        scenario=settings.scenario,
        max_steps=settings.episode_steps,
        autoreset_mode=mode,
        ahead=ahead,
    )


def _played(policy: Policy, environment: VectorEnvironment, seed: int, steps_at_most: int) -> tuple[Any, Any, Any]:
    rows = environment.num_envs
    beliefs = Beliefs(policy.physics)
    observation = beliefs.begin(environment.reset(seed=seed)[0])
    returns, lengths, complete = np.zeros(rows), np.zeros(rows, np.int64), np.zeros(rows, bool)
    live, memory = np.ones(rows, bool), None  # what a row remembers past its one episode is not looked at
    for _ in range(steps_at_most):
        actions, memory = policy.step(observation, memory)
        found, reward, terminated, truncated, info = environment.step(actions)
        observation = beliefs.after(observation, actions, found, info["electrons"])
        returns += np.where(live, reward, 0.0)
        lengths += live
        complete |= live & terminated
        live &= ~(terminated | truncated)
        if not live.any():
            break
    return returns, lengths, complete

"""Episodes that figures are taken from: an agent on an environment, told at every step what a campaign tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.protocol import Agent, Decision, Observation, Transition
from environments.environment import Environment
from experiments.campaign.problem import problem_of


@dataclass(frozen=True)
class Turn:
    """A step of an episode: what was decided, and what the environment said of it."""

    decision: Decision
    told: Transition
    info: Mapping[str, Any]

    @property
    def value(self) -> float:
        """NaN where none came."""
        return self.told.value


def begun(agent: Agent, env: Environment, seed: int) -> tuple[Observation, Mapping[str, Any]]:
    """A fresh sample and a fresh agent: the first observation, and what the survey cost."""
    observation, info = env.reset(seed=seed)
    agent.begin(problem_of(env.brief(), env.action_space), seed)
    return observation, info


def episode(
    agent: Agent,
    env: Environment,
    observation: Observation,
    steps: int | None = None,
    before: Callable[[Decision], None] | None = None,
) -> Iterator[Turn]:
    """Step by step until it ends, or for so many steps; `before` sees each decision before it is carried out."""
    number = 0
    while steps is None or number < steps:
        decision, number = agent.act(observation), number + 1
        if before is not None:
            before(decision)
        seen, (observation, reward, terminated, truncated, info) = observation, env.step(decision.action)
        value = float(info.get("value", np.nan))
        cost = {name: float(info[name]) for name in ("seconds", "electrons")}
        told = Transition(
            number, decision, value, env.accepted, float(reward), observation, terminated, **cost, before=seen
        )
        agent.tell(told)
        yield Turn(decision, told, info)
        if terminated or truncated:
            return

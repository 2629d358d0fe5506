"""Recorded campaigns of the trivial task, made once; and an agent that notes what it saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agents.protocol import Decision, Observation, Problem, Transition
from experiments.campaign import run
from experiments.config import Parts, build, compose
from experiments.config.settings import CampaignSettings

TEACHER = ("agent=trained", "agent.policy=shipped:find_peak")
PEAK = ("campaign=find_peak", "scenario=shifted", "task.tries=10", "tracking=off", "report=false")


@dataclass
class Noting:
    """Another agent's decisions, with what it was shown before each and after the last."""

    inner: Any
    seen: list[dict[str, Any]] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)

    def begin(self, problem: Problem, seed: int) -> None:
        self.inner.begin(problem, seed)

    def act(self, observation: Observation, **asked: Any) -> Decision:
        self.seen = [*self.seen, dict(observation)] if not self.seen else self.seen
        return self.inner.act(observation, **asked)

    def tell(self, transition: Transition) -> None:
        self.seen.append(dict(transition.observation))
        self.rewards.append(transition.reward)
        self.inner.tell(transition)

    def state(self) -> dict[str, Any]:
        return self.inner.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.inner.restore(state)


@pytest.fixture
def noted() -> Callable[..., tuple[Path, Noting]]:
    """A campaign run with an agent that notes what it saw: its folder and the agent."""

    def make(settings: CampaignSettings, **more: Any) -> tuple[Path, Noting]:
        parts = build(settings)
        agent = Noting(parts.agent)
        done = run(settings, parts=Parts(parts.instrument, parts.task, agent), durable=False, **more)
        return done.folder, agent

    return make


@pytest.fixture(scope="session")
def peak() -> Callable[..., CampaignSettings]:
    """Settings of a campaign of the trivial task by a teacher who knows it, quiet."""
    return lambda *overrides: compose([*PEAK, *TEACHER, *overrides], [])


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory, peak: Callable[..., CampaignSettings]) -> Path:
    """A folder of 40 campaigns of ten steps."""
    runs = tmp_path_factory.mktemp("taught")
    for seed in range(40):
        run(peak(f"runs={runs}", f"seed={seed}"), durable=False)
    return runs

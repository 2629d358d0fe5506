"""Trainings with one ingredient of physics at a time: the tasks, the variants, and how long each needs to a score."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EPISODES: Final = 50
SHARE: Final = 0.8
"""Of the way from the untrained plain network to the planner: the score that is to be reached."""
OFF: Final = ("trainer=ppo", "physics={action:plain,mask:false,prior:0.0,belief:false,hide:[],potential:0.0}")
_PPO: Final = ("trainer.learning_rate=0.001", "trainer.batch_size=256", "tracking.enabled=false")
_CHOICES: Final = ("physics.action=choices",)
_MASK: Final = (*_CHOICES, "physics.mask=true", "trainer=masked_ppo")
VARIANTS: Final[Mapping[str, tuple[str, ...]]] = {
    "plain": (),
    "choices": _CHOICES,
    "mask": _MASK,
    "shaping": ("physics.potential=1.0",),
    "prior": (*_CHOICES, "physics.prior=1.0"),
    "belief": ("physics.belief=true",),
    "not_randomised": (),
    "residual": ("physics.action=residual",),
    "best": (*_MASK, "physics.prior=1.0", "physics.belief=true"),
}
"""mask is choices and their mask, prior choices and their prior: neither is there without choices."""


@dataclass(frozen=True)
class Case:
    """A task for the figure: the training's overrides, how to hold the twin fixed, most steps, how often to look.

    `bound` is above every return, the oracle's too; `hide` is what the best combination does not look at.
    """

    base: tuple[str, ...]
    fixed: tuple[str, ...]
    steps: int
    every: int
    bound: float
    planner: Callable[[], Any]
    hide: str = ""


def _hops() -> Any:
    from agents.planning.learning_hops import LearningHops

    return LearningHops()


def _targets() -> Any:
    from agents.baselines.write_targets import WriteTargets

    return WriteTargets()


def _strokes() -> Any:
    from agents.writing.adaptive_writing import AdaptiveWriting

    return AdaptiveWriting()


_BLOCK = "task.pattern=['......','..##..','.####.','.####.','..##..','......']"
CASES: Final[Mapping[str, Case]] = {
    "move_dopant": Case(
        ("training=move_dopant", *OFF, *_PPO, "copies=64", "trainer.rollout=64", "trainer.gamma=0.995"),
        ("instrument.core.hop_spread=0", "instrument.core.anisotropy=0", "instrument.core.disorder=0"),
        131_072, 16_384, 1.0, _hops,
    ),
    "write_vacancies": Case(
        (
            "training=write_vacancies", *OFF, *_PPO, "copies=32", "trainer.rollout=32", "trainer.gamma=0.97",
            "instrument.core.sample.width_nm=2.4", "instrument.core.sample.height_nm=2.4", "task.length_nm=1.4",
            "task.tries=30",
            "task.looks.shape=[16,16]", "task.sample_s=0.01", "task.price_per_megaelectron=1e-4",
        ),
        tuple(f"instrument.core.{name}=0" for name in ("disorder", "drift_nm_s", "healing", "hopping", "etching")),
        36_864, 2048, 1.0, _targets,
    ),
    "write_domains": Case(
        (
            "training=write_domains", *OFF, *_PPO, "copies=16", "trainer.rollout=32", "trainer.gamma=0.97",
            "instrument.core.grid=24", "instrument.core.field_nm=480", _BLOCK, "task.size_nm=300", "task.tries=30",
            "task.shape=[12,12]", "task.dwell_s=0.001", "task.goal=0.85", "task.prices.second=0.001",
            "task.prices.volt_second=0.001",
        ),
        tuple(f"instrument.core.{name}=0" for name in ("disorder", "dead_share", "soft_share", "injection", "creep")),
        14_336, 2048, 0.5, _strokes, "physics.hide=[image,target,wrong]",
    ),
}  # fmt: skip


def overrides(task: str, variant: str, seed: int) -> list[str]:
    """Of `probewright train`, for one training."""
    case = CASES[task]
    own = [*case.base, *VARIANTS[variant], f"seed={seed}", f"episodes={EPISODES}"]
    if variant == "not_randomised":
        own += case.fixed
    return [*own, case.hide] if variant == "best" and case.hide else own


def reference(task: str) -> dict[str, float]:
    """Mean returns on the held-out seeds of the untrained plain network and of the planner, and the score wanted."""
    from experiments.training.settings import build_training, compose_training

    settings = compose_training(overrides(task, "plain", 0))
    parts = build_training(settings)
    untrained, planner = _untrained(settings, parts), _planner(settings, parts, CASES[task].planner)
    score = untrained + SHARE * (planner - untrained)
    return {"untrained": untrained, "planner": planner, "score": score}


def needed(task: str, variant: str, seed: int, score: float, most: int | None = None) -> dict[str, Any]:
    """Environment steps until an evaluation first reaches the score: {"steps", "reached", "curve", "cpu_s"}.

    Evaluations are of the randomised twin, whatever the training was on; where none reaches it within `most` steps
    (None: the task's own number), `steps` is where the training was ended.
    """
    from experiments.training import session
    from experiments.training.settings import build_training, compose_training

    began, case = time.process_time(), CASES[task]
    settings = compose_training(overrides(task, variant, seed))
    parts = build_training(settings)
    judged = build_training(compose_training(overrides(task, "plain", seed)))
    copies = session._copies(settings, parts)
    trainer = parts.trainer
    trainer.begin(copies, seed)
    curve: list[tuple[int, float]] = []
    while True:
        policy = trainer.policy(copies.signature, {}, settings.physics)
        curve.append((trainer.steps, _return(policy, settings, judged)))
        if curve[-1][1] >= score or trainer.steps >= (most or case.steps):
            break
        trainer.learn(case.every)
    cpu_s = time.process_time() - began
    return {"steps": curve[-1][0], "reached": curve[-1][1] >= score, "curve": curve, "cpu_s": cpu_s}


def _return(policy: Any, settings: Any, parts: Any) -> float:
    from experiments.training.evaluation import evaluate

    return float(evaluate(policy, settings, parts).returns.mean())


def _untrained(settings: Any, parts: Any) -> float:
    from experiments.training import session

    copies = session._copies(settings, parts)
    parts.trainer.begin(copies, settings.seed)
    return _return(parts.trainer.policy(copies.signature, {}, settings.physics), settings, parts)


def _planner(settings: Any, parts: Any, make: Callable[[], Any]) -> float:
    from benchmarks.episodes import begun, episode
    from environments.environment import Environment
    from experiments.training.evaluation import HELD_OUT
    from instruments.embedded import Embedded

    returns = []
    for seed in range(HELD_OUT, HELD_OUT + EPISODES):
        env = Environment(Embedded(parts.core), parts.task, scenario=settings.scenario)
        agent = make()
        observation, _ = begun(agent, env, seed)
        returns.append(sum(turn.told.reward for turn in episode(agent, env, observation)))
    return float(np.mean(returns))

"""What `probewright train` is asked for, composed from `conf/train.yaml`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from agents.reinforcement.physics import Physics
from experiments.config import ConfigError, Tracking
from experiments.config.checking import Checker
from experiments.config.composing import Root, compose_config, make, resolved
from experiments.config.settings import Node
from experiments.config.signatures import TARGET
from experiments.training.recorded import completed
from physics_priors.bounds import Bounds

COMPONENTS = ("instrument", "task", "trainer")


@dataclass(frozen=True)
class TrainSettings:
    """A complete training: twin, task, learner, and how long."""

    name: str
    instrument: Node
    task: Node
    trainer: Node
    scenario: Mapping[str, Any] = field(default_factory=dict)
    seed: Annotated[int, Bounds("", 0, 2**31 - 1)] = 0
    steps: Annotated[int, Bounds("environment steps", 1, 10**12)] = 200_000
    copies: Annotated[int, Bounds("environments", 1, 100_000)] = 64
    """How many copies of the twin learn side by side."""
    episode_steps: Annotated[int, Bounds("steps", 1, 1_000_000)] | None = None
    """Longest episode; None leaves its end to the task."""
    evaluate_every: Annotated[int, Bounds("environment steps", 1, 10**12)] = 20_000
    """A checkpoint is written as often."""
    episodes: Annotated[int, Bounds("episodes", 1, 100_000)] = 100
    """Of an evaluation, each on a seed of its own that is never trained on."""
    lessons: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the task that are otherwise while it is learned, say nearer targets; evaluations know none."""
    physics: Physics = field(default_factory=Physics)
    """What of physics goes into the policy; all off by default."""
    data: str | tuple[str, ...] = ()
    """What was recorded, for a learner that learns from that: run folders, globs of them, minari:NAME-v0."""
    register_as: str = ""
    """Name in MLflow's model registry; empty: that of the training."""
    runs: Path = Path("runs")
    tracking: Tracking = field(default_factory=Tracking)


ROOT = Root(
    "train",
    ("instrument", "task", "trainer", "scenario", "tracking", "training"),
    tuple(f.name for f in dataclasses.fields(TrainSettings)),
)


@dataclass(frozen=True)
class TrainParts:
    """What a training is made of, built: the twin's core, the task, the learner."""

    core: Any
    task: Any
    trainer: Any
    lesson: Any = None
    """The task as it is while it is learned; None: as it is."""


def compose_training(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> TrainSettings:
    """The settings that `conf/train.yaml`, the users' folders and the overrides give; raises ConfigError."""
    return from_plain(completed(resolved(compose_config(overrides, config_dirs, ROOT))))


def from_plain(plain: Mapping[str, Any]) -> TrainSettings:
    """Settings from plain values; raises ConfigError."""
    settings: TrainSettings = Checker().dataclass(plain, TrainSettings, "")
    for name in COMPONENTS:
        if TARGET not in getattr(settings, name):
            raise ConfigError(f"{name} names no class: choose one with {name}=NAME, or give {name}.{TARGET}")
    if not re.fullmatch(r"[\w.-]+", settings.name):
        raise ConfigError(f"name={settings.name!r} names the run folder: use letters, digits, '_', '-' and '.' only")
    return settings


def build_training(settings: TrainSettings) -> TrainParts:
    """The parts; raises ConfigError where one cannot be made, or where the instrument does not compute."""
    builder = Checker(make)
    instrument, task, trainer = (builder.component(getattr(settings, name), name) for name in COMPONENTS)
    core = getattr(instrument, "core", None)
    if core is None or not core.describe().episodes:
        raise ConfigError(f"instrument={settings.instrument[TARGET]}: training wants a twin that can be reset")
    if not callable(getattr(trainer, "learn", None)):
        raise ConfigError(f"trainer.{TARGET}={settings.trainer[TARGET]!r} is no trainer: it does not learn")
    _check_source(settings, trainer)
    if trainer.masks is not None and settings.physics.mask != trainer.masks:
        raise ConfigError(
            f"physics.mask={str(settings.physics.mask).lower()} with {trainer.name}: trainer=masked_ppo wants "
            "physics.action=choices physics.mask=true, and no other learner on a twin heeds a mask"
        )
    lesson = builder.component({**settings.task, **settings.lessons}, "lessons") if settings.lessons else None
    return TrainParts(core, task, trainer, lesson)


def _check_source(settings: TrainSettings, trainer: Any) -> None:
    """Learners of recordings have data, and no others."""
    if trainer.recorded and not settings.data:
        raise ConfigError(f"{trainer.name} learns from what was recorded: give data=runs/NAME-* or data=minari:NAME-v0")
    if settings.data and not trainer.recorded:
        raise ConfigError(f"{trainer.name} learns on a twin and not from data: trainer=clone does")
    if settings.data and settings.physics.potential:
        raise ConfigError("physics.potential shapes rewards, which cloning does not look at: leave it at 0")
    if settings.data and settings.lessons:
        raise ConfigError("lessons change the task of learners on a twin: recordings are learned from as they are")

"""A training from its beginning, or from its last checkpoint, to its end."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode

from environments.vector import VectorEnvironment
from experiments.campaign import folder as folders
from experiments.campaign import provenance
from experiments.config.composing import to_plain
from experiments.offline import sources
from experiments.offline.episodes import Recording
from experiments.training import folder as places
from experiments.training import recorded
from experiments.training.curve import draw
from experiments.training.evaluation import Evaluation, environment_of, evaluate
from experiments.training.settings import TrainParts, TrainSettings, build_training, from_plain

Say = Callable[[str], None]
_SAID = ("loss", "entropy_loss", "validation_loss")
"""What of a learner's own figures goes into the curve."""


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    folder: Path
    steps: int
    finished: bool
    last: Mapping[str, float]


def train(settings: TrainSettings, say: Say) -> Trained:
    """Train a fresh learner; raises ConfigError where the parts do not fit."""
    parts = build_training(settings)
    material, recording = recorded_lessons(settings, parts) if settings.data else (_copies(settings, parts), None)
    parts.trainer.begin(material, settings.seed)
    folder = folders.new_folder(settings.runs, settings.name, settings.seed)
    folders.write_yaml(folder / "config.yaml", to_plain(settings))
    if recording is not None:
        recorded.keep(material, recording, folder)
        say(recorded.said(recording, parts.trainer.held_back))
    return _Session(settings, parts, material, folder, say).run()


def resume(folder: Path, say: Say) -> Trained:
    """Go on from the last checkpoint of a training that was stopped; a finished one is left as it is."""
    import yaml

    from experiments.config import ConfigError

    folder = folder.absolute()
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"{folder} holds no training: there is no config.yaml in it")
    settings = from_plain(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")))
    if (folder / places.SUMMARY).is_file():
        row = places.rows(folder)[-1]
        say(f"{folder} is finished after {row['steps']:.0f} steps: it is left as it is")
        return Trained(folder, int(row["steps"]), True, row)
    checkpoint = places.last_checkpoint(folder)
    reached = int(checkpoint.name)
    places.drop_rows_after(folder, reached)
    parts = build_training(settings)
    if settings.data:
        material: Any = recorded.kept(folder, _judge(settings, parts), settings.physics)
    else:
        material = _copies(dataclasses.replace(settings, seed=(settings.seed + reached) % 2**30), parts)
    parts.trainer.restore(material, checkpoint)
    say(f"going on after {reached} steps")
    return _Session(settings, parts, material, folder, say).run()


def recorded_lessons(settings: TrainSettings, parts: TrainParts) -> tuple[Any, Recording]:
    """What `settings.data` teach a policy for the twin, and the recording itself; raises ConfigError."""
    recording = sources.read(recorded.names(settings.data))
    return recorded.lessons_of(recording, _judge(settings, parts), settings.physics), recording


def _judge(settings: TrainSettings, parts: TrainParts) -> VectorEnvironment:
    """What a policy that learns from recordings is for."""
    return environment_of(settings, parts, 1, AutoresetMode.NEXT_STEP, parts.task)


def _copies(settings: TrainSettings, parts: TrainParts) -> Any:
    from experiments.training.environments import Copies

    task = parts.task if parts.lesson is None else parts.lesson
    environment = environment_of(settings, parts, settings.copies, AutoresetMode.SAME_STEP, task, ahead=True)
    return Copies(environment, settings.seed, settings.physics, parts.trainer.gamma)


@dataclass(frozen=True)
class _Session:
    settings: TrainSettings
    parts: TrainParts
    material: Any
    """What is learned from: copies of a twin, or lessons; its signature is the policy's."""
    folder: Path
    say: Say

    def run(self) -> Trained:
        trainer, wanted = self.parts.trainer, self.settings.steps
        row: Mapping[str, float] = (places.rows(self.folder) or [{}])[-1]
        try:
            while trainer.steps < wanted and not trainer.done:
                row = self._part(min(self.settings.evaluate_every, wanted - trainer.steps))
        except KeyboardInterrupt:
            places.write_checkpoint(self.folder, trainer.steps, trainer.save)
            return Trained(self.folder, trainer.steps, False, row)
        self._conclude(row)
        return Trained(self.folder, trainer.steps, True, row)

    def _part(self, steps: int) -> Mapping[str, float]:
        """Learn, checkpoint, evaluate, tell."""
        trainer, began, before = self.parts.trainer, time.monotonic(), self.parts.trainer.steps
        said = trainer.learn(steps)
        rate = (trainer.steps - before) / (time.monotonic() - began)
        places.write_checkpoint(self.folder, trainer.steps, trainer.save)
        self._policy().save(self.folder / "policy.npz")
        found = evaluate(self._policy(), self.settings, self.parts)
        row = self._row(found, rate) | {name: said[name] for name in sorted(said) if name in _SAID}
        places.add_row(self.folder, row)
        self.say(self._line(row))
        return row

    def _row(self, found: Evaluation, rate: float) -> dict[str, float]:
        return {
            "steps": float(self.parts.trainer.steps),
            "return": float(found.returns.mean()),
            "return_error": found.standard_error,
            "complete": float(found.complete.mean()),
            "episode_steps": float(found.lengths.mean()),
            "steps_per_s": rate,
        }

    def _line(self, row: Mapping[str, float]) -> str:
        left_s = max(0.0, self.settings.steps - row["steps"]) / row["steps_per_s"]
        mean = f"{row['return']:.4g} ± {row['return_error']:.2g}"
        return (
            f"{row['steps']:.0f}/{self.settings.steps} steps | return {mean} | "
            f"{100 * row['complete']:.0f} % complete | {row['steps_per_s']:.0f} steps/s | {left_s:.0f} s left"
        )

    def _policy(self) -> Any:
        about = {"task": self.parts.task.name, "seed": self.settings.seed, "name": self.settings.name}
        return self.parts.trainer.policy(self.material.signature, about, self.settings.physics)

    def _conclude(self, row: Mapping[str, float]) -> None:
        self._policy().save(self.folder / "policy.npz")
        draw(places.rows(self.folder), self.folder / "curve.png")
        content = {"name": self.settings.name, "seed": self.settings.seed, "versions": provenance.versions()}
        folders.write_json(self.folder / places.SUMMARY, {**content, **row})

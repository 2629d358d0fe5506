"""Training from what was recorded: which twin judges it, and the lessons, which the run folder keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agents.reinforcement.lessons import Lessons
from agents.reinforcement.policy import Signature
from environments.vector import VectorEnvironment
from experiments.config import ConfigError
from experiments.config.signatures import TARGET
from experiments.offline import sources
from experiments.offline.episodes import Recording
from experiments.training.spaces import signature_between

_LESSONS = "lessons.npz"


def completed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in which twin, task and scenario are those of the recorded campaigns, where no others were named."""
    whole = dict(plain)
    if not (data := names(whole.get("data"))):
        if "instrument" not in whole:
            raise ConfigError(
                "training=clone learns from what was recorded: give data=runs/NAME-* or data=minari:NAME-v0"
            )
        return whole
    known = sources.parts_of(data)
    for name in ("instrument", "task"):
        given = whole.get(name, {})
        if TARGET in given:
            continue
        if name not in known:
            raise ConfigError(f"the data were not recorded with one {name}: say which judges the policy, {name}=NAME")
        whole[name] = _merged(known[name], given)
    whole.setdefault("scenario", known.get("scenario", {}))
    return whole


def names(data: Any) -> list[str]:
    """The key `data` as a list."""
    return [data] if isinstance(data, str) and data else [str(name) for name in data or ()]


def lessons_of(recording: Recording, environment: VectorEnvironment, physics: Any) -> Lessons:
    """What a policy for `environment` is taught; ConfigError where the recording is of other spaces."""
    signature = signature_between(environment.single_observation_space, environment.single_action_space)
    _check(signature, signature_between(recording.observation_space, recording.action_space))
    episodes = recording.episodes
    observation = {
        name: np.concatenate([episode.observations[name][:-1] for episode in episodes])
        for name, _ in signature.observation
    }
    action = np.concatenate([episode.actions for episode in episodes])
    number = np.repeat(np.arange(len(episodes)), [len(episode.rewards) for episode in episodes])
    return Lessons(signature, physics, observation, action, number)


def keep(lessons: Lessons, recording: Recording, folder: Path) -> None:
    """Write the lessons and where they come from into the run folder: going on needs the recordings no more."""
    arrays: dict[str, Any] = {f"observation_{name}": values for name, values in lessons.observation.items()}
    sources = json.dumps([episode.source for episode in recording.episodes])
    np.savez_compressed(
        folder / _LESSONS, action=lessons.action, episode=lessons.episode, sources=np.array(sources), **arrays
    )


def kept(folder: Path, environment: VectorEnvironment, physics: Any) -> Lessons:
    """The lessons that `keep` wrote."""
    signature = signature_between(environment.single_observation_space, environment.single_action_space)
    with np.load(folder / _LESSONS, allow_pickle=False) as stored:
        observation = {name: stored[f"observation_{name}"] for name, _ in signature.observation}
        return Lessons(signature, physics, observation, stored["action"], stored["episode"])


def said(recording: Recording, held_back: int) -> str:
    """What is learned from, in one line."""
    episodes, over = recording.episodes, sum(episode.terminated for episode in recording.episodes)
    return (
        f"{len(episodes)} recorded episodes ({over} to their end), {recording.steps} steps, mean return "
        f"{np.mean([episode.rewards.sum() for episode in episodes]):.4g}; {held_back} held back to see when to stop"
    )


def _merged(node: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded node with the keys that were given."""
    whole = dict(node)
    for name, value in given.items():
        below = whole.get(name)
        deep = isinstance(value, Mapping) and isinstance(below, Mapping) and TARGET not in value
        whole[name] = _merged(below, value) if deep else value  # type: ignore[arg-type]
    return whole


def _check(wanted: Signature, recorded: Signature) -> None:
    for what in ("observation", "low", "high", "choices"):
        one, other = getattr(wanted, what), getattr(recorded, what)
        if one != other:
            raise ConfigError(f"the data do not fit the task: it has {what} {_said(one)}, they have {_said(other)}")


def _said(value: Any) -> str:
    return ", ".join(f"{n} {list(s)}" for n, s in value) if value and isinstance(value[0], tuple) else str(value)

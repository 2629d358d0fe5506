"""A campaign's journal as an episode: what the task showed before every decision, made again from what was measured.

A journal holds decisions, requests, measurements and outcomes, but no observations. They are pure functions of what it
holds, so the task goes over the campaign again with the recorded seed, actions and measurements; no instrument is
touched. Requests, values and rewards must come out as recorded, within 1e-9 of each other, else the journal is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.environment import Environment
from experiments.campaign.computed import is_computed
from experiments.campaign.journal import JournalError, is_held, open_reader
from experiments.campaign.past import Past, read_past
from experiments.config import ConfigError, from_plain
from experiments.config.checking import Checker
from experiments.config.composing import make
from experiments.config.settings import CampaignSettings
from experiments.config.signatures import TARGET
from experiments.offline.episodes import Episode, Recording
from instruments.bridge.spoken import capabilities_from_plain
from instruments.capabilities import Capabilities
from instruments.measurement import Measurement
from instruments.requests import Request, to_plain

JOURNAL: Final = "journal.sqlite"
PARTS: Final = ("instrument", "task", "scenario")
_SAME: Final = 1e-9


def parts_of(folder: Path) -> dict[str, Any]:
    """The nodes instrument, task and scenario of a campaign, without reading more of its journal."""
    config = _meta(folder)["config"]
    return {name: config.get(name, {}) for name in PARTS}


def read_journal(folder: Path) -> Recording:
    """The campaign in a run folder as one episode; ConfigError where it cannot be gone over again."""
    meta = _meta(folder)
    if is_held(folder / JOURNAL):
        raise ConfigError(f"{folder} is still running: learn from it when it has ended")
    settings = from_plain(meta["config"])
    with open_reader(folder / JOURNAL) as reader:
        described = reader.last("capabilities")
    environment = _environment(settings, folder, None if described is None else described.payload)
    with open_reader(folder / JOURNAL) as reader:
        past = read_past(reader)
        outcomes = {event.step: event.payload for event in reader.events(kinds=("outcome",))}
    episode = _Again(folder, str(meta["campaign_id"]), environment, past, outcomes).episode(settings.seed)
    space: Any = environment.observation_space
    return Recording(space, environment.action_space, parts_of(folder), (episode,))


def _meta(folder: Path) -> dict[str, Any]:
    try:
        with open_reader(folder / JOURNAL) as reader:
            meta = reader.meta()
    except JournalError as error:
        raise ConfigError(f"{folder} cannot be learned from: {error}") from None
    if not meta:
        raise ConfigError(f"{folder} was killed before its campaign began: there is nothing to learn from in it")
    return meta


@dataclass(frozen=True)
class _Described:
    """An instrument that is not there: what it said of itself is all that a task asks for."""

    capabilities: Capabilities

    def describe(self) -> Capabilities:
        return self.capabilities


def _environment(settings: CampaignSettings, folder: Path, described: Mapping[str, Any] | None) -> Environment:
    """The task on what the instrument said of itself, in the journal or, where it computes, once more."""
    builder = Checker(make)
    task = builder.component(settings.task, "task")
    if described is not None:
        stand_in: Any = _Described(capabilities_from_plain(described))
        return Environment(stand_in, task, scenario=settings.scenario)
    target = str(settings.instrument[TARGET])
    if not is_computed(settings.instrument):
        raise ConfigError(
            f"{folder.name} was measured by {target}, whose capabilities are not in the journal: "
            "it is of a version that did not write them, leave it out"
        )
    return Environment(builder.component(settings.instrument, "instrument"), task, scenario=settings.scenario)


class _Again:
    """A campaign gone over again."""

    def __init__(
        self,
        folder: Path,
        campaign_id: str,
        environment: Environment,
        past: Past,
        outcomes: Mapping[int, Mapping[str, Any]],
    ) -> None:
        self._folder, self._id = folder, campaign_id
        self._environment, self._past, self._outcomes = environment, past, outcomes

    def episode(self, seed: int) -> Episode:
        """All steps whose outcome was journalled; a decision after the last one counts for nothing."""
        shown, actions, rewards, terminated = [self._surveyed(seed)], [], [], False
        for step in self._steps():
            action = self._past.decisions[step].action
            done = self._environment.update(action, self._measured(step, self._requests(step, action)))
            outcome = self._outcomes[step]
            again = {
                "value": done.value,
                "reward": done.reward,
                "terminated": done.terminated,
                "accepted": done.accepted,
            }
            self._check(step, "outcome", {name: outcome[name] for name in again}, again)
            shown.append(done.observation)
            actions.append(np.asarray(action))
            rewards.append(done.reward)
            terminated = done.terminated
        observations = {name: np.stack([seen[name] for seen in shown]) for name in shown[0]}
        done_actions = _stacked(actions, self._environment.action_space)
        return Episode(observations, done_actions, np.array(rewards), terminated, seed, self._folder.name)

    def _steps(self) -> Iterator[int]:
        step = 1
        while step in self._outcomes and step in self._past.decisions:
            yield step
            step += 1

    def _surveyed(self, seed: int) -> dict[str, NDArray[Any]]:
        requests = self._environment.open(seed)
        self._compare(0, "survey", requests)
        measured = [self._past.results.get(self._named(0, "survey", i)) for i in range(len(requests))]
        if not all(m is not None and m.complete for m in measured):
            raise ConfigError(f"{self._folder.name}: its survey failed, there is nothing to learn from")
        return self._environment.surveyed(measured)

    def _requests(self, step: int, action: Any) -> list[Request]:
        requests = self._environment.requests(action)
        self._compare(step, "action", requests)
        return requests

    def _measured(self, step: int, requests: Sequence[Request]) -> list[Measurement | None]:
        return [self._past.results.get(self._named(step, "action", i)) for i in range(len(requests))]

    def _compare(self, step: int, purpose: str, requests: Sequence[Request]) -> None:
        for i, request in enumerate(requests):
            command = self._past.commands.get(self._named(step, purpose, i))
            if command is not None:
                self._check(step, "request", to_plain(command.request), to_plain(request))

    def _named(self, step: int, purpose: str, index: int) -> str:
        return f"{self._id}-{step:06d}-{purpose}-{index}"

    def _check(self, step: int, what: str, recorded: Any, again: Any) -> None:
        if not same(recorded, again):
            raise ConfigError(
                f"{self._folder.name}: the {what} of step {step} does not come out as recorded (by another version, or "
                "a task that was changed since): what the agent saw cannot be told, leave this run out"
            )


def same(one: Any, other: Any) -> bool:
    """Whether plain values are equal, numbers within 1e-9 of the larger (NaN is like NaN)."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, str | bytes | bool | None) or isinstance(other, str | bytes | bool | None):
        return bool(one == other)
    if isinstance(one, float | int) and isinstance(other, float | int):
        return one == other or (one != one and other != other) or math.isclose(one, other, rel_tol=_SAME, abs_tol=1e-12)
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return _same_arrays(np.asarray(one), np.asarray(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _same_arrays(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind not in "fiu" or other.dtype.kind not in "fiu":
        return bool(np.array_equal(one, other))
    return bool(np.allclose(one, other, rtol=_SAME, atol=1e-12, equal_nan=True))


def _stacked(actions: Sequence[NDArray[Any]], space: gymnasium.Space[Any]) -> NDArray[Any]:
    """[T, ...] in float64, or [T] choices in int64."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return np.array([np.ravel(action)[0] for action in actions], dtype=np.int64)
    shape = tuple(space.shape or ())
    return np.array(actions, dtype=np.float64).reshape(len(actions), *shape)

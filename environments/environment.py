"""The one Gymnasium environment: an instrument and a task, joined.

A campaign uses its halves (`open`, `surveyed`, `requests`, `update`), which are pure functions of what goes in and
never touch the instrument, so that a journal can be replayed through them. `reset` and `step` put the instrument
between the halves.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.actions import checked
from environments.task import Brief, Task
from instruments import keys
from instruments.account import Account
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.embedded import Embedded
from instruments.errors import (
    ConnectionLost,
    DataInvalid,
    HardwareFault,
    NotSupported,
    OutOfReach,
    Refused,
    Stopped,
)
from instruments.guard import Limits, Refusal, check, needs_current, require_current
from instruments.measurement import Measurement
from instruments.requests import Request
from instruments.seam import Instrument, Twin

Observation = dict[str, NDArray[Any]]
_NEVER = threading.Event()
_TASK_WORD = 2**40
"""Apart from the words that number an instrument's requests."""
_FAILURES = (ConnectionLost, DataInvalid, HardwareFault, OutOfReach, Stopped)


class Step(NamedTuple):
    """What `update` returns; value is NaN where nothing usable came, accepted [n] is about all n actions so far."""

    observation: Observation
    value: float
    accepted: NDArray[np.bool_]
    reward: float
    terminated: bool
    also: float = math.nan
    """What the task reads beside the value, where it reads two numbers."""


class _Asked(NamedTuple):
    """What an action asks for in a state."""

    state: Any
    legal: NDArray[Any]
    """[1, ...]."""
    batches: Sequence[RequestBatch]


class Environment(gymnasium.Env[Observation, NDArray[Any]]):
    """Instrument + task; never subclassed.

    `reset` draws a fresh sample on a twin; an instrument without episodes can be reset once. A request that the guard
    refuses, or that fails, is told to the task as one without a result and marked in `info` ("refused", "failed").
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's own)

    def __init__(
        self,
        instrument: Instrument,
        task: Task[Any],
        *,
        scenario: Mapping[str, Any] | None = None,
        guard: Limits | None = None,
        max_steps: int | None = None,
        render_mode: Literal["rgb_array"] | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode {render_mode!r}: choose rgb_array or None")
        if max_steps is not None and max_steps < 1:
            raise ValueError(f"max_steps={max_steps} must be at least 1")
        self.instrument, self.task = instrument, task
        self.capabilities: Capabilities = instrument.describe()
        task.check(self.capabilities)
        if guard is not None and needs_current(guard):
            require_current(self.capabilities)
        self.scenario = dict(scenario or {})
        self.observation_space: gymnasium.Space[Any] = task.observation_space(self.capabilities)
        self.action_space: gymnasium.Space[Any] = task.action_space(self.capabilities)
        self.render_mode = render_mode
        self._limits, self._max_steps = guard or Limits(), max_steps
        self._unlimited = isinstance(instrument, Embedded) and self._limits.nothing
        self._account = self._fresh_account()
        self._state: Any = None
        self._steps, self._episode, self._sent = 0, 0, 0
        self._running = False
        self._seen: list[tuple[float, float, float]] = []
        self._accepted: NDArray[np.bool_] = np.zeros(0, bool)
        self._asked: _Asked | None = None

    def open(self, seed: int) -> list[Request]:
        """Start the task afresh; the survey's requests. Does not touch the instrument."""
        self.task.check(self.capabilities)
        self._state = self.task.start(task_keys(seed), self.capabilities)
        self._steps, self._seen, self._accepted = 0, [], np.zeros(0, bool)
        return [batch.row(0) for batch in self.task.survey(self._state)]

    def surveyed(self, measurements: Sequence[Measurement | None]) -> Observation:
        """Take in the survey's measurements (None: failed); the first observation."""
        results = _results(self.task.survey(self._state), measurements)
        self._state = self.task.surveyed(self._state, results)
        return self._observation()

    def requests(self, action: Any) -> list[Request]:
        """What an action asks of the instrument; ValueError or InvalidRequest where it is not an action."""
        return [batch.row(0) for batch in self._ask(action).batches if batch.asks(0)]

    def update(self, action: Any, measurements: Sequence[Measurement | None]) -> Step:
        """Take in what came of `requests(action)` (None: failed or refused)."""
        asked = self._ask(action)
        return self._take(asked, _results(asked.batches, measurements))

    def _take(self, asked: _Asked, results: Sequence[ResultBatch]) -> Step:
        self._state, outcome = self.task.update(self._state, asked.legal, results)
        self._steps += 1
        value, place = float(outcome.value[0]), results[0].position_nm[0]
        self._seen.append((float(place[0]), float(place[1]), value))
        self._accepted = np.array(outcome.accepted[0][: self._steps])
        reward, terminated = float(outcome.reward[0]), bool(outcome.terminated[0])
        also = math.nan if outcome.also is None else float(outcome.also[0])
        return Step(self._observation(), value, self.accepted, reward, terminated, also)

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Which of the values so far stand, [n]; a later one may unmask an earlier."""
        return self._accepted.copy()

    def brief(self) -> Brief:
        """What an agent is told before its first decision, after the survey."""
        return self.task.brief(self._state, 0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        chosen = episode_seed(self.np_random, seed)
        self._fresh_sample(chosen)
        self.open(chosen)
        results, info = self._carry_out(self.task.survey(self._state))
        if info["refused"]:
            raise Refused(f"the survey of {self.task.name} is refused by the guard: widen its limits")
        self._running = True
        self._state = self.task.surveyed(self._state, results)
        return self._observation(), info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        if not self._running:
            raise gymnasium.error.ResetNeeded("reset the environment before a step: it has not begun or has ended")
        asked = self._ask(action)
        results, info = self._carry_out(asked.batches)
        step = self._take(asked, results)
        truncated = self._max_steps is not None and self._steps >= self._max_steps and not step.terminated
        self._running = not (step.terminated or truncated)
        info["accepted"] = bool(step.accepted[-1])
        if np.isfinite(step.value):
            info["value"] = step.value
        return step.observation, step.reward, step.terminated, truncated, info

    def render(self) -> NDArray[np.uint8] | None:
        """The first image with the measured points and their values, [height, width, 3]; None without render_mode."""
        if self.render_mode is None or self._state is None:
            return None
        from environments.picture import picture

        return picture(self.brief(), np.array(self._seen).reshape(-1, 3), self._accepted)

    def close(self) -> None:
        self.instrument.close()

    def _ask(self, action: Any) -> _Asked:
        """The requests of an action in the present state; asked once, though a step needs them twice."""
        legal = checked(self.action_space, action)[None]
        asked = self._asked
        if asked is None or asked.state is not self._state or not np.array_equal(asked.legal, legal):
            asked = self._asked = _Asked(self._state, legal, self.task.requests(self._state, legal))
        return asked

    def _observation(self) -> Observation:
        return {name: array[0].copy() for name, array in self.task.observation(self._state).items()}

    def _fresh_account(self) -> Account:
        return Account(self.capabilities.field, self._limits.fluence_pixel_nm)

    def _fresh_sample(self, seed: int) -> None:
        if self.capabilities.episodes and isinstance(self.instrument, Twin):
            self.instrument.reset(seed, self.scenario)
            self._account = self._fresh_account()
        elif self.scenario:
            raise NotSupported(f"{self.capabilities.name} is no twin: it has no scenario {self.scenario}")
        elif self._episode:
            raise NotSupported(f"{self.capabilities.name} cannot be reset to a fresh sample: start a new campaign")
        self._episode, self._sent = self._episode + 1, 0

    def _carry_out(self, batches: Sequence[RequestBatch]) -> tuple[list[ResultBatch], dict[str, Any]]:
        acquire = self._acquire_at_once if self._unlimited and self._steps else self._acquire
        done = [acquire(batch) if batch.asks(0) else ResultBatch.nothing(batch.kind, 1) for batch in batches]
        results = [
            r if isinstance(r, ResultBatch) else ResultBatch.nothing(b.kind, 1)
            for r, b in zip(done, batches, strict=True)
        ]
        return results, {
            "seconds": float(sum(r.cost.seconds[0] for r in results)),
            "electrons": float(sum(r.cost.electrons[0] for r in results)),
            "refused": any(isinstance(result, Refusal) for result in done),
            "failed": any(result is None for result in done),
        }

    def _acquire(self, batch: RequestBatch) -> ResultBatch | Refusal | None:
        """The result, the guard's refusal, or None where it failed in a way that a campaign survives."""
        id, request = self._next_id(), batch.row(0)
        try:
            worst = check(request, self.instrument.price(request), self._account, self._limits)
            if isinstance(worst, Refusal):
                return worst
            self._account.book(id, request, worst)
            measurement = self.instrument.acquire(request, id=id, stop=_NEVER)
        except _FAILURES:
            return None
        self._account.settle(id, measurement.cost)
        return ResultBatch.of(measurement)

    def _acquire_at_once(self, batch: RequestBatch) -> ResultBatch | None:
        """The same result from a twin in this process, where nothing is limited and the guard has nothing to refuse.

        The first requests of an episode always go the long way, so that one that is not valid is found.
        """
        try:
            result: ResultBatch = self.instrument.acquire_batch(batch, id=self._next_id(), stop=_NEVER)  # type: ignore[attr-defined]
        except _FAILURES:
            return None
        return result

    def _next_id(self) -> str:
        self._sent += 1
        return f"{self._episode}-{self._sent - 1}"


def task_keys(seeds: int | Sequence[int]) -> keys.Keys:
    """Root keys [B] of a task's own randomness, apart from those of the instrument with the same seeds."""
    return keys.fold(keys.keys(seeds), _TASK_WORD)


def episode_seed(generator: np.random.Generator, seed: int | None) -> int:
    """The seed of an episode: the one given, else the next of Gymnasium's generator."""
    return int(generator.integers(2**31)) if seed is None else seed


def _results(batches: Sequence[RequestBatch], measurements: Sequence[Measurement | None]) -> list[ResultBatch]:
    """One result for every batch, also for those that were not asked for."""
    if sum(batch.asks(0) for batch in batches) != len(measurements):
        raise ValueError(f"{len(measurements)} measurements for {sum(batch.asks(0) for batch in batches)} requests")
    came = iter(measurements)
    done = [next(came) if batch.asks(0) else None for batch in batches]
    return [
        ResultBatch.nothing(b.kind, 1) if m is None else ResultBatch.of(m) for b, m in zip(batches, done, strict=True)
    ]

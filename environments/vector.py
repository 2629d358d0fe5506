"""Many environments at once on a twin's core: batches from the action to the reward, no request objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from environments.actions import checked_rows
from environments.environment import Observation, episode_seed, task_keys
from environments.prepared import Begun, Part, Prepared
from environments.rows import put, take
from environments.task import Outcome, Task
from instruments import keys
from instruments.batch import RequestBatch, ResultBatch
from instruments.embedded import Core
from instruments.errors import NotSupported

Info = dict[str, Any]
_CORE = ("changing", "describe", "begin", "price", "perform", "truth")


class VectorEnvironment(VectorEnv[Observation, NDArray[Any], NDArray[Any]]):
    """`num_envs` rows of one core, equal bit for bit to as many `Environment`s with the same seeds.

    Only for what is computed: it takes a core (a twin's or a recording's), and there is no guard in it. Row i of
    `reset(seed=s)` has seed s + i. A row that ends is reset as `autoreset_mode` says; DISABLED wants
    `reset(options={"reset_mask": mask})`. With `ahead` the samples that rows take when they end are made many at a time
    before: the same ones, faster where episodes are many, for two or three times the memory.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 (Gymnasium's own)

    def __init__(
        self,
        core: Core[Any],
        task: Task[Any],
        num_envs: int,
        *,
        scenario: Mapping[str, Any] | None = None,
        max_steps: int | None = None,
        autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP,
        ahead: bool = False,
    ) -> None:
        if not all(hasattr(core, name) for name in _CORE):
            raise NotSupported(
                f"{type(core).__name__} is no core: a vector environment computes, give it a twin's core "
                "(say, `embedded.core`), and use Environment for an instrument"
            )
        if num_envs < 1 or (max_steps is not None and max_steps < 1):
            raise ValueError(f"num_envs={num_envs} and max_steps={max_steps} must be at least 1")
        self.core, self.task, self.num_envs = core, task, num_envs
        self.scenario, self._max_steps = dict(scenario or {}), max_steps
        self.capabilities = core.describe()
        task.check(self.capabilities)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = task.observation_space(self.capabilities)
        self.single_action_space = task.action_space(self.capabilities)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generators: list[np.random.Generator | None] = [None] * num_envs
        self._own: Sequence[str] = getattr(core, "editable", ())
        self._filled = getattr(core, "filled", None)
        self._own_state: Sequence[str] = getattr(task, "editable", ())
        self._prepared = Prepared(num_envs, self._made, lambda row: self._drawn(row, None)) if ahead else None
        self._world: Any = None
        self._state: Any = None
        self._roots: keys.Keys = np.zeros(num_envs, np.uint64)
        self._sent: NDArray[np.int64] = np.zeros(num_envs, np.int64)
        self._steps: NDArray[np.int64] = np.zeros(num_envs, np.int64)
        self._ended: NDArray[np.bool_] = np.zeros(num_envs, bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        mask = self._reset_mask(options)
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        if seeds is not None and len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        if self._state is None and not mask.all():
            raise gymnasium.error.ResetNeeded("reset all environments before a part of them")
        rows = np.flatnonzero(mask)
        costs = self._begin(rows, [None if seeds is None else seeds[int(i)] for i in rows])
        return self._observation(), self._info(costs, mask)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        live = self._live()
        legal = checked_rows(self.single_action_space, actions, live)
        outcome, costs = self._advance(legal)
        truncated = np.zeros(self.num_envs, bool)
        if self._max_steps is not None:
            truncated = (self._steps >= self._max_steps) & ~outcome.terminated
        return self._finished(outcome, truncated & live, costs, live)

    def _finished(
        self, outcome: Outcome, truncated: NDArray[np.bool_], costs: NDArray[np.float64], live: NDArray[np.bool_]
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        reward = np.where(live, outcome.reward, 0.0)
        terminated = outcome.terminated & live
        ended = terminated | truncated
        info = self._info(costs, live) | self._values(outcome, live)
        if self.autoreset_mode == AutoresetMode.NEXT_STEP and not live.all():
            self._merge(info, self._restart(~live), ~live)
        if self.autoreset_mode == AutoresetMode.SAME_STEP and ended.any():
            final = self._final(info, ended)
            self._merge(info, self._restart(ended), ended)
            info |= final
        self._ended = ended
        return self._observation(), reward, terminated, truncated, info

    def _live(self) -> NDArray[np.bool_]:
        """Rows that take an action in this step."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("reset the environments before a step")
        if self.autoreset_mode == AutoresetMode.DISABLED and self._ended.any():
            rows = np.flatnonzero(self._ended).tolist()
            raise gymnasium.error.ResetNeeded(f"environments {rows} have ended: reset them with options['reset_mask']")
        return ~self._ended if self.autoreset_mode == AutoresetMode.NEXT_STEP else np.ones(self.num_envs, bool)

    def _advance(self, actions: NDArray[Any]) -> tuple[Outcome, NDArray[np.float64]]:
        """One action in every row; rows that are about to be reset go along, and are replaced."""
        batches = self.task.requests(self._state, actions)
        self._world, self._sent, results = self._perform(self._world, batches, self._roots, self._sent)
        self._state, outcome = self.task.update(self._state, actions, results)
        self._steps = self._steps + 1
        return outcome, _costs(results, self.num_envs)

    def _perform(
        self, world: Any, batches: Sequence[RequestBatch], roots: keys.Keys, sent: NDArray[np.int64]
    ) -> tuple[Any, NDArray[np.int64], list[ResultBatch]]:
        results = []
        for batch in batches:
            if batch.wanted is not None and not batch.wanted.all():
                world, sent, result = self._perform_some(world, batch, roots, sent)
            else:
                sent = sent + 1
                world, result = self.core.perform(world, batch, keys.fold(roots, sent))
            results.append(result)
        return world, sent, results

    def _perform_some(
        self, world: Any, batch: RequestBatch, roots: keys.Keys, sent: NDArray[np.int64]
    ) -> tuple[Any, NDArray[np.int64], ResultBatch]:
        """A batch that not all rows ask for."""
        rows = np.flatnonzero(batch.asked)
        if not len(rows):
            return world, sent, ResultBatch.nothing(batch.kind, batch.rows)
        sent = sent + batch.asked
        part, result = self.core.perform(take(world, rows), batch.only(rows), keys.fold(roots[rows], sent[rows]))
        return put(world, rows, part), sent, result.spread(rows, batch.rows)

    def _begin(self, rows: NDArray[np.intp], seeds: Sequence[int | None]) -> NDArray[np.float64]:
        """Fresh worlds and states in `rows`, the survey done; its costs [num_envs, 2]."""
        if self._prepared is not None and self._state is not None and all(seed is None for seed in seeds):
            parts = self._prepared.taken(rows)
        else:
            begun = self._made([self._seed(int(row), seed) for row, seed in zip(rows, seeds, strict=True)])
            parts = [Part(begun, rows, np.arange(len(rows)))]
        costs = np.zeros((self.num_envs, 2))
        for part in parts:
            begun, own, at = part
            if len(own) == self.num_envs and part.whole:
                self._world, self._state = begun.world, begun.state
            else:
                filled = () if self._filled is None else (self._filled(begun.world), self._filled(self._world))
                self._world = put(self._world, own, begun.world, self._own, at, *filled)
                self._state = put(self._state, own, begun.state, self._own_state, at)
            self._roots[own], self._sent[own], costs[own] = begun.roots[at], begun.sent[at], begun.costs[at]
        self._steps[rows], self._ended[rows] = 0, False
        return costs

    def _made(self, chosen: Sequence[int]) -> Begun:
        """Samples of episode seeds, after their survey."""
        roots = keys.keys(chosen)
        world, state = self.core.begin(roots, self.scenario), self.task.start(task_keys(chosen), self.capabilities)
        world, sent, results = self._perform(world, self.task.survey(state), roots, np.zeros(len(chosen), np.int64))
        return Begun(world, self.task.surveyed(state, results), roots, sent, _costs(results, len(chosen)))

    def _restart(self, mask: NDArray[np.bool_]) -> Info:
        rows = np.flatnonzero(mask)
        return self._info(self._begin(rows, [None] * len(rows)), mask)

    def _seed(self, row: int, seed: int | None) -> int:
        """The seed of a row's next episode, also where it was drawn before."""
        kept = None if self._prepared is None else self._prepared.seed(row, seed)
        return self._drawn(row, seed) if kept is None else kept

    def _drawn(self, row: int, seed: int | None) -> int:
        generator = self._generators[row]
        if seed is not None or generator is None:
            generator = self._generators[row] = seeding.np_random(seed)[0]
        return episode_seed(generator, seed)

    def _final(self, info: Info, ended: NDArray[np.bool_]) -> Info:
        """The last observation and info of rows that end in this step, before they are reset."""
        observation, last = self._observation(), np.full(self.num_envs, None, dtype=object)
        rows = np.flatnonzero(ended)
        for row in rows.tolist():
            last[row] = {name: array[row].copy() for name, array in observation.items()}
        shown = {name: _alone(array, rows) for name, array in info.items() if info[f"_{name.lstrip('_')}"][rows].any()}
        return {"final_obs": last, "_final_obs": ended.copy(), "final_info": shown, "_final_info": ended.copy()}

    def _observation(self) -> Observation:
        return dict(self.task.observation(self._state))

    def _info(self, costs: NDArray[np.float64], mask: NDArray[np.bool_]) -> Info:
        none = np.zeros(self.num_envs, bool)
        shown = {"seconds": costs[:, 0] * mask, "electrons": costs[:, 1] * mask, "refused": none, "failed": none.copy()}
        return shown | {f"_{name}": mask.copy() for name in shown}

    def _values(self, outcome: Outcome, live: NDArray[np.bool_]) -> Info:
        newest = np.minimum(self._steps, outcome.accepted.shape[1]) - 1  # rows that are not live may be past their end
        accepted = outcome.accepted[np.arange(self.num_envs), newest] & live
        usable = np.isfinite(outcome.value) & live
        shown: Info = {"accepted": accepted, "_accepted": live.copy()}
        if usable.any():
            shown |= {"value": np.where(usable, outcome.value, 0.0), "_value": usable}
        return shown

    def _merge(self, info: Info, fresh: Info, mask: NDArray[np.bool_]) -> None:
        """Put that of a reset into the info of this step, rows of `mask`: there, only what a reset reports stays."""
        rows = np.flatnonzero(mask)
        for name, array in info.items():
            array[rows] = fresh[name][rows] if name in fresh else 0

    def _reset_mask(self, options: dict[str, Any] | None) -> NDArray[np.bool_]:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, bool)
        if not isinstance(mask, np.ndarray) or mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise TypeError(f"options['reset_mask'] must be a bool array of shape ({self.num_envs},)")
        if not mask.any():
            raise ValueError("options['reset_mask'] names no environment to reset")
        return mask


def _costs(results: Sequence[ResultBatch], rows: int) -> NDArray[np.float64]:
    total = np.zeros((rows, 2))
    for result in results:
        total[:, 0] += result.cost.seconds
        total[:, 1] += result.cost.electrons
    return total


def _alone(array: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
    """An array in some rows, zeros in the others."""
    alone = np.zeros_like(array)
    alone[rows] = array[rows]
    return alone

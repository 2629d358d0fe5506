"""Many copies of a twin as Stable-Baselines3 wants them: one flat observation, `dones`, infos of those that ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from agents.reinforcement.beliefs import Beliefs
from agents.reinforcement.physics import Physics
from agents.reinforcement.policy import Signature
from environments.vector import VectorEnvironment
from experiments.training.spaces import signature_between


def signature_of(environment: VectorEnvironment) -> Signature:
    """What a policy for it sees and does; TypeError where its actions are neither numbers nor choices."""
    return signature_between(environment.single_observation_space, environment.single_action_space)


class Copies(VecEnv):  # type: ignore[misc]  # stable_baselines3 has no types
    """A VectorEnvironment behind the interface of Stable-Baselines3; it must reset rows in the step they end in.

    A learner's outputs become actions, and rewards are shaped, as `physics` says, with the learner's discount `gamma`.
    The last `favoured` columns of an observation are what physics adds to the outputs.
    """

    def __init__(
        self, environment: VectorEnvironment, seed: int, physics: Physics | None = None, gamma: float = 0.99
    ) -> None:
        if environment.autoreset_mode != AutoresetMode.SAME_STEP:
            raise ValueError("a learner wants rows that are reset in the step they end in: AutoresetMode.SAME_STEP")
        self.environment, self.signature = environment, signature_of(environment)
        self._seed: int | None = seed
        self.physics, self._gamma = physics or Physics(), gamma
        self._beliefs, outputs = Beliefs(self.physics), self._outputs()
        self.favoured = int(getattr(outputs, "n", 0)) if self.physics.prior else 0
        size = self.signature.width(self.physics) + self.favoured
        observed = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        super().__init__(environment.num_envs, observed, outputs)
        self._returns, self._lengths = np.zeros(self.num_envs), np.zeros(self.num_envs, np.int64)
        self.finished: list[tuple[float, int, bool]] = []
        """Return, length and whether the task was completed, of every episode since it was last emptied."""

    def reset(self) -> NDArray[np.float32]:
        observation, _ = self.environment.reset(seed=self._seed)
        self._seed = None
        self._returns[:], self._lengths[:] = 0.0, 0
        self._seen = self._beliefs.begin(observation)
        return self._flat(self._seen)

    def step_async(self, actions: NDArray[Any]) -> None:
        self._actions = self.physics.actions(self._seen, actions, *self._bounds)

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        observation, reward, terminated, truncated, info = self.environment.step(self._actions)
        ended = terminated | truncated
        self._returns += reward
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        rows = np.flatnonzero(ended)
        last = self._last(observation, rows, info)
        shaped = reward + self._shaping(last, terminated) if self.physics.potential else reward
        if len(rows):
            final = self._flat(last)
            for row in rows:
                infos[row] = self._ending(final[row], bool(terminated[row]), int(row))
        self._seen = self._beliefs.forget(rows, observation) if len(rows) else last
        return self._flat(self._seen), shaped.astype(np.float32), ended, infos

    def action_masks(self) -> NDArray[np.bool_]:
        """Choices [B, n] that physics allows now; NotImplementedError where it masks nothing."""
        allowed = self.physics.allowed(self._seen, len(self.signature.low))
        if allowed is None:
            raise NotImplementedError("these copies mask nothing: physics.mask=true")
        return allowed

    def close(self) -> None:
        self.environment.close()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        self._seed = seed
        return [seed] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        if attr_name == "action_masks" and not self.physics.mask:
            raise AttributeError("these copies mask nothing: physics.mask=true")
        owner = self if attr_name == "action_masks" else self.environment
        return [getattr(owner, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError("the copies of a twin share their settings: make another environment")

    def env_method(self, method_name: str, *arguments: Any, indices: Any = None, **named: Any) -> list[Any]:
        if method_name == "action_masks":
            allowed = self.action_masks()
            return [allowed[row] for row in self._get_indices(indices)]
        raise NotImplementedError("the copies of a twin are rows of one batch: there is no method of one of them")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * len(list(self._get_indices(indices)))

    def _outputs(self) -> gymnasium.Space[Any]:
        low, high = (np.array(bounds) for bounds in (self.signature.low, self.signature.high))
        self._bounds = low, high
        observed = [name for name, _ in self.signature.observation]
        least, most, choices = self.physics.outputs(low, high, self.signature.choices, observed)
        if choices is not None:
            return gymnasium.spaces.Discrete(choices)
        return gymnasium.spaces.Box(least.astype(np.float32), most.astype(np.float32), dtype=np.float32)

    def _last(
        self, observation: Mapping[str, NDArray[Any]], rows: NDArray[np.intp], info: Mapping[str, Any]
    ) -> Mapping[str, NDArray[Any]]:
        """What was seen last in every row, those that ended included, with what is believed then."""
        electrons = np.array(info["electrons"])
        if len(rows):
            electrons[rows] = info["final_info"]["electrons"][rows]
            final = [info["final_obs"][row] for row in rows]
            observation = {name: np.array(values) for name, values in observation.items()}
            for name, values in observation.items():
                values[rows] = [it[name] for it in final]
        return self._beliefs.after(self._seen, self._actions, observation, electrons)

    def _shaping(self, last: Mapping[str, NDArray[Any]], terminated: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What the potential adds to the rewards: discounted after, less before; it is 0 where a task is over."""
        after = np.where(terminated, 0.0, self.physics.shaping(last))
        return np.asarray(self._gamma * after - self.physics.shaping(self._seen))

    def _ending(self, final: NDArray[np.float32], complete: bool, row: int) -> dict[str, Any]:
        self.finished.append((float(self._returns[row]), int(self._lengths[row]), complete))
        self._returns[row], self._lengths[row] = 0.0, 0
        return {"terminal_observation": final, "TimeLimit.truncated": not complete}

    def _flat(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        seen = self.signature.flat(observation, self.physics)
        favoured = self.physics.favoured(observation, len(self.signature.low))
        return (seen if favoured is None else np.concatenate([seen, favoured], axis=1)).astype(np.float32)

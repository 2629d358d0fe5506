"""Learners that go over what they saw again and again: SAC, TQC and DQN, by Stable-Baselines3 and sb3-contrib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from agents.protocol import AgentError
from agents.reinforcement.learner import Learner
from physics_priors.bounds import Bounds

_BUFFER = "replay.npz"
_KEPT = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class Replaying(Learner):
    """What the three share; a checkpoint holds what was seen too, as plain numbers.

    The arguments are Stable-Baselines3's, but that `gradient_steps` follow every step of all copies together.
    """

    between = "relu"

    def __init__(
        self,
        learning_rate: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 1e-3,
        buffer_size: Annotated[int, Bounds("steps", 1, 10_000_000)] = 100_000,
        learning_starts: Annotated[int, Bounds("steps", 0, 10_000_000)] = 1000,
        batch_size: Annotated[int, Bounds("steps", 1, 1_000_000)] = 256,
        gradient_steps: Annotated[int, Bounds("steps", 1, 10_000)] = 4,
        gamma: Annotated[float, Bounds("", 0.0, 1.0)] = 0.99,
        layers: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__(gamma)
        self._own = {
            "learning_rate": learning_rate,
            "buffer_size": buffer_size,
            "learning_starts": learning_starts,
            "batch_size": batch_size,
            "gradient_steps": gradient_steps,
            "train_freq": 1,
            "gamma": gamma,
        }
        self._layers = list(layers)

    def arguments(self, environments: Any) -> dict[str, Any]:
        if self._own["buffer_size"] < environments.num_envs:
            raise AgentError(f"trainer.buffer_size={self._own['buffer_size']} is less than one step of all copies")
        return {"policy_kwargs": {"net_arch": self._layers}, **self._own}

    def save(self, folder: Path) -> None:
        super().save(folder)
        buffer = self._model.replay_buffer
        filled = buffer.buffer_size if buffer.full else buffer.pos
        arrays = {name: getattr(buffer, name)[:filled] for name in _KEPT}
        np.savez(folder / _BUFFER, pos=buffer.pos, full=buffer.full, **arrays)

    def restore(self, environments: Any, folder: Path) -> None:
        super().restore(environments, folder)
        buffer = self._model.replay_buffer
        with np.load(folder / _BUFFER, allow_pickle=False) as stored:
            for name in _KEPT:
                getattr(buffer, name)[: len(stored[name])] = stored[name]
            buffer.pos, buffer.full = int(stored["pos"]), bool(stored["full"])


class SAC(Replaying):
    """Soft actor-critic (T. Haarnoja et al., 2018): as much reward, and as random, as can be had together."""

    name = "SAC"
    squashed = True

    def algorithm(self) -> Any:
        from stable_baselines3 import SAC as Algorithm

        return Algorithm

    def arguments(self, environments: Any) -> dict[str, Any]:
        if hasattr(environments.action_space, "n"):
            raise AgentError(f"{self.name} puts numbers out, not choices: physics.action=plain or residual")
        return super().arguments(environments)

    def linear(self, network: Any) -> list[Any]:
        return [*network.actor.latent_pi, network.actor.mu]


class TQC(SAC):
    """The same with quantiles of the value, the largest ones left out (A. Kuznetsov et al., 2020)."""

    name = "TQC"

    def algorithm(self) -> Any:
        from sb3_contrib import TQC as Algorithm

        return Algorithm


class DQN(Replaying):
    """Deep Q-learning (V. Mnih et al., 2015), for choices: physics.action=grid or choices makes some of numbers."""

    name = "DQN"

    def algorithm(self) -> Any:
        from stable_baselines3 import DQN as Algorithm

        return Algorithm

    def arguments(self, environments: Any) -> dict[str, Any]:
        if not hasattr(environments.action_space, "n"):
            raise AgentError("DQN wants choices: physics.action=grid (any task) or choices makes some")
        return {**super().arguments(environments), "target_update_interval": 500}

    def linear(self, network: Any) -> list[Any]:
        return list(network.q_net.q_net)

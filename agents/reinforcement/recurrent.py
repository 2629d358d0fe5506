"""Proximal policy optimisation with a memory (sb3-contrib), for tasks where one observation does not say it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from agents.reinforcement.learner import numbers
from agents.reinforcement.lstm import Lstm
from agents.reinforcement.ppo import PPO
from physics_priors.bounds import Bounds


class RecurrentPPO(PPO):
    """PPO with long short-term memory, `cells` wide: one before the layers of the policy, one before the value's.

    A row forgets when its episode ends. The other arguments are those of PPO.
    """

    name = "RecurrentPPO"
    network = "MlpLstmPolicy"

    def __init__(
        self,
        learning_rate: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 1e-3,
        rollout: Annotated[int, Bounds("steps", 1, 100_000)] = 64,
        batch_size: Annotated[int, Bounds("steps", 1, 10_000_000)] = 1024,
        epochs: Annotated[int, Bounds("epochs", 1, 1000)] = 5,
        gamma: Annotated[float, Bounds("", 0.0, 1.0)] = 0.99,
        gae_lambda: Annotated[float, Bounds("", 0.0, 1.0)] = 0.95,
        clip_range: Annotated[float, Bounds("", 0.0, 10.0, open_low=True)] = 0.2,
        entropy: Annotated[float, Bounds("", 0.0, 10.0)] = 0.0,
        cells: Annotated[int, Bounds("units", 1, 4096)] = 64,
        layers: Sequence[int] = (64,),
    ) -> None:
        super().__init__(learning_rate, rollout, batch_size, epochs, gamma, gae_lambda, clip_range, entropy, layers)
        self._cells = cells

    def algorithm(self) -> Any:
        from sb3_contrib import RecurrentPPO as Algorithm

        return Algorithm

    def arguments(self, environments: Any) -> dict[str, Any]:
        found = super().arguments(environments)
        return {**found, "policy_kwargs": {**found["policy_kwargs"], "lstm_hidden_size": self._cells}}

    def memory(self, network: Any) -> Lstm | None:
        lstm = network.lstm_actor
        bias = numbers(lstm.bias_ih_l0) + numbers(lstm.bias_hh_l0)
        return Lstm(numbers(lstm.weight_ih_l0), numbers(lstm.weight_hh_l0), bias)

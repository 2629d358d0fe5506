"""Proximal policy optimisation, by Stable-Baselines3, and by sb3-contrib where choices are masked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from agents.protocol import AgentError
from agents.reinforcement.learner import Learner
from physics_priors.bounds import Bounds


class PPO(Learner):
    """A network of tanh layers, observations and rewards standardised as they come (J. Schulman et al., 2017).

    The arguments are Stable-Baselines3's.
    """

    name = "PPO"
    guides = True

    def __init__(
        self,
        learning_rate: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 3e-4,
        rollout: Annotated[int, Bounds("steps", 1, 100_000)] = 64,
        batch_size: Annotated[int, Bounds("steps", 1, 10_000_000)] = 1024,
        epochs: Annotated[int, Bounds("epochs", 1, 1000)] = 5,
        gamma: Annotated[float, Bounds("", 0.0, 1.0)] = 0.99,
        gae_lambda: Annotated[float, Bounds("", 0.0, 1.0)] = 0.95,
        clip_range: Annotated[float, Bounds("", 0.0, 10.0, open_low=True)] = 0.2,
        entropy: Annotated[float, Bounds("", 0.0, 10.0)] = 0.0,
        layers: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__(gamma)
        self._own = {
            "learning_rate": learning_rate,
            "n_steps": rollout,
            "batch_size": batch_size,
            "n_epochs": epochs,
            "gamma": gamma,
            "gae_lambda": gae_lambda,
            "clip_range": clip_range,
            "ent_coef": entropy,
        }
        self._layers = list(layers)

    def algorithm(self) -> Any:
        from stable_baselines3 import PPO as Algorithm

        return Algorithm

    def arguments(self, environments: Any) -> dict[str, Any]:
        brought = int(self._own["n_steps"]) * environments.num_envs
        if self._own["batch_size"] > brought:
            raise AgentError(
                f"trainer.batch_size={self._own['batch_size']} is more than the {brought} steps that trainer.rollout "
                "times copies bring: lower it, or raise one of the others"
            )
        return {"policy_kwargs": {"net_arch": {"pi": self._layers, "vf": self._layers}}, **self._own}

    def linear(self, network: Any) -> list[Any]:
        return [*network.mlp_extractor.policy_net, network.action_net]


class MaskedPPO(PPO):
    """The same among the choices that physics allows (S. Huang, S. Ontañón, 2020)."""

    name = "MaskablePPO"
    masks = True

    def algorithm(self) -> Any:
        from sb3_contrib import MaskablePPO

        return MaskablePPO

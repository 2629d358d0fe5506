"""Proximal policy optimisation, by Stable-Baselines3."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from agents.protocol import AgentError
from agents.reinforcement.policy import Policy, Signature
from physics_priors.bounds import Bounds

_CLIP = 10.0


class PPO:
    """A network of tanh layers, observations and rewards standardised as they come (J. Schulman et al., 2017).

    The arguments are Stable-Baselines3's. What was saved goes on with the same weights, optimiser, statistics and
    random numbers, but with fresh episodes: continued training equals an unbroken one in law, not bit for bit.
    """

    name = "PPO"

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
        self._model: Any = None

    def begin(self, environments: Any, seed: int) -> None:
        import torch
        from stable_baselines3 import PPO as Learner

        torch.set_num_threads(1)
        shape = {"net_arch": {"pi": self._layers, "vf": self._layers}}
        brought = int(self._own["n_steps"]) * environments.num_envs
        if self._own["batch_size"] > brought:
            raise AgentError(
                f"trainer.batch_size={self._own['batch_size']} is more than the {brought} steps that trainer.rollout times "
                "copies bring: lower it, or raise one of the others"
            )
        self._model = Learner(
            "MlpPolicy", self._standardised(environments), seed=seed, device="cpu", policy_kwargs=shape, **self._own
        )

    def restore(self, environments: Any, folder: Path) -> None:
        import torch
        from stable_baselines3 import PPO as Learner

        torch.set_num_threads(1)
        wrapped = self._standardised(environments)
        with np.load(folder / "statistics.npz", allow_pickle=False) as stored:
            for name, running in (("observation", wrapped.obs_rms), ("return", wrapped.ret_rms)):
                running.mean, running.var = stored[f"{name}_mean"], stored[f"{name}_var"]
                running.count = float(stored[f"{name}_count"])
            torch.set_rng_state(torch.from_numpy(stored["torch"]))
        state = json.loads((folder / "numpy.json").read_text())
        np.random.set_state((state["kind"], np.array(state["keys"], np.uint32), *state["rest"]))  # noqa: NPY002 (SB3 draws from it)
        self._model = Learner.load(folder / "model.zip", env=wrapped, device="cpu")

    def learn(self, steps: int) -> Mapping[str, float]:
        self._model.learn(steps, reset_num_timesteps=False)
        values = self._model.logger.name_to_value
        return {name.replace("train/", ""): float(value) for name, value in values.items() if name.startswith("train/")}

    @property
    def steps(self) -> int:
        return 0 if self._model is None else int(self._model.num_timesteps)

    def policy(self, signature: Signature, about: Mapping[str, Any]) -> Policy:
        import torch

        running = self._model.get_env().obs_rms
        network = self._model.policy
        linear = [*network.mlp_extractor.policy_net, network.action_net]
        found = [layer for layer in linear if isinstance(layer, torch.nn.Linear)]
        layers = tuple(tuple(p.detach().numpy().astype(np.float64) for p in (it.weight, it.bias)) for it in found)
        std = np.sqrt(running.var + 1e-8)
        said = {"algorithm": self.name, "steps": self.steps, **about}
        return Policy(signature, layers, np.array(running.mean), std, _CLIP, said)  # type: ignore[arg-type]

    def save(self, folder: Path) -> None:
        import torch

        self._model.save(folder / "model.zip")
        wrapped = self._model.get_env()
        statistics: dict[str, Any] = {"torch": torch.get_rng_state().numpy()}
        for name, running in (("observation", wrapped.obs_rms), ("return", wrapped.ret_rms)):
            statistics |= {f"{name}_mean": running.mean, f"{name}_var": running.var, f"{name}_count": running.count}
        np.savez(folder / "statistics.npz", **statistics)
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002 (SB3 draws from it)
        (folder / "numpy.json").write_text(json.dumps({"kind": kind, "keys": np.asarray(keys).tolist(), "rest": rest}))

    def _standardised(self, environments: Any) -> Any:
        from stable_baselines3.common.vec_env import VecNormalize

        return VecNormalize(environments, gamma=float(self._own["gamma"]), clip_obs=_CLIP)

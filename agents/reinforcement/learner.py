"""What the learners of Stable-Baselines3 share: standardised observations and rewards, putting down and taking up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from agents.protocol import AgentError
from agents.reinforcement.guided import guided, standardised
from agents.reinforcement.lstm import Lstm
from agents.reinforcement.physics import Physics
from agents.reinforcement.policy import Policy, Signature

_CLIP = 10.0


class Learner:
    """What was saved goes on with the same weights, optimiser, statistics and random numbers, but with fresh episodes.

    So continued training equals an unbroken one in law, not bit for bit.
    """

    name: ClassVar[str]
    network: ClassVar[str] = "MlpPolicy"
    masks: ClassVar[bool] = False
    recorded: ClassVar[bool] = False
    done: ClassVar[bool] = False
    between: ClassVar[Literal["tanh", "relu"]] = "tanh"
    squashed: ClassVar[bool] = False
    guides: ClassVar[bool] = False
    """Whether what physics favours is added to the outputs."""

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma
        self._model: Any = None

    def algorithm(self) -> Any:
        """The library's class."""
        raise NotImplementedError

    def arguments(self, environments: Any) -> dict[str, Any]:
        """Of the library's class, for environments (VecEnv); AgentError where they do not suit it."""
        raise NotImplementedError

    def linear(self, network: Any) -> list[Any]:
        """The modules, in order, from observations (or from the memory) to the most likely output."""
        raise NotImplementedError

    def memory(self, network: Any) -> Lstm | None:
        """What stands between observations and the modules of `linear`; None where nothing is remembered."""
        return None

    def begin(self, environments: Any, seed: int) -> None:
        import torch

        torch.set_num_threads(1)
        own = self.arguments(environments)
        made, kind = self.algorithm(), self._kind(environments)
        self._model = made(kind, self._standardised(environments), seed=seed, device="cpu", **own)

    def restore(self, environments: Any, folder: Path) -> None:
        import torch

        torch.set_num_threads(1)
        wrapped = self._standardised(environments)
        with np.load(folder / "statistics.npz", allow_pickle=False) as stored:
            for name, running in (("observation", wrapped.obs_rms), ("return", wrapped.ret_rms)):
                running.mean, running.var = stored[f"{name}_mean"], stored[f"{name}_var"]
                running.count = float(stored[f"{name}_count"])
            torch.set_rng_state(torch.from_numpy(stored["torch"]))
        state = json.loads((folder / "numpy.json").read_text())
        np.random.set_state((state["kind"], np.array(state["keys"], np.uint32), *state["rest"]))  # noqa: NPY002 (SB3 draws from it)
        kind = self._kind(environments)
        own = {} if kind == self.network else {"custom_objects": {"policy_class": kind}}
        self._model = self.algorithm().load(folder / "model.zip", env=wrapped, device="cpu", **own)

    def learn(self, steps: int) -> Mapping[str, float]:
        self._model.learn(steps, reset_num_timesteps=False)
        values = self._model.logger.name_to_value
        return {name.replace("train/", ""): float(value) for name, value in values.items() if name.startswith("train/")}

    @property
    def steps(self) -> int:
        return 0 if self._model is None else int(self._model.num_timesteps)

    def policy(self, signature: Signature, about: Mapping[str, Any], physics: Physics) -> Policy:
        import torch

        running, seen = self._model.get_env().obs_rms, signature.width(physics)
        found = [layer for layer in self.linear(self._model.policy) if isinstance(layer, torch.nn.Linear)]
        layers = tuple((numbers(layer.weight), numbers(layer.bias)) for layer in found)
        std = np.sqrt(running.var[:seen] + 1e-8)
        said = {"algorithm": self.name, "steps": self.steps, **about}
        network = _CLIP, said, self.between, self.squashed
        memory = self.memory(self._model.policy)
        return Policy(signature, layers, np.array(running.mean[:seen]), std, *network, physics, memory)

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
        return standardised(environments, self.gamma, _CLIP, environments.favoured)

    def _kind(self, environments: Any) -> Any:
        """The policy's class or its name; AgentError where physics favours choices and the learner cannot heed it."""
        if not environments.favoured:
            return self.network
        if not self.guides:
            raise AgentError(f"physics.prior is for trainer=ppo and masked_ppo, {self.name} does not heed it")
        return guided(self.algorithm().policy_aliases[self.network], environments.favoured)


def numbers(parameter: Any) -> Any:
    """A parameter of torch as an array."""
    return parameter.detach().numpy().astype(np.float64)

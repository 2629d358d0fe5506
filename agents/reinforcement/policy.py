"""A trained policy as numbers and a description: a small network that anybody can read back without unpickling."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError
from agents.reinforcement.lstm import Lstm, Memory
from agents.reinforcement.physics import Physics

Floats = NDArray[np.float64]
FORMAT = 2
"""One more where the policy has a memory."""
SHIPPED = Path(__file__).with_name("shipped")
"""Policies that come with the package: `probewright train training=NAME`, seed 0, wrote NAME.npz."""
BELIEF = 2
"""Numbers of a belief that a network sees: mean and spread."""
_SHIPPED = "shipped:"
_REGISTRY = "sqlite:///{}/runs/mlflow.db"


@dataclass(frozen=True)
class Signature:
    """What a policy sees and does: observations by name and shape, actions within bounds or 0 .. choices - 1."""

    observation: tuple[tuple[str, tuple[int, ...]], ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    choices: int | None = None

    def flat(self, observation: Mapping[str, NDArray[Any]], physics: Physics | None = None) -> Floats:
        """Observations by name, each [B, ...], as [B, n]; raises AgentError where they are others.

        `physics` may hide some, and adds its belief.
        """
        hidden = () if physics is None else physics.hide
        missing = [name for name, _ in self.observation if name not in observation]
        if missing:
            known = ", ".join(sorted(observation))
            raise AgentError(f"this policy wants an observation {missing[0]!r}, the task gives: {known}")
        parts = []
        for name, shape in self.observation:
            values = np.asarray(observation[name], dtype=np.float64)
            if values.shape[1:] != shape:
                raise AgentError(
                    f"this policy was trained on {name!r} of shape {shape}, the task gives {values.shape[1:]}"
                )
            if name not in hidden:
                parts.append(values.reshape(len(values), -1))
        return np.concatenate([*parts, *self._believed(observation, physics)], axis=1)

    def width(self, physics: Physics) -> int:
        """How many numbers `flat` gives; AgentError where what `physics` hides is not there."""
        names = [name for name, _ in self.observation]
        if strange := [name for name in physics.hide if name not in names]:
            raise AgentError(f"physics.hide: there is no observation {strange[0]!r}, only {', '.join(names)}")
        seen = sum(int(np.prod(shape)) for name, shape in self.observation if name not in physics.hide)
        if not seen + physics.belief:
            raise AgentError("physics.hide leaves nothing for the network to see")
        return seen + BELIEF * physics.belief

    def _believed(self, observation: Mapping[str, NDArray[Any]], physics: Physics | None) -> list[Floats]:
        if physics is None or not physics.belief:
            return []
        if "belief" not in observation:
            raise AgentError("this policy keeps a belief: let agent=trained act by it, or begin its `Beliefs`")
        return [np.asarray(observation["belief"], dtype=np.float64)]


@dataclass(frozen=True)
class Policy:
    """Layers (weight [out, in], bias [out]) with `between` between them, on observations standardised and clipped.

    `squashed` outputs go through tanh onto the bounds. `physics` says what outputs mean to the task.
    """

    signature: Signature
    layers: tuple[tuple[Floats, Floats], ...]
    mean: Floats
    std: Floats
    clip: float
    about: Mapping[str, Any]
    """Task, algorithm, steps, seed: for people."""
    between: Literal["tanh", "relu"] = "tanh"
    squashed: bool = False
    physics: Physics = field(default_factory=Physics)
    lstm: Lstm | None = None
    """A memory between observations and layers."""

    def act(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The most likely action [B, d] (or [B] choices) for observations by name, each [B, ...].

        Where physics keeps a belief, they are those that `Beliefs` hands on. AgentError where the policy has a memory:
        then `step` wants it.
        """
        if self.lstm is not None:
            raise AgentError("this policy remembers what it saw: act by step(observation, memory)")
        return self.step(observation, None)[0]

    def step(
        self, observation: Mapping[str, NDArray[Any]], memory: Memory | None
    ) -> tuple[NDArray[Any], Memory | None]:
        """Actions, and the memory for the next step; None is that of a beginning, and of policies without any."""
        seen = self.signature.flat(observation, self.physics)
        values = np.clip((seen - self.mean) / self.std, -self.clip, self.clip)
        after = self.lstm.step(values, memory or self.lstm.fresh(len(values))) if self.lstm else None
        return self._head(observation, values if after is None else after.hidden), after

    def _head(self, observation: Mapping[str, NDArray[Any]], values: Floats) -> NDArray[Any]:
        for weight, bias in self.layers[:-1]:
            values = values @ weight.T + bias
            values = np.tanh(values) if self.between == "tanh" else np.maximum(values, 0.0)
        weight, bias = self.layers[-1]
        low, high = np.array(self.signature.low), np.array(self.signature.high)
        put_out = self._put_out(observation, values @ weight.T + bias)
        return self.physics.actions(observation, put_out, low, high)

    def _put_out(self, observation: Mapping[str, NDArray[Any]], values: Floats) -> NDArray[Any]:
        wanted = np.array(self.signature.low), np.array(self.signature.high), self.signature.choices
        low, high, choices = self.physics.outputs(*wanted, [name for name, _ in self.signature.observation])
        if choices is not None:
            size = len(self.signature.low)
            allowed, favoured = (ask(observation, size) for ask in (self.physics.allowed, self.physics.favoured))
            values = values if favoured is None else values + favoured
            return np.asarray((values if allowed is None else np.where(allowed, values, -np.inf)).argmax(-1))
        if self.squashed:
            values = low + 0.5 * (high - low) * (np.tanh(values) + 1.0)
        return np.clip(values, low, high)

    def save(self, path: Path) -> None:
        """Write it as one .npz file, whole or not at all."""
        arrays: dict[str, Any] = {"mean": self.mean, "std": self.std}
        for number, (weight, bias) in enumerate(self.layers):
            arrays |= {f"weight_{number}": weight, f"bias_{number}": bias}
        if self.lstm is not None:
            arrays |= {f"lstm_{name}": values for name, values in vars(self.lstm).items()}
        signature = {
            "observation": [[name, list(shape)] for name, shape in self.signature.observation],
            "low": list(self.signature.low),
            "high": list(self.signature.high),
            "choices": self.signature.choices,
        }
        network = {"clip": self.clip, "between": self.between, "squashed": self.squashed}
        said = {
            "format": FORMAT if self.lstm is None else FORMAT + 1,
            "signature": signature,
            **network,
            "physics": asdict(self.physics),
        }
        said["about"] = dict(self.about)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez_compressed(file, said=np.array(json.dumps(said)), **arrays)
        temporary.replace(path)


def load(where: str) -> Policy:
    """The policy in a file, in MLflow's registry (models:/NAME/VERSION) or of the package (shipped:NAME).

    Raises AgentError where it cannot be had.
    """
    path = _path_of(where)
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        said = json.loads(str(arrays.pop("said")))
    except FileNotFoundError:
        raise AgentError(f"there is no policy {where}: train one with `probewright train`") from None
    except (OSError, ValueError, KeyError) as error:
        raise AgentError(
            f"{where} is no policy of ours: a policy is a .npz of numbers, and nothing is unpickled ({error})"
        ) from None
    if said.get("format") not in (FORMAT, FORMAT + 1):
        raise AgentError(
            f"{where} is a policy of format {said.get('format')}, this version reads {FORMAT} and {FORMAT + 1}"
        )
    return _read(said, arrays)


def _read(said: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Policy:
    described = said["signature"]
    observation = tuple((name, tuple(shape)) for name, shape in described["observation"])
    signature = Signature(observation, tuple(described["low"]), tuple(described["high"]), described["choices"])
    count = sum(name.startswith("weight_") for name in arrays)
    layers = tuple((arrays[f"weight_{i}"], arrays[f"bias_{i}"]) for i in range(count))
    physics = Physics(**said["physics"])
    network = float(said["clip"]), said["about"], said["between"], bool(said["squashed"])
    lstm = Lstm(*(arrays[f"lstm_{f.name}"] for f in fields(Lstm))) if "lstm_into" in arrays else None
    return Policy(signature, layers, arrays["mean"], arrays["std"], *network, physics, lstm)


def _path_of(where: str) -> Path:
    if where.startswith("models:/"):
        return _registered(where)
    if not where.startswith(_SHIPPED):
        return Path(where).expanduser()
    known = sorted(path.stem for path in SHIPPED.glob("*.npz"))
    if where.removeprefix(_SHIPPED) not in known:
        raise AgentError(f"no policy {where} comes with this version; there are {', '.join(known)}")
    return SHIPPED / f"{where.removeprefix(_SHIPPED)}.npz"


def _registered(where: str) -> Path:
    """The file of models:/NAME/VERSION; MLflow's own settings for the process stay as they are."""
    match = re.fullmatch(r"models:/([^/]+)/(\d+)", where)
    if match is None:
        raise AgentError(f"{where} names no policy of the registry: give models:/NAME/VERSION, say models:/mine/1")
    try:
        import mlflow
    except ImportError as error:
        raise AgentError(f"{where} is in MLflow's registry, and MLflow is not installed: {error}") from None
    at = os.environ.get("MLFLOW_TRACKING_URI") or _REGISTRY.format(Path.cwd())
    try:
        client = mlflow.MlflowClient(tracking_uri=at, registry_uri=at)
        source = client.get_model_version_download_uri(*match.groups())
        folder = Path(mlflow.artifacts.download_artifacts(source, tracking_uri=at, registry_uri=at))
    except Exception as error:
        raise AgentError(f"{where} is not in the registry at {at}: {str(error).splitlines()[0]}") from None
    found = sorted(folder.rglob("*.npz")) if folder.is_dir() else [folder]
    if not found:
        raise AgentError(f"{where} holds no policy of ours: there is no .npz in it")
    return found[0]

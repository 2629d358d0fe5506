"""Behaviour cloning: a network that puts out what was done where something like this was seen (D. Pomerleau, 1989)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError
from agents.reinforcement.lessons import Lessons
from agents.reinforcement.physics import Physics
from agents.reinforcement.policy import Policy, Signature
from physics_priors.bounds import Bounds

Floats = NDArray[np.float64]
_CLIP: Final = 10.0
_CONSTANT: Final = 1e-6
_NEVER: Final = -1e9
_KEPT: Final = "clone.npz"


class Cloning:
    """Fits tanh layers to recorded steps: mean squares of numbers (in half ranges), or cross-entropy of choices.

    A share `validation` of the episodes is held back, whole; after `patience` epochs in which the loss on them did not
    fall the fit ends. The policy is that of the epoch with the lowest. A step is a recorded step that was gone over.
    What was saved goes on as if it had never been put down, bit for bit on the same machine.
    """

    name: ClassVar[str] = "behaviour cloning"
    masks: ClassVar[bool | None] = None
    recorded: ClassVar[bool] = True
    gamma: ClassVar[float] = 1.0

    def __init__(
        self,
        learning_rate: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 1e-3,
        batch_size: Annotated[int, Bounds("steps", 1, 1_000_000)] = 256,
        validation: Annotated[float, Bounds("", 0.0, 1.0, open_low=True, open_high=True)] = 0.2,
        patience: Annotated[int, Bounds("epochs", 1, 100_000)] = 20,
        weight_decay: Annotated[float, Bounds("", 0.0, 10.0)] = 1e-4,
        layers: Sequence[int] = (64, 64),
    ) -> None:
        self._rate, self._batch, self._decay = learning_rate, batch_size, weight_decay
        self._validation, self._patience, self._layers = validation, patience, list(layers)
        self._epochs, self._steps, self._stale = 0, 0, 0
        self._least = np.inf
        self._best: list[Any] = []

    def begin(self, environments: Any, seed: int) -> None:
        """Get ready to learn `environments`: Lessons, no environments."""
        import torch

        torch.set_num_threads(1)
        self._seed = seed
        self._take(environments)
        torch.manual_seed(seed)
        sizes = [self._seen.shape[1], *self._layers, self._outputs]
        linear = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        between: list[Any] = [part for layer in linear for part in (layer, torch.nn.Tanh())]
        self._network = torch.nn.Sequential(*between[:-1])
        self._optimiser = torch.optim.AdamW(self._network.parameters(), lr=self._rate, weight_decay=self._decay)
        self._best = self._weights()

    def restore(self, environments: Any, folder: Path) -> None:
        import torch

        with np.load(folder / _KEPT, allow_pickle=False) as stored:
            self.begin(environments, int(stored["seed"]))
            count = len(self._best)
            self._best = [stored[f"best_{i}"] for i in range(count)]
            self._epochs, self._steps, self._stale = (int(stored[name]) for name in ("epochs", "steps", "stale"))
            self._least = float(stored["least"])
            for i, parameter in enumerate(self._network.parameters()):
                parameter.data.copy_(torch.from_numpy(stored[f"weight_{i}"]))
                if self._steps:
                    self._optimiser.state[parameter] = {
                        name: torch.from_numpy(stored[f"{name}_{i}"]) for name in ("step", "exp_avg", "exp_avg_sq")
                    }

    def save(self, folder: Path) -> None:
        kept: dict[str, Any] = {"seed": self._seed, "epochs": self._epochs, "steps": self._steps}
        kept |= {"stale": self._stale, "least": self._least}
        for i, parameter in enumerate(self._network.parameters()):
            state = self._optimiser.state.get(parameter, {})
            kept |= {f"weight_{i}": parameter.detach().numpy(), f"best_{i}": self._best[i]}
            kept |= {f"{name}_{i}": value.numpy() for name, value in state.items()}
        np.savez(folder / _KEPT, **kept)

    def learn(self, steps: int) -> Mapping[str, float]:
        """Go over all lessons again and again, for at least `steps` steps or until the held-back loss falls no more."""
        goal, loss = self._steps + steps, float("nan")
        while self._steps < goal and not self.done:
            loss = self._epoch()
            held = self._held_loss()
            self._epochs, self._steps = self._epochs + 1, self._steps + len(self._own)
            self._stale += 1
            if held < self._least:
                self._least, self._stale, self._best = held, 0, self._weights()
        return {"loss": loss, "validation_loss": self._least}

    @property
    def steps(self) -> int:
        return self._steps

    @property
    def done(self) -> bool:
        """Whether the loss on what was held back has not fallen for `patience` epochs."""
        return self._stale >= self._patience

    @property
    def held_back(self) -> int:
        """Episodes that are not learned from."""
        return self._count

    def policy(self, signature: Signature, about: Mapping[str, Any], physics: Physics) -> Policy:
        best = [values.astype(np.float64) for values in self._best]
        *inner, (weight, bias) = zip(best[::2], best[1::2], strict=True)
        last = (weight * self._half[:, None], bias * self._half + self._middle)
        said = {"algorithm": self.name, "steps": self.steps, "epochs": self._epochs, **about}
        return Policy(signature, (*inner, last), self._mean, self._std, _CLIP, said, "tanh", False, physics)

    def _take(self, lessons: Lessons) -> None:
        """Split, standardise by what is learned from alone, and work the targets out."""
        if lessons.physics.belief or lessons.physics.prior:
            raise AgentError("trainer=clone heeds neither physics.belief nor physics.prior: leave both out")
        held = self._split(lessons.episode)
        self._own, self._held = np.flatnonzero(~held), np.flatnonzero(held)
        flat = lessons.signature.flat(lessons.observation, lessons.physics)
        if not np.isfinite(flat).all():
            raise AgentError("an observation in the data is not finite: nothing can be learned from it")
        self._mean, spread = flat[self._own].mean(0), flat[self._own].std(0)
        self._std = np.where(spread > _CONSTANT, spread, 1.0)
        self._seen = np.clip((flat - self._mean) / self._std, -_CLIP, _CLIP).astype(np.float32)
        targets, self._allowed, choices = lessons.targets(), lessons.allowed(), lessons.choices
        self._outputs = choices or targets.shape[1]
        self._middle, self._half = np.zeros(self._outputs), np.ones(self._outputs)
        self._chooses, self._wanted = choices is not None, targets
        if not self._chooses:
            low, high, _ = lessons.physics.outputs(
                np.array(lessons.signature.low), np.array(lessons.signature.high), None, list(lessons.observation)
            )
            bounded = np.isfinite(low) & np.isfinite(high)
            spread = np.maximum(targets[self._own].std(0), _CONSTANT)
            self._middle = np.where(bounded, 0.5 * (low + high), targets[self._own].mean(0))
            self._half = np.where(bounded, 0.5 * (high - low), spread)
            self._wanted = ((targets - self._middle) / self._half).astype(np.float32)

    def _split(self, episode: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which steps [N] are held back: all of some episodes, at least of one, and never of all."""
        known = np.unique(episode)
        if len(known) < 2:
            raise AgentError(f"{len(known)} episode cannot be split to see when to stop: record at least 2")
        self._count = min(max(1, round(self._validation * len(known))), len(known) - 1)
        return np.isin(episode, np.random.default_rng(self._seed).permutation(known)[: self._count])

    def _epoch(self) -> float:
        """The mean loss over one pass; the order depends on the seed and the epoch's number alone."""
        order, total = np.random.default_rng([self._seed, self._epochs]).permutation(self._own), 0.0
        for first in range(0, len(order), self._batch):
            rows = order[first : first + self._batch]
            self._optimiser.zero_grad()
            loss = self._loss(rows)
            loss.backward()
            self._optimiser.step()
            total += float(loss.detach()) * len(rows)
        return total / len(order)

    def _held_loss(self) -> float:
        import torch

        with torch.no_grad():
            return float(self._loss(self._held))

    def _loss(self, rows: NDArray[np.intp]) -> Any:
        import torch

        found = self._network(torch.from_numpy(self._seen[rows]))
        wanted = torch.from_numpy(self._wanted[rows])
        if not self._chooses:
            return torch.nn.functional.mse_loss(found, wanted)
        if self._allowed is not None:
            found = torch.where(torch.from_numpy(self._allowed[rows]), found, _NEVER)
        return torch.nn.functional.cross_entropy(found, wanted)

    def _weights(self) -> list[Any]:
        return [parameter.detach().numpy().copy() for parameter in self._network.parameters()]

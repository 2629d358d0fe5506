"""A small network that tells classes apart from whole spectra: trained by torch, used as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_RATE, _DECAY, _SMOOTHING = 5e-3, 1e-3, 0.05


@dataclass(frozen=True)
class Network:
    """An ensemble of perceptrons with one hidden layer: weights [members, m, h], [members, h, classes] and biases."""

    middle: Floats
    scale: float
    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats

    def probabilities(self, spectra: Floats) -> Floats:
        """Probability [n, classes] of every class for spectra [n, m], averaged over the members."""
        seen = (spectra - self.middle) / self.scale
        hidden = np.tanh(np.einsum("nm,emh->enh", seen, self.first) + self.first_bias[:, None])
        logits = np.einsum("enh,ehc->enc", hidden, self.second) + self.second_bias[:, None]
        raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray((raised / raised.sum(axis=-1, keepdims=True)).mean(axis=0))


def train(
    spectra: Floats, labels: NDArray[np.int64], classes: int, *, hidden: int, members: int, rounds: int, seed: int
) -> Network:
    """Fit to labelled spectra [n, m]; the same seed and data give the same network.

    Fresh noise, as large as that between neighbouring samples of the spectra, is added in every round, and rare classes
    count as much as frequent ones.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    middle, scale = spectra.mean(axis=0), max(float(spectra.std()), 1e-300)
    data = torch.as_tensor((spectra - middle) / scale, dtype=torch.float32).expand(members, *spectra.shape)
    target = torch.nn.functional.one_hot(torch.as_tensor(labels), classes).float()
    target = (1 - _SMOOTHING) * target + _SMOOTHING / classes
    share = np.bincount(labels, minlength=classes)[labels]
    weight = torch.as_tensor(len(labels) / (classes * share), dtype=torch.float32)
    noise = float(np.median(np.abs(np.diff(spectra, axis=1)))) / scale
    layers = _layers(members, spectra.shape[1], hidden, classes, generator)
    optimiser = torch.optim.AdamW(layers, lr=_RATE, weight_decay=_DECAY)
    for _ in range(rounds):
        shaken = data + noise * torch.randn(data.shape, generator=generator)
        logits = _forward(shaken, layers)
        loss = -(weight[:, None] * target * logits.log_softmax(dim=-1)).sum() / (members * len(labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    first, first_bias, second, second_bias = (layer.detach().numpy().astype(np.float64) for layer in layers)
    return Network(middle, scale, first, first_bias, second, second_bias)


def _layers(members: int, inputs: int, hidden: int, classes: int, generator: Any) -> list[Any]:
    import torch

    shapes = ((members, inputs, hidden), (members, hidden), (members, hidden, classes), (members, classes))
    sizes = (inputs**-0.5, 0.0, hidden**-0.5, 0.0)
    made = [s * torch.randn(shape, generator=generator) for shape, s in zip(shapes, sizes, strict=True)]
    return [layer.requires_grad_() for layer in made]


def _forward(data: Any, layers: list[Any]) -> Any:
    first, first_bias, second, second_bias = layers
    hidden = (data @ first + first_bias[:, None]).tanh()
    return hidden @ second + second_bias[:, None]

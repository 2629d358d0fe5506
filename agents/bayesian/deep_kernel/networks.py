"""What a deep kernel is, as a row of numbers, and what is believed of them beforehand.

A member turns the features x [K] of a candidate into a few latent inputs,

    z = (A x + V tanh(W x + b)) / l,

of a Gaussian process whose covariance is a sum of two Matern 5/2 kernels, one of the position and one of z, as in the
plain Gaussian process. The middle of the prior is a plain one: A picks the leading features, and V is zero. All priors
are normal, of the numbers or of their logarithms, so that members are rows xi [size] of standard normal numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agents.bayesian.hyperparameters import NOISE, OUTPUTSCALE, POSITION, Hyperparameters

if TYPE_CHECKING:
    import torch

Parts = dict[str, "torch.Tensor"]
LATENT_MEDIAN, LATENT_WIDTH = 3.0, 0.7
"""Prior of l, in standard deviations of the strongest feature; the plain process has PATCH, in units of their range."""
_LINEAR, _INNER, _MEAN = 0.5, 1.0, 1.0
"""Prior standard deviations of A, of W and b, and of the mean; of V it is the inverse root of the hidden units."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a member: features it sees, axes of the position, hidden units, latent inputs."""

    features: int
    axes: int
    hidden: int
    latent: int

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """The shape of each part of a member, in the order in which they stand in its row."""
        q, k, h = self.latent, self.features, self.hidden
        network = {"linear": (q, k), "outer": (q, h), "inner": (h, k), "bias": (h,)}
        scales = {"lengthscale": (self.axes + 1,), "outputscale": (1 + (self.axes > 0),)}
        return {**network, **scales, "noise": (1,), "mean": (1,)}

    @property
    def size(self) -> int:
        """Numbers of a member."""
        return sum(math.prod(shape) for shape in self.parts.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the Gaussian process's inputs, by which their kernels are told apart."""
        return (*(f"position_{i}" for i in range(self.axes)), *(f"latent_{i}" for i in range(self.latent)))

    def split(self, rows: torch.Tensor) -> Parts:
        """The parts [E, ...] of rows [E, size], as views of them."""
        import torch

        pieces = torch.split(rows, [math.prod(shape) for shape in self.parts.values()], dim=1)
        named = zip(self.parts.items(), pieces, strict=True)
        return {name: piece.view(len(rows), *shape) for (name, shape), piece in named}


class Prior:
    """What is believed of every member: the middle and the width [size] of each number; of scales and noise, of their
    logarithms.
    """

    def __init__(self, shape: Shape) -> None:
        import torch

        groups = 1 + (shape.axes > 0)
        lengthscales = [(POSITION.median, POSITION.width)] * shape.axes + [(LATENT_MEDIAN, LATENT_WIDTH)]
        spread: dict[str, tuple[float | list[float], float | list[float]]] = {
            "linear": (torch.eye(shape.latent, shape.features).ravel().tolist(), _LINEAR),
            "outer": (0.0, shape.hidden**-0.5),
            "inner": (0.0, _INNER),
            "bias": (0.0, _INNER),
            "lengthscale": _logarithms(lengthscales),
            "outputscale": _logarithms([(OUTPUTSCALE.median / groups, OUTPUTSCALE.width)] * groups),
            "noise": _logarithms([(NOISE.median, NOISE.width)]),
            "mean": (0.0, _MEAN),
        }
        counts = {name: math.prod(sizes) for name, sizes in shape.parts.items()}
        self.shape = shape
        self.middle, self.width = (
            torch.tensor(np.concatenate([np.broadcast_to(spread[name][i], counts[name]) for name in counts]))
            for i in range(2)
        )

    def rows(self, xi: torch.Tensor) -> torch.Tensor:
        """Members [E, size] of standard normal numbers [E, size]."""
        return self.middle + self.width * xi


def _logarithms(scales: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    medians, widths = zip(*scales, strict=True)
    return [math.log(median) for median in medians], list(widths)


def latents(part: Parts, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Latent inputs [E, n, q] of features [n, K], and what the hidden units say of them [E, n, H]."""
    import torch

    hidden = torch.tanh(features @ part["inner"].mT + part["bias"][:, None, :])
    stretch = torch.exp(-part["lengthscale"][:, -1])[:, None, None]
    return stretch * (features @ part["linear"].mT + hidden @ part["outer"].mT), hidden


def hyperparameters(part: Parts, member: int) -> Hyperparameters:
    """Those of one member's Gaussian process, whose latent inputs are in units of their length scale."""
    import torch

    latent = part["linear"].shape[1]
    lengthscales = torch.cat([part["lengthscale"][member, :-1].exp(), torch.ones(latent, dtype=torch.float64)])
    outputscale = part["outputscale"][member].exp()
    noise, mean = part["noise"][member].exp().item(), part["mean"][member].item()
    return Hyperparameters(lengthscales.numpy(), outputscale.numpy(), noise, mean)

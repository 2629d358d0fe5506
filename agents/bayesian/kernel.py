"""The covariance of the signal: a sum over groups of inputs of Matern 5/2 kernels, as `surrogate` has it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.hyperparameters import Hyperparameters, groups

if TYPE_CHECKING:
    import torch


class SignalKernel:
    """Covariances between candidates, from their inputs [N, d] scaled once."""

    def __init__(self, inputs: NDArray[np.float64], names: tuple[str, ...], given: Hyperparameters) -> None:
        import torch

        scaled = torch.from_numpy(inputs * (math.sqrt(5.0) / given.lengthscales))
        self._groups = [scaled[:, columns].contiguous() for columns in groups(names)]
        self._outputscales = [float(value) for value in given.outputscale]
        self.variance = sum(self._outputscales)
        """Of the signal at any place."""

    def between(self, rows: torch.Tensor, columns: torch.Tensor | slice) -> torch.Tensor:
        """Covariance of the candidates `rows` [n] with `columns` [m]: [n, m]."""
        parts = [
            matern(_distance(scaled[rows], scaled[columns])).mul_(scale)
            for scaled, scale in zip(self._groups, self._outputscales, strict=True)
        ]
        return sum(parts[1:], start=parts[0])


def _distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Euclidean distances [n, m], column by column: exact where two inputs are equal."""
    squares = (a[:, :1] - b[:, 0]).square_()
    for column in range(1, a.shape[1]):
        squares += (a[:, column : column + 1] - b[:, column]).square_()
    return squares.sqrt_()


def matern(distance: torch.Tensor) -> torch.Tensor:
    """Matern 5/2 correlation of distances sqrt(5) r, any shape (Rasmussen and Williams 2006, eq. 4.17)."""
    faded = distance.neg().exp_()
    return distance.square().div_(3.0).add_(distance).add_(1.0).mul_(faded)


def matern_slope(distance: torch.Tensor) -> torch.Tensor:
    """What an input's squared scaled distance r_i^2 is multiplied by for the derivative of `matern` by the logarithm
    of that input's length scale.
    """
    return (1.0 + distance) * (-distance).exp() * (5.0 / 3.0)

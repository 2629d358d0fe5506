"""What is fitted of the Gaussian process, and what is believed of it beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LogNormal:
    """A prior: median, standard deviation of the logarithm, and the least value allowed."""

    median: float
    width: float
    least: float


POSITION = LogNormal(0.25, 0.6, 0.01)
"""Length scale along an axis of the field, in units of the field."""
PATCH = LogNormal(0.5, 0.8, 0.01)
"""Length scale along a patch component, in units of the spread of the strongest component."""
OUTPUTSCALE = LogNormal(1.0, 0.8, 1e-3)
"""Variance of the signal, in units of the standardised values."""
NOISE = LogNormal(0.02, 1.2, 1e-5)
"""Variance of a single measurement, in units of the standardised values."""


@dataclass(frozen=True)
class Hyperparameters:
    """Length scales [d] in units of the field; variances and mean in units of the standardised values."""

    lengthscales: NDArray[np.float64]
    outputscale: float
    noise: float
    mean: float

    def plain(self) -> dict[str, Any]:
        """As plain values and arrays."""
        return {**vars(self), "lengthscales": self.lengthscales.copy()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Hyperparameters:
        """The inverse of `plain`."""
        lengthscales = np.array(plain["lengthscales"], dtype=np.float64)
        return cls(lengthscales, float(plain["outputscale"]), float(plain["noise"]), float(plain["mean"]))


def lengthscale_priors(names: tuple[str, ...]) -> list[LogNormal]:
    """The prior of each input's length scale, by the input's name."""
    return [PATCH if name.startswith("patch") else POSITION for name in names]


def prior_medians(names: tuple[str, ...]) -> Hyperparameters:
    """The medians of the priors: what holds before any fit."""
    lengthscales = np.array([prior.median for prior in lengthscale_priors(names)])
    return Hyperparameters(lengthscales, OUTPUTSCALE.median, NOISE.median, 0.0)

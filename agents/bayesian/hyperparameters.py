"""What is fitted of the Gaussian process, and what is believed of it beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
AXIS = LogNormal(0.25, 0.6, 0.01)
"""As POSITION, along an axis of a box that is not the field: the median grows as the root of half their number."""
PATCH = LogNormal(0.6, 0.8, 0.01)
"""Length scale along a patch component where there is but one, in units of the spread of the strongest component.

The median grows as the root of the number of components, as distances do, so that the model is no rougher with many
(Hvarfner, Hellsten and Nardi, Vanilla Bayesian Optimization Performs Great in High Dimensions, ICML 2024).
"""
OUTPUTSCALE = LogNormal(1.0, 0.8, 1e-3)
"""Variance of the whole signal, in units of the standardised values; its groups share the median evenly."""
NOISE = LogNormal(0.02, 1.2, 1e-5)
"""Variance of a single measurement, in units of the standardised values."""

_KNOWN_TO = 0.25
"""How well ten repeats tell a standard deviation, relative."""


def known_noise(std: float) -> LogNormal:
    """What is believed of the standard deviation of a single measurement that repeats have told."""
    return LogNormal(std, _KNOWN_TO, 0.1 * std)


def known_noise_variance(std: float) -> LogNormal:
    """The same of its square."""
    return LogNormal(std**2, 2.0 * _KNOWN_TO, 0.01 * std**2)


@dataclass(frozen=True)
class Hyperparameters:
    """Length scales [d] in units of the unit cube; variances and mean in units of the standardised values.

    outputscale [groups] is the variance of what each group of inputs explains. excess [values told], where noise is
    not equal: the squared noise to be expected of each, over `noise`; NaN of a value that was of no use.
    """

    lengthscales: NDArray[np.float64]
    outputscale: NDArray[np.float64]
    noise: float
    mean: float
    excess: NDArray[np.float64] | None = None

    def plain(self) -> dict[str, Any]:
        """As plain values and arrays."""
        return {**vars(self), "lengthscales": self.lengthscales.copy(), "outputscale": self.outputscale.copy()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Hyperparameters:
        """The inverse of `plain`."""
        lengthscales = np.array(plain["lengthscales"], dtype=np.float64)
        outputscale = np.array(plain["outputscale"], dtype=np.float64, ndmin=1)
        excess = None if plain.get("excess") is None else np.array(plain["excess"], dtype=np.float64)
        return cls(lengthscales, outputscale, float(plain["noise"]), float(plain["mean"]), excess)

    def suits(self, names: tuple[str, ...]) -> bool:
        """Whether there is a length scale for every input named, and an output scale for every group of them."""
        return len(self.lengthscales) == len(names) and len(self.outputscale) == len(groups(names))


def groups(names: tuple[str, ...]) -> list[list[int]]:
    """The columns of each group of inputs: those whose names begin with the same word, `patch` in patch_0."""
    words = [name.split("_")[0] for name in names]
    return [[i for i, word in enumerate(words) if word == group] for group in dict.fromkeys(words)]


def lengthscale_priors(names: tuple[str, ...]) -> list[LogNormal]:
    """The prior of each input's length scale, by the input's name."""
    patches = [name.startswith("patch") for name in names]
    patch = replace(PATCH, median=PATCH.median * max(1, sum(patches)) ** 0.5)
    axes = sum(name.startswith("axis") for name in names)
    axis = replace(AXIS, median=AXIS.median * max(1.0, axes / 2) ** 0.5)
    kinds = {"patch": patch, "axis": axis}
    return [kinds.get(name.split("_")[0], POSITION) for name in names]


def outputscale_priors(names: tuple[str, ...]) -> list[LogNormal]:
    """The prior of each group's output scale."""
    count = len(groups(names))
    return [replace(OUTPUTSCALE, median=OUTPUTSCALE.median / count)] * count


def prior_medians(names: tuple[str, ...]) -> Hyperparameters:
    """The medians of the priors: what holds before any fit."""
    lengthscales = np.array([prior.median for prior in lengthscale_priors(names)])
    outputscale = np.array([prior.median for prior in outputscale_priors(names)])
    return Hyperparameters(lengthscales, outputscale, NOISE.median, 0.0)

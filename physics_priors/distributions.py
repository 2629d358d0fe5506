"""Distributions of single numbers, fed with explicit uniforms: a quantile, its inverse, and a log density.

Each is a frozen dataclass that a YAML can name. All methods take numbers or arrays and keep their shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


class Distribution(Protocol):
    """One uncertain number."""

    def quantile(self, uniform: ArrayLike) -> Floats:
        """Values at cumulative probabilities in (0, 1)."""
        ...

    def cumulative(self, value: ArrayLike) -> Floats:
        """Probability of a smaller value; the inverse of `quantile`."""
        ...

    def log_density(self, value: ArrayLike) -> Floats:
        """Natural logarithm of the density; -inf where the value is impossible."""
        ...


@dataclass(frozen=True)
class Normal:
    """Mean and standard deviation (above 0)."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _ordered(0.0, self.sd, "Normal: sd must be above 0")

    def quantile(self, uniform: ArrayLike) -> Floats:
        from scipy.special import ndtri

        return np.asarray(self.mean + self.sd * ndtri(np.asarray(uniform, dtype=np.float64)))

    def cumulative(self, value: ArrayLike) -> Floats:
        from scipy.special import ndtr

        return np.asarray(ndtr((np.asarray(value, dtype=np.float64) - self.mean) / self.sd))

    def log_density(self, value: ArrayLike) -> Floats:
        z = (np.asarray(value, dtype=np.float64) - self.mean) / self.sd
        return np.asarray(-0.5 * z**2 - math.log(self.sd) - _LOG_ROOT_2PI)


@dataclass(frozen=True)
class LogNormal:
    """Median (above 0), and the factor (above 1) that is one standard deviation of the logarithm."""

    median: float
    factor: float

    def __post_init__(self) -> None:
        _ordered(0.0, self.median, "LogNormal: median must be above 0")
        _ordered(1.0, self.factor, "LogNormal: factor must be above 1")

    @property
    def _log(self) -> Normal:
        return Normal(math.log(self.median), math.log(self.factor))

    def quantile(self, uniform: ArrayLike) -> Floats:
        return np.asarray(np.exp(self._log.quantile(uniform)))

    def cumulative(self, value: ArrayLike) -> Floats:
        return self._log.cumulative(_log(value))

    def log_density(self, value: ArrayLike) -> Floats:
        log = _log(value)
        return np.where(np.isfinite(log), self._log.log_density(log) - np.where(np.isfinite(log), log, 0.0), -np.inf)


@dataclass(frozen=True)
class Uniform:
    """Between low and high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _ordered(self.low, self.high, "Uniform: low must be below high")

    def quantile(self, uniform: ArrayLike) -> Floats:
        return np.asarray(self.low + np.asarray(uniform, dtype=np.float64) * (self.high - self.low))

    def cumulative(self, value: ArrayLike) -> Floats:
        return np.clip((np.asarray(value, dtype=np.float64) - self.low) / (self.high - self.low), 0.0, 1.0)

    def log_density(self, value: ArrayLike) -> Floats:
        x = np.asarray(value, dtype=np.float64)
        return np.where((x >= self.low) & (x <= self.high), -math.log(self.high - self.low), -np.inf)


@dataclass(frozen=True)
class LogUniform:
    """Between low (above 0) and high, the logarithm uniform: a number known to orders of magnitude."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _ordered(0.0, self.low, "LogUniform: low must be above 0")
        _ordered(self.low, self.high, "LogUniform: low must be below high")

    @property
    def _log(self) -> Uniform:
        return Uniform(math.log(self.low), math.log(self.high))

    def quantile(self, uniform: ArrayLike) -> Floats:
        return np.asarray(np.exp(self._log.quantile(uniform)))

    def cumulative(self, value: ArrayLike) -> Floats:
        return self._log.cumulative(_log(value))

    def log_density(self, value: ArrayLike) -> Floats:
        log = _log(value)
        return self._log.log_density(log) - np.where(np.isfinite(log), log, 0.0)


@dataclass(frozen=True)
class Gamma:
    """Shape and rate (both above 0), of mean shape / rate: what is known of an event rate."""

    shape: float
    rate: float

    def __post_init__(self) -> None:
        _ordered(0.0, min(self.shape, self.rate), "Gamma: shape and rate must be above 0")

    def quantile(self, uniform: ArrayLike) -> Floats:
        from scipy.special import gammaincinv

        return np.asarray(gammaincinv(self.shape, np.asarray(uniform, dtype=np.float64)) / self.rate)

    def cumulative(self, value: ArrayLike) -> Floats:
        from scipy.special import gammainc

        return np.asarray(gammainc(self.shape, np.maximum(np.asarray(value, dtype=np.float64), 0.0) * self.rate))

    def log_density(self, value: ArrayLike) -> Floats:
        log = _log(value)
        known = np.isfinite(log)
        x = np.where(known, np.asarray(value, dtype=np.float64), 1.0)
        constant = self.shape * math.log(self.rate) - math.lgamma(self.shape)
        body = constant + (self.shape - 1.0) * np.where(known, log, 0.0) - self.rate * x
        return np.where(known, body, -np.inf)


def _log(value: ArrayLike) -> Floats:
    """Logarithm, -inf at and below zero."""
    x = np.asarray(value, dtype=np.float64)
    return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), -np.inf)


def _ordered(low: float, high: float, said: str) -> None:
    if not low < high:
        raise ValueError(f"{said}, got {low!r} and {high!r}")

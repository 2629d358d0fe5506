"""Means that outliers do not move, and intervals by bootstrap, stratified by task and paired by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.benchmark.statistics import FEWEST_SEEDS

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""From draws [B, seeds, tasks] to numbers [B]."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval; low and high are NaN below ten seeds, low or high alone for one-sided bounds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.low) and np.isnan(self.high):
            return f"{self.value:.3f} (too few seeds for an interval)"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def interquartile_mean(draws: Array) -> Array:
    """Mean of the middle half of all seeds and tasks together: draws [B, seeds, tasks] to [B]."""
    flat = np.sort(draws.reshape(len(draws), -1), axis=-1)
    cut = int(0.25 * flat.shape[-1])
    return np.asarray(flat[:, cut : flat.shape[-1] - cut].mean(axis=-1))


def mean(draws: Array) -> Array:
    """Mean over seeds and tasks: draws [B, seeds, tasks] to [B]."""
    return np.asarray(draws.mean(axis=(-2, -1)))


def resampled(seeds: int, tasks: int, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Indices [draws, seeds, tasks]: seeds drawn with replacement within each task (stratified)."""
    return rng.integers(0, seeds, (draws, seeds, tasks))


def drawn(index: NDArray[np.intp], seeds: int) -> Array:
    """How often each seed was drawn: indices [draws, seeds] to counts [draws, seeds]."""
    flat = index + seeds * np.arange(len(index))[:, None]
    return np.bincount(flat.ravel(), minlength=seeds * len(index)).reshape(len(index), seeds).astype(float)


def bootstrap(scores: Array, statistic: Statistic, index: NDArray[np.intp], level: float = 0.95) -> Interval:
    """Percentile interval of a statistic of scores [seeds, tasks], at the indices of `resampled`."""
    value = float(statistic(scores[None])[0])
    if len(scores) < FEWEST_SEEDS:
        return Interval(value, np.nan, np.nan)
    draws = statistic(np.take_along_axis(scores[None], index, axis=1))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def paired_bootstrap(
    scores: tuple[Array, ...],
    statistic: Callable[..., Array],
    index: NDArray[np.intp],
    level: float = 0.95,
) -> Interval:
    """As `bootstrap`, of a statistic of several policies whose seeds are drawn together."""
    value = float(statistic(*(s[None] for s in scores))[0])
    if len(scores[0]) < FEWEST_SEEDS:
        return Interval(value, np.nan, np.nan)
    draws = statistic(*(np.take_along_axis(s[None], index, axis=1) for s in scores))
    draws = draws[np.isfinite(draws)]
    if len(draws) == 0:
        return Interval(value, np.nan, np.nan)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def lower_bound(differences: Array, level: float = 0.95) -> float:
    """One-sided lower bound of the mean of paired differences [seeds], by Student's t; NaN below ten seeds."""
    from scipy.stats import t

    n = len(differences)
    if n < FEWEST_SEEDS:
        return float("nan")
    spread = float(np.std(differences, ddof=1)) / np.sqrt(n)
    return float(np.mean(differences) - t.ppf(level, n - 1) * spread)

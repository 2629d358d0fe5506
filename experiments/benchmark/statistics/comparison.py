"""Two policies, or many, compared on the same seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.benchmark.statistics import FEWEST_SEEDS
from experiments.benchmark.statistics.intervals import Interval, drawn

Array = NDArray[np.float64]


def probability_of_improvement(a: Array, b: Array) -> Array:
    """P(a > b) + P(a = b) / 2 for draws [B, seeds, tasks], over all pairs of seeds, averaged over tasks: [B]."""
    better = (a[:, :, None, :] > b[:, None, :, :]).mean(axis=(1, 2))
    equal = (a[:, :, None, :] == b[:, None, :, :]).mean(axis=(1, 2))
    return np.asarray((better + 0.5 * equal).mean(axis=-1))


def improvement_interval(a: Array, b: Array, index: NDArray[np.intp], level: float = 0.95) -> Interval:
    """P(a > b) + P(a = b) / 2 of scores [seeds, tasks] with its interval; seeds of both are drawn together.

    The same numbers as bootstrapping `probability_of_improvement`, from how often each seed was drawn.
    """
    value = float(probability_of_improvement(a[None], b[None])[0])
    seeds, tasks = a.shape
    if seeds < FEWEST_SEEDS:
        return Interval(value, np.nan, np.nan)
    wins = np.asarray((a[:, None] > b[None]) + 0.5 * (a[:, None] == b[None]))
    draws = np.zeros(len(index))
    for task in range(tasks):
        counts = drawn(index[..., task], seeds)
        draws += ((counts @ wins[..., task]) * counts).sum(-1) / (seeds**2 * tasks)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def performance_profile(scores: Array, thresholds: Array) -> Array:
    """Fraction of runs [seeds, tasks] that score above each threshold [k], every task weighing the same: [k]."""
    return np.asarray((scores[None] > thresholds[:, None, None]).mean(axis=1).mean(axis=-1))


def paired_p_value(differences: Array, seed: int = 0, draws: int = 9999) -> float:
    """Two-sided p of 'no difference' for paired differences [seeds, tasks], by flipping signs seed by seed.

    Exact in level at any number of seeds; all differences zero, or a single seed, give 1. Differences of one seed on
    several tasks are flipped together, so that correlated tasks do not make it too sure.
    """
    per_seed = np.atleast_2d(differences.T).T.mean(axis=-1)
    if not np.any(per_seed) or len(per_seed) == 1:
        return 1.0
    from scipy.stats import permutation_test

    found = permutation_test(
        (per_seed,),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=draws,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down rule (Holm 1979), in the order given."""
    order = np.argsort(p_values)
    count, running = len(p_values), 0.0
    corrected = [0.0] * count
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (count - rank) * p_values[index]))
        corrected[index] = running
    return corrected


def enhancement_factor(policy: Array, baseline: Array) -> Array:
    """Best value after equal spending, policy over baseline, in means over seeds: draws [B, seeds, 1] to [B]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(policy.mean(axis=(-2, -1)) / baseline.mean(axis=(-2, -1)))


def acceleration_factor(policy: Array, baseline: Array) -> Array:
    """How many times sooner: median time to target, baseline over policy, from draws [B, seeds, 1] to [B].

    A run that never reaches the target has an infinite time; NaN where half of the policy's runs do not reach it.
    """
    with np.errstate(invalid="ignore"):
        ours, theirs = (np.median(x.reshape(len(x), -1), axis=-1) for x in (policy, baseline))
        return np.where(np.isfinite(ours) & (ours > 0), theirs / np.where(ours > 0, ours, 1.0), np.nan)

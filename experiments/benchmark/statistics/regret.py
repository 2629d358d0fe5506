"""Regret: how far the best value found is from the best there is, against what was spent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def simple_regret(values: Array, best: float, worst: float) -> Array:
    """Regret after each step [n], scaled: 1 before anything is known (a value of `worst`), 0 at `best`.

    values [n] are the true values of the chosen places; NaN (a failed measurement) leaves the regret as it was.
    Raises ValueError where best does not exceed worst.
    """
    if not best > worst:
        raise ValueError(f"best ({best:g}) must exceed worst ({worst:g})")
    known = np.where(np.isnan(values), -np.inf, values)
    running = np.maximum(np.maximum.accumulate(known), worst) if len(values) else np.zeros(0)
    return np.clip((best - running) / (best - worst), 0.0, None)


def area_under_regret(regret: Array, spent: Array, budget: float) -> float:
    """Mean regret over the budget: the area under the step function of regret against what was spent, over `budget`.

    regret [n] holds from spent[i] on (steps, seconds or electrons, non-decreasing); before the first it is 1, and
    the last one holds to the end of the budget. What was spent beyond the budget does not count.
    """
    if not budget > 0:
        raise ValueError("the budget must be positive")
    edges = np.concatenate([[0.0], np.minimum(spent, budget), [budget]])
    heights = np.concatenate([[1.0], regret])
    return float(np.sum(heights * np.diff(edges)) / budget)


def gap_closed(policy: Array, baseline: Array, oracle: Array) -> Array:
    """Fraction of the gap between baseline and oracle that a policy closes, from mean areas under regret [...].

    1 is as good as the oracle, 0 no better than the baseline, negative is worse; NaN where there is no gap.
    """
    gap = np.asarray(baseline - oracle, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap > 0, (baseline - policy) / gap, np.nan)

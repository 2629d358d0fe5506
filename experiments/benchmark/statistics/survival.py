"""Time to target, where some runs never reach it: they are censored, not left out (Kaplan and Meier 1958)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """Fraction of runs that have not reached the target [k] from each time [k] on."""

    times: Array
    fraction: Array

    def median(self) -> float:
        """Time by which half the runs have reached it; infinite where fewer ever do."""
        reached = np.flatnonzero(self.fraction <= 0.5)
        return float(self.times[reached[0]]) if len(reached) else float("inf")


def kaplan_meier(times: Array, reached: NDArray[np.bool_]) -> Survival:
    """From times [n] at which the target was reached, or watching ended without (`reached` False)."""
    if len(times) == 0:
        raise ValueError("there are no runs to watch")
    from scipy.stats import CensoredData, ecdf

    sample = CensoredData(uncensored=times[reached], right=times[~reached])
    survived = ecdf(sample).sf
    return Survival(np.asarray(survived.quantiles, float), np.asarray(survived.probabilities, float))


def time_to_target(regret: Array, spent: Array, target: float) -> tuple[float, bool]:
    """When a regret curve [n] first falls to `target`, in units of spent [n]; else the last time and False."""
    hits = np.flatnonzero(regret <= target)
    if len(hits):
        return float(spent[hits[0]]), True
    return (float(spent[-1]) if len(spent) else 0.0), False

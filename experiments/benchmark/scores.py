"""Rows as arrays: what every policy scored on every sample, on budgets that are the same for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.benchmark.cell import Row
from experiments.benchmark.statistics.regret import area_under_regret
from experiments.benchmark.statistics.survival import time_to_target
from experiments.benchmark.suite import ORACLE

Array = NDArray[np.float64]

UNITS = ("steps", "seconds", "electrons")
WORST_AREA = 1.0
"""Area under regret of a run that failed, timed out or cheated: as if it had never found anything."""


@dataclass(frozen=True, order=True)
class Problem:
    """A task under a scenario: what one table of results is about."""

    task: str
    scenario: str

    def __str__(self) -> str:
        return f"{self.task}, {self.scenario}"


@dataclass(frozen=True)
class Scores:
    """Arrays [seeds, problems] for each policy; nothing is left out: a run that gave nothing has the worst score.

    areas under regret by unit of spending (smaller is better; NaN where a problem spends none of it), final is the
    best value found, scaled to 0 (the sample's worst) and 1 (its best), times are steps to the target (infinite
    where it was never reached) and budget the steps that were watched [seeds, problems].
    """

    policies: Sequence[str]
    baseline: str
    problems: Sequence[Problem]
    seeds: Sequence[int]
    rows: Mapping[tuple[str, Problem, int], Row]
    areas: Mapping[str, Mapping[str, Array]]
    final: Mapping[str, Array]
    times: Mapping[str, Array]
    budget: Array

    @property
    def compared(self) -> list[str]:
        """The policies that are held against the baseline: all but it and the oracle."""
        return [policy for policy in self.policies if policy not in (self.baseline, ORACLE)]

    def units(self, problem: int | None = None) -> list[str]:
        """The units that a problem (its index; None: all of them) is spent in."""
        columns = slice(None) if problem is None else problem
        return [unit for unit in UNITS if np.isfinite(self.areas[unit][self.policies[0]][:, columns]).all()]

    def runs(self, policy: str, problem: int | None = None) -> list[Row]:
        """The rows of a policy, on one problem (its index) or all."""
        problems = self.problems if problem is None else [self.problems[problem]]
        return [self.rows[policy, p, seed] for p in problems for seed in self.seeds]


def collect(rows: Iterable[Row], baseline: str, target: float) -> Scores:
    """The scores of a suite's rows; every policy must have a row for every seed of every problem."""
    by_key = {(row.policy, Problem(row.task, row.scenario), row.seed): row for row in rows}
    named = list(dict.fromkeys(policy for policy, _, _ in by_key))
    policies = [p for p in named if p != ORACLE] + [ORACLE] * (ORACLE in named)
    problems = list(dict.fromkeys(problem for _, problem, _ in by_key))
    seeds = sorted({seed for _, _, seed in by_key})
    shape = (len(seeds), len(problems))
    areas = {unit: {policy: np.full(shape, np.nan) for policy in policies} for unit in UNITS}
    final = {policy: np.zeros(shape) for policy in policies}
    times = {policy: np.full(shape, np.inf) for policy in policies}
    budget = np.ones(shape)
    for j, problem in enumerate(problems):
        spent = _units_spent(by_key[policy, problem, seed] for policy in policies for seed in seeds)
        for i, seed in enumerate(seeds):
            sample = {policy: by_key[policy, problem, seed] for policy in policies}
            common = common_budgets(sample.values())
            budget[i, j] = common.get("steps", 1.0)
            for policy, row in sample.items():
                for unit in spent:
                    areas[unit][policy][i, j] = area(row, unit, common.get(unit, 0.0))
                if row.status == "ok":
                    final[policy][i, j] = 1.0 - row.regret[-1]
                    time, reached = time_to_target(np.array(row.regret), steps(row), target)
                    times[policy][i, j] = time if reached else np.inf
    return Scores(policies, baseline, problems, seeds, by_key, areas, final, times, budget)


def common_budgets(sample: Iterable[Row]) -> dict[str, float]:
    """What all policies of a sample (task, scenario, seed) are judged on.

    As many steps as any of them made; as many seconds and electrons as all of them spent, so that none is judged on
    what it did not measure. Runs that gave nothing have no say.
    """
    good = [row for row in sample if row.status == "ok" and row.regret]
    if not good:
        return {}
    return {
        "steps": float(max(len(row.regret) for row in good)),
        "seconds": min(row.seconds[-1] for row in good),
        "electrons": min(row.electrons[-1] for row in good),
    }


def area(row: Row, unit: str, budget: float) -> float:
    """Area under the regret of a row over a common budget; the worst where the run gave nothing."""
    if row.status != "ok" or not row.regret or not budget > 0:
        return WORST_AREA
    return area_under_regret(np.array(row.regret), spending(row, unit), budget)


def spending(row: Row, unit: str) -> Array:
    """What was spent until after each step [n]."""
    if unit == "steps":
        return steps(row)
    return np.array(row.seconds if unit == "seconds" else row.electrons, dtype=float)


def steps(row: Row) -> Array:
    """1, 2, 3, ... for every step of a row."""
    return np.arange(1.0, len(row.regret) + 1)


def _units_spent(rows: Iterable[Row]) -> list[str]:
    """The units that every run that gave something was spent in."""
    good = [row for row in rows if row.status == "ok" and row.regret]
    return [unit for unit in UNITS if all(spending(row, unit)[-1] > 0 for row in good)]

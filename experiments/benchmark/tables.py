"""The tables of a suite: every policy over all problems, and on each of them.

What is summed up how: areas under regret by their interquartile mean, gaps closed from mean areas task by task,
everything with 95 % intervals by bootstrap, stratified by task and paired by seed. No interval below ten seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.benchmark.scores import Array, Scores
from experiments.benchmark.statistics import FEWEST_SEEDS
from experiments.benchmark.statistics.comparison import (
    acceleration_factor,
    enhancement_factor,
    improvement_interval,
)
from experiments.benchmark.statistics.intervals import (
    Interval,
    bootstrap,
    interquartile_mean,
    paired_bootstrap,
    resampled,
)
from experiments.benchmark.statistics.regret import gap_closed
from experiments.benchmark.statistics.survival import kaplan_meier
from experiments.benchmark.suite import ORACLE

DRAWS = 10_000


@dataclass(frozen=True)
class Line:
    """A policy's line of a table; None is what does not apply (the baseline against itself).

    area by unit of spending; enhancement and acceleration are factors over the baseline, the latter a lower bound
    where the baseline's own median_steps to the target are infinite: fewer than half of its runs reach it. decide_ms
    are medians over runs.
    """

    policy: str
    runs: int
    area: Mapping[str, Interval]
    gap_closed: Interval | None
    improvement: Interval | None
    enhancement: Interval | None
    acceleration: Interval | None
    median_steps: float
    failed: int
    cheated: int
    decide_ms: Mapping[str, float]


@dataclass(frozen=True)
class Table:
    """Lines for all problems together (`problem` empty) or one of them; gap is baseline minus oracle, in steps."""

    problem: str
    seeds: int
    baseline: str
    gap: float
    lines: Sequence[Line]

    @property
    def units(self) -> list[str]:
        """What areas are given against."""
        return list(self.lines[0].area)


def tables(scores: Scores, draws: int = DRAWS) -> list[Table]:
    """The table over all problems, and where there are several one for each; empty cells are never dropped."""
    each = [_table(scores, j, draws) for j in range(len(scores.problems))]
    return [_table(scores, None, draws), *each] if len(each) > 1 else each


def _table(scores: Scores, problem: int | None, draws: int) -> Table:
    columns = slice(None) if problem is None else slice(problem, problem + 1)
    count = scores.budget[:, columns].shape[1]
    index = resampled(len(scores.seeds), count, draws, np.random.default_rng(0))
    view = _View(scores, columns, index)
    name = "" if problem is None else str(scores.problems[problem])
    lines = [_line(scores, view, policy, problem) for policy in scores.policies]
    return Table(name, len(scores.seeds), scores.baseline, view.gap(), lines)


@dataclass(frozen=True)
class _View:
    """Some columns of the scores, with the indices of their bootstrap."""

    scores: Scores
    columns: slice
    index: NDArray[np.intp]

    def area(self, policy: str, unit: str = "steps") -> Array:
        return self.scores.areas[unit][policy][:, self.columns]

    def gap(self) -> float:
        if ORACLE not in self.scores.policies:
            return float("nan")
        return float((self.area(self.scores.baseline) - self.area(ORACLE)).mean())


def _line(scores: Scores, view: _View, policy: str, problem: int | None) -> Line:
    rows = scores.runs(policy, problem)
    other = policy != scores.baseline
    return Line(
        policy,
        len(rows),
        {u: bootstrap(view.area(policy, u), interquartile_mean, view.index) for u in scores.units(problem)},
        _gap_closed(view, policy) if ORACLE in scores.policies and other else None,
        _improvement(view, policy) if other else None,
        _factor(view, policy) if other else None,
        _acceleration(view, policy) if other and problem is not None else None,
        _median_steps(scores, policy, view.columns),
        sum(row.status in ("failed", "timeout") for row in rows),
        sum(row.status == "cheated" for row in rows),
        {name: _median([row.decide_ms[name] for row in rows if row.decide_ms]) for name in ("p50", "p99")},
    )


def _gap_closed(view: _View, policy: str) -> Interval:
    def closed(ours: Array, baseline: Array, oracle: Array) -> Array:
        return np.asarray(gap_closed(*(x.mean(axis=-2) for x in (ours, baseline, oracle))).mean(axis=-1))

    areas = tuple(view.area(name) for name in (policy, view.scores.baseline, ORACLE))
    return paired_bootstrap(areas, closed, view.index)


def _improvement(view: _View, policy: str) -> Interval:
    return improvement_interval(1.0 - view.area(policy), 1.0 - view.area(view.scores.baseline), view.index)


def _factor(view: _View, policy: str) -> Interval:
    found = [view.scores.final[name][:, view.columns] for name in (policy, view.scores.baseline)]
    return paired_bootstrap((found[0], found[1]), _enhancement, view.index)


def _enhancement(ours: Array, baseline: Array) -> Array:
    """Problem by problem, then the mean: values of different tasks are not to be added up."""
    pairs = [(ours[:, :, [j]], baseline[:, :, [j]]) for j in range(ours.shape[-1])]
    return np.asarray(np.mean([enhancement_factor(*pair) for pair in pairs], axis=0))


def _acceleration(view: _View, policy: str) -> Interval:
    """The factor in steps, of one problem.

    Where the baseline's median run does not reach the target it counts as reaching it at the end of the budget: the
    factor is then a lower bound. A draw in which the policy's does not counts as 0.
    """
    ours, baseline = (view.scores.times[name][:, view.columns] for name in (policy, view.scores.baseline))
    times = (ours, np.minimum(baseline, view.scores.budget[:, view.columns]))
    value = float(acceleration_factor(*(t[None] for t in times))[0])
    if len(ours) < FEWEST_SEEDS or np.isnan(value):
        return Interval(value, np.nan, np.nan)
    draws = acceleration_factor(*(np.take_along_axis(t[None], view.index, axis=1) for t in times))
    low, high = np.quantile(np.where(np.isnan(draws), 0.0, draws), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _median_steps(scores: Scores, policy: str, columns: slice) -> float:
    times, budget = scores.times[policy][:, columns].ravel(), scores.budget[:, columns].ravel()
    reached = np.isfinite(times)
    return kaplan_meier(np.where(reached, times, budget), reached).median()


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else float("nan")

"""Figures of a suite: gaps closed, performance profiles, and regret against what was spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from experiments.benchmark.cell import Row
from experiments.benchmark.report.wording import named
from experiments.benchmark.scores import Array, Scores, common_budgets, spending
from experiments.benchmark.statistics import FEWEST_SEEDS
from experiments.benchmark.statistics.comparison import performance_profile
from experiments.benchmark.statistics.intervals import resampled
from experiments.benchmark.suite import ORACLE
from experiments.benchmark.tables import Table
from experiments.report.drawing import Inks, grid, integers, sheet
from experiments.report.quantities import scale_of, time_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND_DRAWS = 1000
PROFILE_DRAWS = 300
GRID = 160
OTHERS = ("#009e73", "#cc79a7", "#a68a00", "#7f6bd1")


@dataclass(frozen=True)
class Look:
    """How a policy is drawn, the same in every figure."""

    colour: str
    line: str


def looks(scores: Scores, inks: Inks) -> dict[str, Look]:
    """Grey for the baseline, ink and dashes for the oracle, a colour for every other; dots once these are used up."""
    colours = (inks.data, inks.best, *OTHERS)
    found = {scores.baseline: Look(inks.off, "-"), ORACLE: Look(inks.ink, "--")}
    for index, policy in enumerate(scores.compared):
        found[policy] = Look(colours[index % len(colours)], "-" if index < len(colours) else ":")
    return found


def gaps(scores: Scores, tables: Sequence[Table], inks: Inks) -> Figure:
    """The fraction of the gap closed by every policy, a row for all problems together and one for each."""
    style, rows = looks(scores, inks), list(tables)
    figure = sheet(0.9 + 0.26 * len(rows) * (len(scores.compared) + 0.8))
    axes = figure.subplots()
    places = []
    for row, table in enumerate(rows):
        centre = -row * (len(scores.compared) + 0.8)
        places.append(centre - (len(scores.compared) - 1) / 2)
        for index, policy in enumerate(scores.compared):
            _whisker(axes, table, policy, centre - index, style[policy])
    for place, name in ((0.0, scores.baseline), (1.0, ORACLE)):
        axes.axvline(place, color=style[name].colour, ls=style[name].line, lw=1.2, zorder=1)
    for policy in scores.compared:
        axes.plot([], [], "o-", color=style[policy].colour, label=policy, ms=5)
    axes.set_yticks(places, [table.problem or "all" for table in rows])
    axes.set_ylim(min(places) - len(scores.compared) / 2 - 0.1, max(places) + len(scores.compared) / 2 + 0.1)
    low, high = axes.get_xlim()
    axes.set(xlabel="fraction of the gap closed", xlim=(min(low, -0.1), max(high, 1.05)))
    axes.tick_params(length=0)
    axes.grid(True, axis="x")
    figure.legend(loc="outside upper left", ncols=5)
    return figure


def profiles(scores: Scores, inks: Inks) -> Figure:
    """The fraction of runs whose normalised score is above each threshold."""
    style, normal = looks(scores, inks), normalised(scores)
    every = np.concatenate([x.ravel() for x in normal.values()])
    thresholds = np.linspace(max(float(np.quantile(every, 0.01)), -2.0), float(every.max()), GRID)
    figure = sheet(3.4)
    axes = figure.subplots()
    index = resampled(len(scores.seeds), every.size // len(normal) // len(scores.seeds), PROFILE_DRAWS, _rng())
    for policy, score in normal.items():
        look = style[policy]
        axes.plot(
            thresholds, performance_profile(score, thresholds), ls=look.line, color=look.colour, label=named(policy)
        )
        if len(scores.seeds) >= FEWEST_SEEDS:
            draws = np.take_along_axis(score[None], index, axis=1)
            curves = np.array([performance_profile(draw, thresholds) for draw in draws])
            low, high = np.quantile(curves, [0.025, 0.975], axis=0)
            _band(axes, thresholds, low, high, look)
    axes.set(xlabel=f"normalised score τ ({scores.baseline} on average 0, oracle 1)", ylabel="fraction of runs above τ")
    axes.set(ylim=(-0.02, 1.02), xlim=(thresholds[0], thresholds[-1]))
    grid(axes)
    figure.legend(loc="outside upper left", ncols=5)
    return figure


def normalised(scores: Scores) -> dict[str, Array]:
    """Scores [seeds, problems with a gap] of each policy: 0 at the baseline's mean, 1 at the oracle's."""
    areas = scores.areas["steps"]
    base, best = (areas[name].mean(axis=0) for name in (scores.baseline, ORACLE))
    wide = base > best
    return {p: (base[wide] - areas[p][:, wide]) / (base[wide] - best[wide]) for p in scores.policies}


def regret(scores: Scores, problem: int, inks: Inks) -> Figure:
    """Mean regret against steps, instrument time and, where any were spent, electrons."""
    units = scores.units(problem)
    figure = sheet(3.1)
    panels = figure.subplots(1, len(units), sharey=True, squeeze=False)[0]
    for axes, unit in zip(panels, units, strict=True):
        _regret_panel(axes, scores, problem, unit, inks)
    panels[0].set_ylabel("regret")
    integers(panels[0])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=5)
    return figure


def _regret_panel(axes: Axes, scores: Scores, problem: int, unit: str, inks: Inks) -> None:
    end = _end(scores, problem, unit)
    at = np.arange(end + 1) if unit == "steps" else np.linspace(0.0, end, GRID)
    shown, label = _axis(unit, at)
    style = looks(scores, inks)
    for policy in scores.policies:
        look = style[policy]
        curves = np.array(
            [_regret_at(row.regret, spending(row, unit), at) for row in _good_or_not(scores, policy, problem)]
        )
        axes.step(shown, curves.mean(axis=0), where="post", color=look.colour, ls=look.line, label=named(policy))
        if len(curves) >= FEWEST_SEEDS:
            low, high = _band_of(curves)
            _band(axes, shown, low, high, look, step="post")
    axes.set(xlabel=label, ylim=(-0.02, 1.02), xlim=(0, shown[-1]))
    grid(axes)


def _good_or_not(scores: Scores, policy: str, problem: int) -> list[Row]:
    """Rows of a policy; one that gave nothing is a regret of 1 throughout."""
    return [
        r if r.status == "ok" else replace(r, regret=[], seconds=[], electrons=[]) for r in scores.runs(policy, problem)
    ]


def _regret_at(regret: Sequence[float], spent: Array, at: Array) -> Array:
    """The step function of regret at amounts spent [k]: 1 before the first measurement."""
    return np.concatenate([[1.0], regret])[np.searchsorted(spent, at, side="right")]


def _end(scores: Scores, problem: int, unit: str) -> float:
    """The median over seeds of the budget that all policies share."""
    name = scores.problems[problem]
    budgets = [
        common_budgets(scores.rows[policy, name, seed] for policy in scores.policies).get(unit, 0.0)
        for seed in scores.seeds
    ]
    return float(np.median([b for b in budgets if b > 0] or [1.0]))


def _axis(unit: str, at: Array) -> tuple[Array, str]:
    if unit == "steps":
        return at, "step"
    scale = time_scale(float(at[-1])) if unit == "seconds" else scale_of(at, "electrons")
    return scale.shown(at), scale.label("instrument time") if unit == "seconds" else scale.unit


def _band_of(curves: Array) -> tuple[Array, Array]:
    """Pointwise 95 % interval of the mean of curves [seeds, k], by bootstrap over seeds."""
    weights = _rng().multinomial(len(curves), np.full(len(curves), 1 / len(curves)), BAND_DRAWS) / len(curves)
    low, high = np.quantile(weights @ curves, [0.025, 0.975], axis=0)
    return low, high


def _band(axes: Axes, x: Array, low: Array, high: Array, look: Look, step: Literal["post"] | None = None) -> None:
    axes.fill_between(x, low, high, step=step, color=look.colour, alpha=0.15, lw=0)


def _whisker(axes: Axes, table: Table, policy: str, y: float, look: Look) -> None:
    closed = next(line.gap_closed for line in table.lines if line.policy == policy)
    if closed is None or not np.isfinite(closed.value):
        return
    if np.isfinite(closed.low):
        axes.plot([closed.low, closed.high], [y, y], color=look.colour, lw=2.2, solid_capstyle="butt", zorder=2)
    axes.plot([closed.value], [y], "o", color=look.colour, ms=6, zorder=3)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)

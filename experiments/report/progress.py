"""Figures: the values as they came, against what they cost, and how well the model foresaw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from experiments.report.drawing import Inks, grid, integers, sheet
from experiments.report.quantities import Scale, scale_of, time_scale
from experiments.report.story import Story

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Series = tuple[str, NDArray[np.float64]]


def draw(story: Story, inks: Inks) -> Figure:
    """Best so far against steps, instrument time and, where any were spent, electrons."""
    panels = spent(story)
    figure = sheet(3.1)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, series in zip(axes, panels, strict=True):
        draw_panel(panel, story, series, inks)
    axes[0].set_ylabel(story.value_scale().label(story.value_name))
    integers(axes[0])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


def spent(story: Story) -> list[Series]:
    """What the values are drawn against: label and one number for each step that is done."""
    done = story.done
    seconds = np.array([s.seconds for s in done])
    counts = np.array([s.electrons for s in done])
    clock = time_scale(float(np.nanmax(seconds)) if np.isfinite(seconds).any() else 0.0)
    series = [
        ("step", np.array([s.number for s in done], dtype=float)),
        (clock.label("instrument time"), clock.shown(seconds)),
    ]
    if np.isfinite(counts).any() and np.nanmax(counts) > 0:
        dose = scale_of(counts, "electrons")
        series.append((dose.unit, dose.shown(counts)))
    return series


def draw_panel(axes: Axes, story: Story, series: Series, inks: Inks) -> None:
    """Each value as a dot, rejected ones as crosses, and the best so far as a line."""
    label, x = series
    values, standing, off = story.value_scale().shown(story.values()), story.standing(), story.rejected()
    small = float(np.clip(50 / np.sqrt(max(len(x), 1)), 1.5, 4.5))
    axes.plot(x[standing], values[standing], "o", ms=small, color=inks.data, mew=0, alpha=0.85, label="value")
    if standing.any():
        low, high = _limits(values[standing])
        axes.set_ylim(low, high)
        values = np.clip(values, low, high)
    if off.any():
        axes.plot(x[off], values[off], "x", ms=small + 1, color=inks.off, mew=1.1, clip_on=False, label="rejected")
    if story.seeks and standing.any():
        better, none = (np.minimum, np.inf) if story.minimises else (np.maximum, -np.inf)
        best = better.accumulate(np.where(standing, values, none))
        known = np.isfinite(best)
        axes.step(x[known], best[known], where="post", color=inks.best, label="best so far")
    axes.set_xlabel(label)
    grid(axes)


def uncertainty(story: Story, inks: Inks) -> Figure:
    """The model's mean standard deviation over all candidates, as steps went by."""
    figure = sheet(2.6)
    axes = figure.subplots()
    scale = story.value_scale()
    steps, stds = np.array(story.uncertainty, dtype=float).T
    axes.plot(steps, scale.shown(stds), "o-", color=inks.data, ms=4)
    axes.set(xlabel="step", ylabel=scale.label("mean std"))
    axes.set_ylim(0, 1.15 * float(scale.shown(stds).max()))
    integers(axes)
    grid(axes)
    return figure


def foreseen(story: Story) -> NDArray[np.float64]:
    """Step, predicted mean, predicted std and measured value wherever all four are known and stand, [n, 4]."""
    rows = []
    for step, ok in zip(story.done, story.standing(), strict=True):
        mean, std = step.figures.get("mean", np.nan), step.figures.get("std", np.nan)
        if ok and np.isfinite(mean) and np.isfinite(std) and std > 0:
            rows.append((float(step.number), float(mean), float(std), step.value))
    return np.array(rows, dtype=float).reshape(-1, 4)


def coverage(rows: NDArray[np.float64]) -> tuple[int, int]:
    """How many measured values lie within one and within two standard deviations of the prediction."""
    error = np.abs(rows[:, 3] - rows[:, 1]) / rows[:, 2]
    return int((error <= 1).sum()), int((error <= 2).sum())


def calibration(story: Story, rows: NDArray[np.float64], inks: Inks) -> Figure:
    """Predicted against measured, and the error in standard deviations by step."""
    figure = sheet(3.1)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    _against(left, rows, story.value_scale(), inks)
    _errors(right, rows, inks)
    return figure


def _against(axes: Axes, rows: NDArray[np.float64], scale: Scale, inks: Inks) -> None:
    _, mean, std, value = rows.T
    mean, std, value = (scale.shown(v) for v in (mean, std, value))
    ends = [min(mean.min(), value.min()), max(mean.max(), value.max())]
    axes.plot(ends, ends, color=inks.soft, lw=1, ls="--", zorder=1)
    many = len(rows) > 400
    if not many:
        axes.errorbar(mean, value, xerr=std, fmt="none", ecolor=inks.data, elinewidth=0.8, alpha=0.45, zorder=2)
    axes.plot(mean, value, "o", ms=2.5 if many else 4, color=inks.data, mew=0, zorder=3)
    axes.set(xlabel=f"predicted, mean ± std [{scale.unit}]" if scale.unit else "predicted, mean ± std")
    axes.set(ylabel=scale.label("measured"))
    grid(axes)


def _errors(axes: Axes, rows: NDArray[np.float64], inks: Inks) -> None:
    error = (rows[:, 3] - rows[:, 1]) / rows[:, 2]
    reach = 4.5
    axes.axhspan(-2, 2, color=inks.data, alpha=0.10, lw=0)
    axes.axhspan(-1, 1, color=inks.data, alpha=0.14, lw=0)
    beyond = np.abs(error) > reach
    axes.plot(rows[~beyond, 0], error[~beyond], "o", ms=3.5, color=inks.data, mew=0)
    for sign, marker in ((1, "^"), (-1, "v")):
        past = beyond & (np.sign(error) == sign)
        axes.plot(rows[past, 0], np.full(int(past.sum()), sign * reach * 0.96), marker, ms=5, color=inks.best)
    axes.set(xlabel="step", ylabel="(measured − predicted) / std", ylim=(-reach, reach))
    integers(axes)
    grid(axes)


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or max(abs(high) * 0.1, 1e-12)
    return low - margin, high + margin

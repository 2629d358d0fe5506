"""Figure: where was measured, in which order and with which result, on the structural image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.report.drawing import DOUBT, FIELD, WIDTH_IN, Inks, grid, sheet
from experiments.report.places import Frame, draw_picture
from experiments.report.samples import Picture
from experiments.report.story import Story

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(story: Story, picture: Picture | None, frame: Frame, inks: Inks) -> Figure:
    """Two panels: points coloured by value, and by step. Places along a line are drawn against the value instead."""
    if frame.is_line:
        return _along_line(story, frame, inks)
    figure = sheet(min((WIDTH_IN / 2 - 1.35) * frame.aspect + 0.55, 6.0), layout=frame.layout)
    by_value, by_step = figure.subplots(1, 2)
    _panel(by_value, story, picture, frame, inks, by_step=False)
    _panel(by_step, story, picture, frame, inks, by_step=True)
    by_step.set_ylabel("")
    return figure


def value_panel(axes: Axes, story: Story, picture: Picture | None, frame: Frame, inks: Inks) -> Any:
    """Points coloured by value on the structural image, without a colour bar; returns the points, None for none."""
    return _points(axes, story, picture, frame, inks, by_step=False)


def value_range(story: Story) -> tuple[dict[str, Any], str]:
    """Colour limits for the values that stand, and which ends they cut off: what lies far outside the others."""
    values = story.value_scale().shown(story.values()[story.standing()])
    if not len(values):
        return {}, "neither"
    middle = np.median(values)
    reach = 10 * 1.4826 * np.median(np.abs(values - middle)) or np.inf
    low, high = max(values.min(), middle - reach), min(values.max(), middle + reach)
    cut = (bool(values.min() < low), bool(values.max() > high))
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(cut, "neither")
    return {"vmin": float(low), "vmax": float(high)}, extend


def mark_best(axes: Axes, story: Story, frame: Frame, inks: Inks) -> None:
    """A ring around the place of the best value."""
    best = story.best()
    if best is not None and best.position_nm is not None:
        x, y = (v * frame.scale.factor for v in best.position_nm)
        axes.plot([x], [y], "o", ms=15, mfc="none", mec="white", mew=3.6, zorder=6)
        name = "best" if story.seeks else "largest"
        axes.plot([x], [y], "o", ms=15, mfc="none", mec=inks.best, mew=1.9, zorder=7, label=name)


def cross_out(axes: Axes, story: Story, frame: Frame, inks: Inks) -> None:
    """Crosses where nothing usable was measured."""
    at = (story.places_nm() * frame.scale.factor)[~story.standing()]
    if len(at):
        size = _marker(len(story.done)) * 0.85
        axes.plot(at[:, 0], at[:, 1], "x", color="white", ms=size, mew=2.4, zorder=4)
        axes.plot(at[:, 0], at[:, 1], "x", color="black", ms=size, mew=1.1, zorder=5, label="rejected or failed")


def _panel(axes: Axes, story: Story, picture: Picture | None, frame: Frame, inks: Inks, *, by_step: bool) -> None:
    dots = _points(axes, story, picture, frame, inks, by_step=by_step)
    if dots is None:
        return
    label = "step" if by_step else story.value_scale().label(story.value_name)
    extend = "neither" if by_step else value_range(story)[1]
    bar = axes.figure.colorbar(dots, ax=axes, label=label, pad=0.02, aspect=28, extend=extend)
    bar.outline.set_visible(False)


def _points(axes: Axes, story: Story, picture: Picture | None, frame: Frame, inks: Inks, *, by_step: bool) -> Any:
    if picture is not None:
        draw_picture(axes, picture, frame)
    at = story.places_nm() * frame.scale.factor
    if by_step and len(at) <= 120:
        axes.plot(at[:, 0], at[:, 1], color="white", lw=1.4, alpha=0.4, zorder=2)
        axes.plot(at[:, 0], at[:, 1], color="black", lw=0.5, alpha=0.6, zorder=2)
    dots = _dots(axes, story, at, story.standing(), by_step=by_step)
    cross_out(axes, story, frame, inks)
    mark_best(axes, story, frame, inks)
    frame.prepare(axes, inks)
    return dots


def _dots(axes: Axes, story: Story, at: Any, standing: Any, *, by_step: bool) -> Any:
    if not standing.any():
        return None
    size = _marker(len(at)) ** 2
    style: dict[str, Any] = {
        "s": size,
        "edgecolors": "white",
        "linewidths": 0.7 if len(at) <= 500 else 0.0,
        "zorder": 3,
    }
    style["rasterized"] = len(at) > 1500
    if by_step:
        numbers = np.array([step.number for step in story.done])[standing]
        return axes.scatter(at[standing, 0], at[standing, 1], c=numbers, cmap=DOUBT, **style)
    shown = story.value_scale().shown(story.values()[standing])
    return axes.scatter(at[standing, 0], at[standing, 1], c=shown, cmap=FIELD, **value_range(story)[0], **style)


def _along_line(story: Story, frame: Frame, inks: Inks) -> Figure:
    figure = sheet(3.0)
    axes = figure.subplots()
    standing, scale = story.standing(), story.value_scale()
    x = story.places_nm()[:, 0] * frame.scale.factor
    numbers = np.array([step.number for step in story.done])
    if standing.any():
        dots = axes.scatter(x[standing], scale.shown(story.values()[standing]), c=numbers[standing], cmap=DOUBT, s=30)
        figure.colorbar(dots, ax=axes, label="step", pad=0.01).outline.set_visible(False)
    for place in x[~standing]:
        axes.axvline(place, color=inks.off, lw=0.8, ls=":")
    best = story.best()
    if best is not None and best.position_nm is not None:
        at = best.position_nm[0] * frame.scale.factor
        axes.plot([at], scale.shown([best.value]), "o", ms=13, mfc="none", mec=inks.best, mew=1.9)
    axes.set(xlabel=f"x [{frame.scale.unit}]", ylabel=scale.label(story.value_name))
    grid(axes)
    return figure


def _marker(count: int) -> float:
    return float(np.clip(60 / np.sqrt(max(count, 1)), 2.5, 7.5))

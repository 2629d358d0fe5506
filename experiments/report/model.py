"""Figure: what the agent's model believes at every candidate at the end, beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.report.drawing import DOUBT, FIELD, WIDTH_IN, Inks, grid, sheet
from experiments.report.places import Frame, draw_field
from experiments.report.story import Belief, Story
from experiments.report.trajectory import cross_out, mark_best, value_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def candidates_of(story: Story) -> tuple[Belief, NDArray[np.float64]] | None:
    """The last belief and the places of its candidates; None where there is no model or it has no places."""
    belief, places = story.belief, story.brief.get("positions_nm")
    if belief is None or places is None or len(places) != len(belief.mean):
        return None
    return belief, np.asarray(places, dtype=float)


def draw(story: Story, belief: Belief, places_nm: NDArray[np.float64], frame: Frame, inks: Inks) -> Figure:
    """Measured values, the model's mean in the same colours, and its uncertainty; along a line, one panel."""
    if frame.is_line:
        return _along_line(story, belief, places_nm, frame, inks)
    figure = sheet(min((WIDTH_IN / 3 - 0.45) * frame.aspect + 1.35, 6.0), layout=frame.layout)
    panels = figure.subplots(1, 3)
    shared, extend = _colours(story, belief)
    _measured(panels[0], story, places_nm, frame, inks, shared)
    mean_panel(panels[1], story, belief, places_nm, frame, inks, shared)
    std = story.value_scale().shown(belief.std)
    drawn = draw_field(panels[2], places_nm, std, frame, cmap=DOUBT)
    frame.title(panels[2], "Model: std")
    frame.prepare(panels[2], inks)
    for axes in panels[1:]:
        axes.set_ylabel("")
    label = story.value_scale().label(story.value_name)
    _bar(figure, panels[1].images[0] if panels[1].images else panels[1].collections[0], list(panels[:2]), label, extend)
    _bar(figure, drawn, [panels[2]], story.value_scale().label("std"), "neither")
    return figure


def mean_panel(
    axes: Axes, story: Story, belief: Belief, places_nm: NDArray[np.float64], frame: Frame, inks: Inks, colours: Any
) -> Any:
    """The model's mean as a field with the best measured place marked."""
    mean = story.value_scale().shown(belief.mean)
    drawn = draw_field(axes, places_nm, mean, frame, cmap=FIELD, **colours)
    mark_best(axes, story, frame, inks)
    frame.title(axes, "Model: mean")
    frame.prepare(axes, inks)
    return drawn


def _measured(axes: Axes, story: Story, places_nm: NDArray[np.float64], frame: Frame, inks: Inks, colours: Any) -> None:
    standing = story.standing()
    at = story.places_nm()[standing] * frame.scale.factor
    shown = story.value_scale().shown(story.values()[standing])
    style: dict[str, Any] = {
        "s": float(np.clip(3000 / max(len(at), 1), 4, 34)),
        "rasterized": len(at) > 1500,
        "edgecolors": "white",
    }
    axes.scatter(at[:, 0], at[:, 1], c=shown, cmap=FIELD, linewidths=0.6 if len(at) <= 500 else 0, **style, **colours)
    cross_out(axes, story, frame, inks)
    mark_best(axes, story, frame, inks)
    frame.title(axes, "Measured")
    frame.prepare(axes, inks)
    axes.set_facecolor(inks.grid)


def _colours(story: Story, belief: Belief) -> tuple[dict[str, Any], str]:
    limits, extend = value_range(story)
    if limits and limits["vmin"] < limits["vmax"]:
        return limits, extend
    mean = story.value_scale().shown(belief.mean)
    finite = mean[np.isfinite(mean)]
    return ({"vmin": float(finite.min()), "vmax": float(finite.max())}, "neither") if len(finite) else ({}, "neither")


def _bar(figure: Figure, drawn: Any, panels: list[Axes], label: str, extend: str) -> None:
    bar = figure.colorbar(drawn, ax=panels, label=label, location="bottom", shrink=0.6, aspect=30, extend=extend)
    bar.outline.set_visible(False)


def _along_line(story: Story, belief: Belief, places_nm: NDArray[np.float64], frame: Frame, inks: Inks) -> Figure:
    figure = sheet(3.2)
    axes = figure.subplots()
    scale, order = story.value_scale(), np.argsort(places_nm[:, 0])
    x = places_nm[order, 0] * frame.scale.factor
    mean, std = scale.shown(belief.mean)[order], scale.shown(belief.std)[order]
    axes.fill_between(x, mean - 2 * std, mean + 2 * std, color=inks.data, alpha=0.18, lw=0, label="mean ± 2 std")
    axes.plot(x, mean, color=inks.data, label=f"model after step {belief.step}")
    standing = story.standing()
    at = story.places_nm()[standing, 0] * frame.scale.factor
    axes.plot(at, scale.shown(story.values()[standing]), "o", ms=4, color=inks.best, label="measured")
    axes.set(xlabel=f"x [{frame.scale.unit}]", ylabel=scale.label(story.value_name))
    axes.legend()
    grid(axes)
    return figure

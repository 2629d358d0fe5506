"""Figure: what was measured at the best, the median, the worst and a rejected point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from experiments.report.drawing import Inks, grid, sheet
from experiments.report.quantities import Scale, scale_of, unit_text
from experiments.report.samples import Sample, drawable
from experiments.report.story import Story
from instruments.measurement import Channel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CHANNELS = 3


def draw(story: Story, samples: Sequence[Sample], inks: Inks) -> Figure:
    """One row of panels for each channel; accepted curves share their scale, a rejected one has its own."""
    names = channels(samples)
    figure = sheet(2.3 * len(names) + 0.35)
    panels = figure.subplots(len(names), max(len(samples), 3), squeeze=False)
    for row, name in zip(panels, names, strict=True):
        _row(list(row), story, samples, name, inks)
    for index, sample in enumerate(samples):
        panels[0][index].set_title(_title(story, sample))
    return figure


def channels(samples: Sequence[Sample]) -> list[str]:
    """Names of the channels that can be drawn as curves, the first few."""
    found = dict.fromkeys(n for s in samples for n, c in s.measurement.channels.items() if drawable(c))
    return list(found)[:MOST_CHANNELS]


def draw_curve(axes: Axes, channel: Channel, x: Scale, y: Scale, colour: str) -> None:
    """A curve against its last axis; a leading axis (cycles) gives several, the later the fainter."""
    rows = np.atleast_2d(channel.values)
    for index, row in enumerate(rows):
        alpha = 1.0 - 0.7 * index / len(rows)
        axes.plot(x.shown(channel.axes[-1].values), y.shown(row), color=colour, alpha=alpha, lw=1.4)


def scales(curves: Sequence[Channel]) -> tuple[Scale, Scale]:
    """The scales of the horizontal and the vertical axis that suit all the curves."""
    ends = np.concatenate([_ends(c.axes[-1].values) for c in curves])
    values = np.concatenate([c.values.ravel() for c in curves])
    return scale_of(ends, unit_text(curves[0].axes[-1].unit)), scale_of(values, unit_text(curves[0].unit))


def _row(panels: Sequence[Axes], story: Story, samples: Sequence[Sample], name: str, inks: Inks) -> None:
    shown = [s for s in samples if s.role != "rejected" and name in s.measurement.channels] or list(samples)
    x, y = scales([s.measurement.channels[name] for s in shown if name in s.measurement.channels])
    for axes, sample in zip(panels, samples, strict=False):
        channel = sample.measurement.channels.get(name)
        if channel is None or not drawable(channel):
            axes.set_axis_off()
            continue
        draw_curve(axes, channel, x, y, _colour(sample.role, inks))
        axes.set_xlabel(x.label(channel.axes[-1].name))
        grid(axes)
    panels[0].set_ylabel(y.label(name))
    _share([a for a, s in zip(panels, samples, strict=False) if s.role != "rejected"])
    for axes in panels[len(samples) :]:
        axes.set_axis_off()


def _share(panels: Sequence[Axes]) -> None:
    if panels:
        lows, highs = zip(*(axes.get_ylim() for axes in panels), strict=True)
        for axes in panels:
            axes.set_ylim(min(lows), max(highs))


def _title(story: Story, sample: Sample) -> str:
    scale = story.value_scale()
    if len(story.value_unit) > 8:  # it would run into the next panel's title
        scale = replace(scale, unit=scale.unit.removesuffix(story.value_unit).strip())
    value = scale.quantity(sample.step.value)
    return f"{sample.role}, step {sample.step.number}\n{value}"


def _colour(role: str, inks: Inks) -> str:
    return {"best": inks.best, "largest": inks.best, "rejected": inks.off}.get(role, inks.data)


def _ends(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([np.nanmin(values), np.nanmax(values)])

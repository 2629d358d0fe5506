"""What a report of recognise adds: which class lies where, how sure that is, and the spectra of every class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, figure, section
from experiments.report.places import Frame, draw_field, frame_of
from experiments.report.story import Story

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def sections(story: Story, reader: Reader, truth: dict[str, NDArray[Any]]) -> list[Markup]:
    """The sections, each only where there is something for it."""
    with drawing.styled(drawing.PAGE):
        made = [_where(story, reader), _spectra(story, reader)]
    return [part for part in made if part is not None]


def beliefs(reader: Reader) -> dict[str, Floats]:
    """The last beliefs that the agent had journalled; empty where it has none."""
    found: dict[str, Floats] = {}
    for event in reader.events(kinds=("belief",)):
        found = {name: np.asarray(value, dtype=float) for name, value in event.payload.items()}
    return found


def _where(story: Story, reader: Reader) -> Markup | None:
    known, places, frame = beliefs(reader), story.brief.get("positions_nm"), frame_of(story, None)
    if not {"class_map", "uncertainty"} <= set(known) or places is None or frame is None:
        return None
    places = np.asarray(places, dtype=float)
    drawn = _maps(story, known, places, frame)
    said = (
        f"Left: the expected class of {len(places)} places, from {len(story.done)} spectra (dots, in the colour of the"
    )
    said += " class that the network saw in them). Right: how little is known, 0 to 1 (all classes alike)."
    said += f" Mean doubt {known['uncertainty'].mean():.2f}."
    return section("Which class lies where", figure(drawing.svg(drawn, "classes", said), said))


def _maps(story: Story, known: dict[str, Floats], places: Floats, frame: Frame) -> Figure:
    sheet = drawing.sheet(4.0, layout=frame.layout)
    left, right = sheet.subplots(1, 2)
    first = draw_field(left, places, known["class_map"], frame, cmap="coolwarm", vmin=0, vmax=1)
    second = draw_field(right, places, known["uncertainty"], frame, cmap=drawing.DOUBT, vmin=0, vmax=1)
    sheet.colorbar(first, ax=left, label="expected class, 0 to 1", shrink=0.8)
    sheet.colorbar(second, ax=right, label="doubt", shrink=0.8)
    most = max(float(np.nanmax(story.values(), initial=1.0)), 1.0)
    for axes, title in ((left, "Class"), (right, "Doubt")):
        frame.prepare(axes, drawing.PAGE)
        frame.title(axes, title)
    _dots(left, story, frame, most)
    return sheet


def _dots(axes: Axes, story: Story, frame: Frame, most: float) -> None:
    at, stands = story.places_nm() * frame.scale.factor, story.standing()
    if stands.any():
        values = story.values()[stands] / most
        x, y = at[stands].T
        axes.scatter(x, y, c=values, cmap="coolwarm", vmin=0, vmax=1, s=9, edgecolors="k", linewidths=0.4)


def _spectra(story: Story, reader: Reader) -> Markup | None:
    found = spectra_by_class(story, reader)
    if not found:
        return None
    sheet = drawing.sheet(3.0)
    axes = sheet.subplots()
    for number, (axis, curves) in found.items():
        colour = _COLOURS[number % len(_COLOURS)]
        low, middle, high = np.percentile(curves, [16, 50, 84], axis=0)
        axes.plot(axis, middle, color=colour, label=f"class {number} ({len(curves)})")
        axes.fill_between(axis, low, high, color=colour, alpha=0.2, linewidth=0)
    horizontal, vertical = _labels(reader)
    axes.set(xlabel=horizontal, ylabel=vertical)
    axes.legend()
    drawing.grid(axes)
    said = "Median spectrum of each class, and the middle two thirds; only spectra measured after the first lesson."
    return section("What tells the classes apart", figure(drawing.svg(sheet, "by-class", said), said))


def _labels(reader: Reader) -> tuple[str, str]:
    """What the axes of the last spectrum are called."""
    found = ("", "")
    for event in reader.events(kinds=("result",)):
        for name, channel in event.payload["measurement"].channels.items():
            if channel.values.ndim == 1:
                axis = channel.axes[0]
                found = (_named(axis.name, axis.unit), _named(name, channel.unit))
    return found


def _named(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name


def spectra_by_class(story: Story, reader: Reader) -> dict[int, tuple[Floats, Floats]]:
    """Axis [m] and spectra [n, m] by class: those that stand, once the network had learned."""
    values = {step.number: v for step, v, ok in zip(story.done, story.values(), story.standing(), strict=True) if ok}
    learned = [number for number, value in values.items() if value != 0.0]
    found: dict[int, tuple[Floats, list[Floats]]] = {}
    for event in reader.events(kinds=("result",)):
        channels = event.payload["measurement"].channels
        if not learned or event.step < min(learned) or event.step not in values or len(channels) != 1:
            continue
        (channel,) = channels.values()
        if channel.values.ndim == 1 and np.isfinite(channel.values).all():
            axis = np.asarray(channel.axes[0].values, dtype=float)
            own = found.setdefault(round(values[event.step]), (axis, []))
            own[1].append(np.asarray(channel.values, dtype=float))
    return {number: (axis, np.array(curves)) for number, (axis, curves) in sorted(found.items())}

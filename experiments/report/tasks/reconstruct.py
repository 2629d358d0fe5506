"""What a report of reconstruct adds: the path, and the image that was rebuilt from it with its uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, figure, section
from experiments.report.places import Frame, draw_field, frame_of
from experiments.report.story import Story
from experiments.report.tasks.recognise import beliefs
from instruments.requests import LineScan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]


def sections(story: Story, reader: Reader, truth: dict[str, NDArray[Any]]) -> list[Markup]:
    """One section; nothing before the first stroke."""
    strokes = strokes_of(reader)
    frame = frame_of(story, None)
    if not strokes or frame is None:
        return []
    known, places = beliefs(reader), np.asarray(story.brief.get("positions_nm"), dtype=float)
    with drawing.styled(drawing.PAGE):
        drawn = _panels(strokes, known, places, frame)
    way = sum(float(np.linalg.norm(np.diff(ends, axis=0))) for ends, _ in strokes)
    said = f"{len(strokes)} strokes, {way / 1e3:.1f} um of way, coloured by what was recorded"
    if {"mean", "uncertainty"} <= set(known):
        said += (
            "; the image rebuilt from them, in standard deviations of the samples; and its standard deviation in the "
        )
        said += f"same unit, {known['uncertainty'].mean():.2f} on average"
    return [section("The path and the image", figure(drawing.svg(drawn, "path", said), said + "."))]


def strokes_of(reader: Reader) -> list[tuple[Floats, Floats]]:
    """Ends [2, 2] nm and samples [n] of every stroke."""
    found: list[tuple[Floats, Floats]] = []
    for event in reader.events(kinds=("result",)):
        measurement = event.payload["measurement"]
        if isinstance(measurement.request, LineScan) and len(measurement.channels) == 1:
            (channel,) = measurement.channels.values()
            found.append((measurement.request.places_nm(), np.asarray(channel.values, dtype=float)))
    return found


def _panels(strokes: list[tuple[Floats, Floats]], known: dict[str, Floats], places: Floats, frame: Frame) -> Any:
    images = [(n, t, c) for n, t, c in _IMAGES if n in known]
    sheet = drawing.sheet(3.4, layout=frame.layout)
    axes = sheet.subplots(1, 1 + len(images), squeeze=False)[0]
    _path(axes[0], strokes, frame)
    for panel, (name, title, colours) in zip(axes[1:], images, strict=True):
        drawn = draw_field(panel, places, known[name], frame, cmap=colours)
        sheet.colorbar(drawn, ax=panel, shrink=0.75)
        frame.prepare(panel, drawing.PAGE)
        frame.title(panel, title)
    return sheet


_IMAGES = (("mean", "Rebuilt", drawing.FIELD), ("uncertainty", "Uncertainty", drawing.DOUBT))


def _path(axes: Axes, strokes: list[tuple[Floats, Floats]], frame: Frame) -> None:
    places = np.concatenate([np.linspace(ends[0], ends[1], len(values)) for ends, values in strokes])
    values = np.concatenate([values for _, values in strokes])
    x, y = (places * frame.scale.factor).T
    axes.plot(x, y, color=drawing.PAGE.grid, lw=0.6, zorder=1)
    axes.scatter(x, y, c=values, s=3, cmap=drawing.FIELD, zorder=2, rasterized=True)
    frame.prepare(axes, drawing.PAGE)
    frame.title(axes, "Path")

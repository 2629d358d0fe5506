"""What was written: domains before, the target with the strokes, and domains after, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, el, figure, row, section, table
from experiments.report.places import Frame
from experiments.report.story import Story
from instruments.cost import Cost
from instruments.measurement import Measurement
from instruments.requests import ScanImage, TipPath, TipPulse

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Image = NDArray[np.float64]
_DOMAINS = "RdBu_r"


@dataclass
class Written:
    """Strokes with their bias, and the scans before and after, as the journal has them."""

    strokes: list[tuple[NDArray[np.float64], float]] = field(default_factory=list)
    first: Image | None = None
    last: Image | None = None
    writing: Cost = field(default_factory=Cost)
    looking: Cost = field(default_factory=Cost)


def sections(story: Story, reader: Reader, truth: dict[str, NDArray[Any]]) -> list[Markup]:
    """Domain maps and a table of costs; nothing before the first scan."""
    written, target, extent = (
        _read(reader),
        (story.brief.get("images") or {}).get("target"),
        story.brief.get("extent_nm"),
    )
    if written.first is None or written.last is None or target is None or extent is None:
        return []
    known = _truth(truth, extent)
    with drawing.styled(drawing.PAGE):
        drawn = _maps(story, written, np.asarray(target, dtype=float), known)
    caption = (
        f"Response before and after {len(written.strokes)} strokes, on one scale, and the target with the strokes: "
    )
    caption += "red writes up, blue down, the wider the more bias."
    caption += " Last: the sample's polarisation, which only a twin knows." if known is not None else ""
    svg = drawing.svg(drawn, "domains", caption)
    return [section("What was written", figure(svg, caption), _costs(written))]


def _read(reader: Reader) -> Written:
    found = Written()
    for event in reader.events(kinds=("result",)):
        measurement: Measurement = event.payload["measurement"]
        request = measurement.request
        if isinstance(request, ScanImage) and measurement.channels:
            image = np.asarray(next(iter(measurement.channels.values())).values, dtype=float)
            found.first, found.last = image if found.first is None else found.first, image
            found.looking = found.looking + measurement.cost
        elif isinstance(request, TipPath | TipPulse):
            found.strokes.append((request.places_nm(), request.bias_V))
            found.writing = found.writing + measurement.cost
    return found


def _truth(truth: dict[str, NDArray[Any]], extent: Any) -> tuple[Image, tuple[float, ...]] | None:
    """The hidden polarisation and its extent [nm]; None where it is not known."""
    polarisation, field_nm = truth.get("polarisation"), truth.get("field_nm")
    if polarisation is None or field_nm is None or polarisation.ndim != 2:
        return None
    half = float(field_nm) / 2
    return np.asarray(polarisation, dtype=float), (-half, half, -half, half)


def _maps(story: Story, written: Written, target: Image, known: tuple[Image, tuple[float, ...]] | None) -> Any:
    x0, x1, y0, y1 = story.brief["extent_nm"]
    frame = Frame((x0, x1, y0, y1), story.length())
    assert written.first is not None
    assert written.last is not None
    most = float(np.nanpercentile(np.abs(np.stack([written.first, written.last])), 99)) or 1.0
    panels: list[tuple[str, Image, float, tuple[float, ...]]] = [
        ("Before", written.first, most, (x0, x1, y0, y1)),
        ("Target and strokes", target, 2.0, (x0, x1, y0, y1)),
        ("After", written.last, most, (x0, x1, y0, y1)),
    ]
    if known is not None:
        panels.append(("Polarisation", known[0], 1.2, known[1]))
    sheet = drawing.sheet(9.0 / len(panels) + 0.4, layout="compressed")
    axes = sheet.subplots(1, len(panels), squeeze=False)[0]
    for panel, (title, image, scale, extent) in zip(axes, panels, strict=True):
        _show(panel, image, scale, extent, frame)
        panel.set_title(title)
        if panel is not axes[0]:
            panel.set_ylabel("")
    _strokes(axes[1], written, frame)
    return sheet


def _show(axes: Axes, image: Image, most: float, extent: tuple[float, ...], frame: Frame) -> None:
    x0, x1, y0, y1 = (v * frame.scale.factor for v in extent)
    axes.imshow(image, cmap=_DOMAINS, vmin=-most, vmax=most, extent=(x0, x1, y1, y0), origin="upper")
    frame.prepare(axes, drawing.PAGE)


def _strokes(axes: Axes, written: Written, frame: Frame) -> None:
    largest = max((abs(bias) for _, bias in written.strokes), default=0.0) or 1.0
    for places, bias in written.strokes:
        x, y = (places * frame.scale.factor).T
        colour = "#b2182b" if bias > 0 else "#2166ac"
        axes.plot(x, y, "-o", color=colour, linewidth=0.4 + 1.2 * abs(bias) / largest, markersize=1.6, alpha=0.9)


def _costs(written: Written) -> Markup:
    heads = [("", ""), ("time [s]", "number"), ("bias [V s]", "number"), ("contact [µm µN]", "number")]
    rows = [
        row([(name, ""), *((f"{v:.3g}", "number") for v in (c.seconds, c.bias_V_s, c.contact_nm_nN / 1e6))])
        for name, c in (("writing", written.writing), ("looking", written.looking))
    ]
    return el("div", table(heads, rows, "What writing and looking cost"))

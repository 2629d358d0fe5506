"""What the best settings of a scan show: trace, retrace, and the force on the surface, beside the first settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, figure, section
from experiments.report.story import Story
from instruments.measurement import Measurement
from instruments.requests import ScanImage, SetFeedback

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = {"height": "Trace", "height_back": "Retrace", "force": "Largest force"}


def sections(story: Story, reader: Reader, truth: dict[str, NDArray[Any]]) -> list[Markup]:
    """The scans of the first and of the best settings; nothing before there is a scan."""
    scans, best = _scans(reader), story.best()
    if not scans or best is None:
        return []
    index = min(story.done.index(best), len(scans) - 1)
    rows = [("step 1", *scans[0]), (f"step {index + 1}, the best", *scans[index])][: 1 + (index > 0)]
    with drawing.styled(drawing.PAGE):
        drawn = _draw(rows)
    said = "; ".join(f"{name}: {_settings(feedback, scan)}" for name, feedback, scan in rows)
    caption = f"Heights of the first and the best settings on one scale, and the largest force in each pixel. {said}."
    return [section("Trace and retrace", figure(drawing.svg(drawn, "trace", caption), caption))]


def _scans(reader: Reader) -> list[tuple[SetFeedback | None, Measurement]]:
    """Every scan with the feedback that was set before it."""
    found: list[tuple[SetFeedback | None, Measurement]] = []
    feedback: SetFeedback | None = None
    for event in reader.events(kinds=("result",)):
        measurement: Measurement = event.payload["measurement"]
        if isinstance(measurement.request, SetFeedback):
            feedback = measurement.request
        elif isinstance(measurement.request, ScanImage) and set(_SHOWN) <= set(measurement.channels):
            found.append((feedback, measurement))
    return found


def _settings(feedback: SetFeedback | None, scan: Measurement) -> str:
    assert isinstance(scan.request, ScanImage)
    said = f"{scan.request.dwell_s * 1e3:.3g} ms a pixel"
    if feedback is not None and feedback.setpoint_nN is not None:
        said += f", {feedback.setpoint_nN:.3g} nN"
    if feedback is not None and feedback.proportional is not None and feedback.integral_Hz is not None:
        said += f", gains {feedback.proportional:.2g} and {feedback.integral_Hz:.3g} Hz"
    return said


def _draw(rows: list[tuple[str, SetFeedback | None, Measurement]]) -> Any:
    sheet = drawing.sheet(0.5 + 1.5 * len(rows))
    axes = sheet.subplots(len(rows), len(_SHOWN), squeeze=False)
    heights = np.concatenate([np.ravel(scan.channels["height"].values) for _, _, scan in rows[-1:]])
    limits = {"height": np.percentile(heights, (1, 99)), "height_back": np.percentile(heights, (1, 99))}
    forces = np.concatenate([np.ravel(scan.channels["force"].values) for _, _, scan in rows])
    limits["force"] = np.array([0.0, np.percentile(forces, 99)])
    for line, (title, _, scan) in zip(axes, rows, strict=True):
        for panel, (name, label) in zip(line, _SHOWN.items(), strict=True):
            _show(panel, scan, name, limits[name])
            panel.set_title(f"{label} ({title})")
    return sheet


def _show(axes: Axes, scan: Measurement, name: str, limits: NDArray[np.float64]) -> None:
    channel = scan.channels[name]
    y, x = (axis.values for axis in channel.axes)
    extent = (float(x[0]), float(x[-1]), float(y[-1]), float(y[0]))
    colours = drawing.DOUBT if name == "force" else drawing.FIELD
    low, high = (float(v) for v in limits)
    drawn = axes.imshow(channel.values, cmap=colours, vmin=low, vmax=high, extent=extent, origin="upper", aspect="auto")
    axes.set(xlabel="x [nm]", ylabel="y [nm]")
    axes.figure.colorbar(drawn, ax=axes, label=channel.unit)

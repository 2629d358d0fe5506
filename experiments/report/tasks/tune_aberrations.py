"""What tuning did: the first and the last image, and contrast and defocus asked for, frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.tasks.tune_aberrations import contrast
from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, el, figure, section
from experiments.report.story import Story
from instruments.measurement import Measurement
from instruments.requests import ScanImage, SetAberrations
from physics_priors.optics.aberrations import NAMES

Floats = NDArray[np.float64]


def sections(story: Story, reader: Reader, truth: dict[str, NDArray[Any]]) -> list[Markup]:
    """Images and the way there; what is really left of the aberrations where a twin told it."""
    frames, focus = seen(reader)
    if not frames:
        return []
    with drawing.styled(drawing.PAGE):
        made = section("The probe tuned", _images(frames), _way(frames, focus))
    left = _left(truth)
    return [made] if left is None else [made, left]


def seen(reader: Reader) -> tuple[list[Floats], list[float]]:
    """All images in order, and the sum of the defocus asked for until each."""
    frames: list[Floats] = []
    focus, asked = [], 0.0
    for event in reader.events(kinds=("result",)):
        measurement: Measurement = event.payload["measurement"]
        request = measurement.request
        if isinstance(request, SetAberrations) and "C1" in request.names:
            step = request.values_nm[request.names.index("C1")][0]
            asked = asked + step if request.relative else step
        elif isinstance(request, ScanImage) and measurement.complete and measurement.channels:
            frames.append(np.asarray(next(iter(measurement.channels.values())).values, dtype=float))
            focus.append(asked)
    return frames, focus


def _images(frames: list[Floats]) -> Markup:
    drawn = drawing.sheet(3.6)
    for axes, image, title in zip(drawn.subplots(1, 2), (frames[0], frames[-1]), ("before", "after"), strict=True):
        axes.imshow(image, cmap=drawing.FIELD, origin="lower")
        axes.set(title=f"{title}: contrast {contrast(image[None])[0]:.3f}", xticks=[], yticks=[])
    said = f"The same field in the first and in the last of {len(frames)} images, each on a scale of its own [counts]."
    return figure(drawing.svg(drawn, "tuned", said), said)


def _way(frames: list[Floats], focus: list[float]) -> Markup:
    drawn = drawing.sheet(2.6)
    left, right = drawn.subplots(1, 2)
    number = np.arange(1, len(frames) + 1)
    left.plot(number, [contrast(image[None])[0] for image in frames], marker=".", color=drawing.PAGE.data)
    left.set(title="Contrast", xlabel="image", ylim=(0, None))
    right.plot(number, focus, marker=".", color=drawing.PAGE.best)
    right.set(title="Defocus asked for", xlabel="image", ylabel="C1 since the start [nm]")
    for axes in (left, right):
        drawing.grid(axes)
        drawing.integers(axes)
    said = (
        "Contrast above shot noise, and the sum of the steps of C1; images taken out of focus for comparison are low."
    )
    return figure(drawing.svg(drawn, "way-to-focus", said), said)


def _left(truth: dict[str, NDArray[Any]]) -> Markup | None:
    if not {"strehl", "rms_phase_rad", "aberrations_nm"} <= set(truth):
        return None
    values = np.abs(np.asarray(truth["aberrations_nm"]).ravel())
    told = ", ".join(f"{name} {value:.3g}" for name, value in zip(NAMES, values, strict=False))
    strehl, rms = float(truth["strehl"]), float(truth["rms_phase_rad"])
    return section(
        "What is really left",
        el("p", f"Strehl ratio {strehl:.3f}, rms phase over the aperture {rms:.3f} rad, at the end of the campaign."),
        el("p", f"Aberrations [nm]: {told}."),
    )

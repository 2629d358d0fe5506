"""An Igor wave of a piezoresponse scan, read with the extra io-spm, and its domains.

The phase of two domains has two peaks half a turn apart; each pixel goes to the nearer one of the two that a doubled
phase, on the circle, points to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiments.spm_data.findings import Findings, show

FOLDER: Final = "pfm-ibw-gwy"
FILE: Final = "image_2um.ibw"


def analyse(data: Path) -> Findings:
    """Read all channels, split the phase; raises DataInvalid, naming the extra, where it is not installed."""
    from instruments.replay.found import Wanted
    from instruments.replay.readers import read

    arrays = read(data / FOLDER / FILE, Wanted()).arrays
    images = [image for image in arrays if image.values.ndim == 2]
    phase = next(image.values for image in images if "phase" in image.name.lower())
    up, axis_deg, order = two_domains(np.asarray(phase, dtype=np.float64))
    numbers = {
        "channels": float(len(images)),
        "rows": float(phase.shape[0]),
        "columns": float(phase.shape[1]),
        "domain_axis_deg": axis_deg,
        "domain_order": order,
        "fraction_up": float(up.mean()),
    }
    says = "channels: " + ", ".join(f"{image.name} [{image.unit}]" for image in images)
    return Findings("igor", says, numbers, lambda figure: _draw(figure, images, up), (13.0, 3.4))


def two_domains(phase_deg: NDArray[np.float64]) -> tuple[NDArray[np.bool_], float, float]:
    """Which pixels are of the one domain, the axis [degrees], and how sharply two-valued the phase is, 0 .. 1."""
    mean = np.exp(2j * np.deg2rad(phase_deg)).mean()
    axis = np.angle(mean) / 2
    return np.cos(np.deg2rad(phase_deg) - axis) > 0, float(np.rad2deg(axis)), float(abs(mean))


def _draw(figure: Any, images: list[Any], up: NDArray[np.bool_]) -> None:
    axes = figure.subplots(1, len(images) + 1)
    for one, image in zip(axes, images, strict=False):
        show(one, np.asarray(image.values, dtype=np.float64), image.name, unit=image.unit)
    show(axes[-1], up.astype(float), "domains", limits=(0, 1), colours="gray")

"""Repeated scans of one area with writing in between: drift taken out, and what changed.

The height, which writing changes little once the offset of every scan line is taken off, says how far the sample
drifted; phases are compared on the circle, so that their seam at -90 degrees is no edge. A pixel counts as changed
where the phase turned by more than 90 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiments.spm_data.findings import Findings, show

Floats = NDArray[np.float64]
FOLDER: Final = "pfm-writing-sequences"
FILES: Final = ("PZT_final0001.h5", "PZT_final0002.h5", "PZT_final0003.h5")
_MARGIN = 8
_CLOSE_PX = 15


@dataclass(frozen=True)
class Scan:
    """Height [m] and phase [degrees] of one scan."""

    height: Floats
    phase: Floats


@dataclass(frozen=True)
class Step:
    """From one scan to the next: shift (rows, columns), correlation of the heights before and after, turn [degrees]."""

    shift: tuple[float, float]
    before: float
    after: float
    turn: Floats

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Where the phase turned by more than 90 degrees."""
        return np.asarray(np.abs(self.turn) > 90.0)


def analyse(data: Path) -> Findings:
    """The three frames of the PZT film."""
    scans = [_read(data / FOLDER / name) for name in FILES]
    steps = [compare(a, b) for a, b in pairwise(scans)]
    numbers: dict[str, float] = {}
    for i, step in enumerate(steps, start=1):
        name = f"frame_{i}_to_{i + 1}"
        numbers |= {
            f"{name}_shift_rows_px": step.shift[0],
            f"{name}_shift_columns_px": step.shift[1],
            f"{name}_height_correlation_before": step.before,
            f"{name}_height_correlation_after": step.after,
            f"{name}_changed": float(step.changed.mean()),
            f"{name}_changed_right_quarter": float(step.changed[:, -step.changed.shape[1] // 4 :].mean()),
            f"{name}_changed_left_half": float(step.changed[:, : step.changed.shape[1] // 2].mean()),
        }
    says = "drift from the height, change from the phase on the circle"
    return Findings("writing", says, numbers, lambda figure: _draw(figure, scans, steps), (12.0, 6.5))


def compare(before: Scan, after: Scan) -> Step:
    """Register the later scan to the earlier one and turn the phases against each other."""
    shift = registered(before.height, after.height)
    moved = shifted(after.height, shift)
    inner = (slice(_MARGIN, -_MARGIN), slice(_MARGIN, -_MARGIN))
    turned = shifted(np.exp(1j * np.deg2rad(after.phase)), shift) * np.exp(-1j * np.deg2rad(before.phase))
    return Step(
        shift,
        _alike(_flat(before.height)[inner], _flat(after.height)[inner]),
        _alike(_flat(before.height)[inner], _flat(moved)[inner]),
        np.rad2deg(np.angle(turned))[inner],
    )


def registered(before: Floats, after: Floats) -> tuple[float, float]:
    """(rows, columns) by which the later image's content lies below and right of the earlier one's."""
    from scipy.ndimage import gaussian_filter
    from scipy.optimize import minimize

    from experiments.campaign.registration import shift_pixels

    first, second = (gaussian_filter(_flat(image), 1.0) for image in (before, after))
    columns, rows = shift_pixels(first, second)
    inner = (slice(_CLOSE_PX, -_CLOSE_PX), slice(_CLOSE_PX, -_CLOSE_PX))

    def unlike(shift: Floats) -> float:
        return -_alike(first[inner], shifted(second, (float(shift[0]), float(shift[1])))[inner])

    found = minimize(unlike, [rows, columns], method="Nelder-Mead", options={"xatol": 0.02, "fatol": 1e-6}).x
    return float(found[0]), float(found[1])


def shifted(image: NDArray[Any], shift: tuple[float, float]) -> NDArray[Any]:
    """The image whose content lies `shift` (rows, columns) further, brought back; edges repeat."""
    from scipy.ndimage import shift as move

    def back(part: Floats) -> Floats:
        return np.asarray(move(part, (-shift[0], -shift[1]), order=1, mode="nearest"))

    return back(image.real) + 1j * back(image.imag) if np.iscomplexobj(image) else back(image)


def _read(path: Path) -> Scan:
    import h5py

    with h5py.File(path) as file:
        group = file["Measurement_000"]
        found = {str(group[c][c][c].attrs["quantity"]): group[c][c][c][()].astype(np.float64) for c in group}
    return Scan(found["HeightRetrace"], found["PhaseRetrace"])


def _flat(image: Floats) -> Floats:
    """Without its plane and the offsets of its lines, which run along the axis whose neighbours jump less."""
    y, x = np.indices(image.shape)
    basis = np.stack([np.ones(image.size), x.ravel(), y.ravel()], axis=1)
    level = image - (basis @ np.linalg.lstsq(basis, image.ravel(), rcond=None)[0]).reshape(image.shape)
    jumps = [np.square(np.diff(np.median(level, axis=axis))).sum() for axis in (0, 1)]
    return np.asarray(level - np.median(level, axis=int(np.argmax(jumps)), keepdims=True))


def _alike(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _draw(figure: Any, scans: list[Scan], steps: list[Step]) -> None:
    top, bottom = figure.subplots(2, 3)
    for axes, scan, name in zip(top, scans, FILES, strict=True):
        show(axes, scan.phase, name, unit="degrees", colours="twilight", limits=(-90, 270))
    for i, (axes, step) in enumerate(zip(bottom, steps, strict=False), start=1):
        rows, columns = step.shift
        title = f"turn {i} to {i + 1}, shift ({rows:.1f}, {columns:.1f}) px removed"
        show(axes, np.abs(step.turn), title, unit="degrees", colours="magma", limits=(0, 180))
    changed = steps[0].changed.astype(float) + 2.0 * steps[1].changed
    show(bottom[2], changed, "turned > 90°: first (1), then (2)", colours="viridis", limits=(0, 3))

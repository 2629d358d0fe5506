"""Reading results: the curves of one channel with their axis, and the survey's images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instruments.batch import ResultBatch
from instruments.errors import DataInvalid
from instruments.measurement import Axis

Curves = NDArray[np.float64]


def curves_of(result: ResultBatch, channel: str, unit: str, axis_unit: str) -> tuple[Curves, Axis] | None:
    """Curves [B, n] of a channel and their axis; None where nothing came. DataInvalid on another unit or shape."""
    if not result.values:
        return None
    if channel not in result.values:
        raise DataInvalid(f"{result.kind} gave no channel {channel!r}, but {sorted(result.values)}")
    axes, curves = result.axes[channel], np.ascontiguousarray(result.values[channel], dtype=np.float64)
    if len(axes) != 1 or curves.ndim != 2:
        raise DataInvalid(f"channel {channel!r} of {result.kind} has {len(axes)} axes; a curve has one")
    if result.units[channel] != unit:
        raise DataInvalid(f"channel {channel!r} came in {result.units[channel]!r}, but {unit!r} was announced")
    if axes[0].unit != axis_unit:
        raise DataInvalid(f"the axis of {channel!r} is in {axes[0].unit!r}: set task.sweep.axis_unit to that")
    return curves, axes[0]


def survey_images(
    result: ResultBatch, channels: Sequence[str], rows: int, shape: tuple[int, int]
) -> dict[str, NDArray[np.float64]]:
    """Images [B, rows, columns] by channel, NaN where nothing came; DataInvalid on a shape that was not asked for."""
    images = {}
    for name in channels:
        image = np.asarray(result.values.get(name, np.full((rows, *shape), np.nan)), dtype=np.float64)
        if image.shape != (rows, *shape):
            raise DataInvalid(f"the survey's {name!r} has shape {image.shape[1:]}, {shape} was asked for")
        images[name] = image
    return images

"""A recorded image at another pixel size: the mean of what a larger pixel covers, the nearest of what a smaller one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instruments.replay.recording import Image


def resample(
    image: Image, center_nm: NDArray[np.float64], size_nm: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """The window of `size_nm` (width, height) around `center_nm` as `shape` (rows, columns) pixels.

    A mean that would need a value that is not finite is NaN.
    """
    x0, x1, y0, y1 = image.extent_nm
    (left, low), (right, high) = center_nm - size_nm / 2, center_nm + size_nm / 2
    rows = _cover(image.values.shape[0], (low - y0) / (y1 - y0), (high - y0) / (y1 - y0), shape[0])
    columns = _cover(image.values.shape[1], (left - x0) / (x1 - x0), (right - x0) / (x1 - x0), shape[1])
    return _along(_along(image.values, rows, 0), columns, 1)


Cover = NDArray[np.int64] | NDArray[np.float64]
"""Nearest: an index for each new pixel [m]. Mean: a weight of each old pixel for each new one [m, n]."""


def _cover(old: int, first: float, last: float, new: int) -> Cover:
    """How `new` pixels from `first` to `last`, as fractions of the image's side, are made of its `old` ones."""
    bounds = old * np.linspace(first, last, new + 1)
    width = old * (last - first) / new
    if width <= 1.0 + 1e-6:
        return np.asarray(np.clip(np.floor((bounds[:-1] + bounds[1:]) / 2), 0, old - 1), dtype=np.int64)
    pixels = np.arange(old, dtype=np.float64)
    overlap = np.minimum(bounds[1:, None], pixels + 1) - np.maximum(bounds[:-1, None], pixels)
    weights = np.where(overlap > 1e-6, overlap, 0.0)
    beyond = np.flatnonzero(weights.sum(axis=1) == 0)  # the rim, where the field reaches past the image
    weights[beyond, np.clip(bounds[beyond], 0, old - 1).astype(np.int64)] = 1.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def _along(values: NDArray[np.float64], cover: Cover, axis: int) -> NDArray[np.float64]:
    if cover.ndim == 1:
        return np.take(values, cover.astype(np.int64), axis=axis)
    turned = np.moveaxis(values, axis, 0)
    finite = np.isfinite(turned)
    mean = cover @ np.where(finite, turned, 0.0)
    mean[cover @ (~finite).astype(np.float64) > 0] = np.nan
    return np.asarray(np.moveaxis(mean, 0, axis))

"""Medians, spreads and running medians over masked batches: statistics that a few wild numbers cannot move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIGMA_PER_MAD = 1.4826
"""Standard deviation of a normal distribution in units of its median absolute deviation."""


def masked_median(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Median over the last axis of `values` [B, n] where `mask`, [B]; NaN in rows with nothing."""
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    if len(values) == 1:  # one environment, at every step: the same numbers in a fifth of the time
        return np.array([_median_of(np.sort(values[0][mask[0]]))])
    ordered = np.sort(np.where(mask, values, np.inf), axis=-1)
    count = mask.sum(-1)
    low, high = (np.maximum(count - 1, 0)) // 2, np.minimum(count // 2, values.shape[-1] - 1)
    pair = np.take_along_axis(ordered, np.stack([low, high], -1), -1)
    with np.errstate(invalid="ignore"):
        middle = 0.5 * (pair[..., 0] + pair[..., 1])
    return np.where(count > 0, middle, np.nan)


def _median_of(ordered: NDArray[np.float64]) -> float:
    count = len(ordered)
    return float(0.5 * (ordered[(count - 1) // 2] + ordered[count // 2])) if count else np.nan


def median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over the last axis of [B, n], n >= 1; NaN where any is NaN. As numpy's, which takes far longer."""
    ordered = np.sort(values, axis=-1)
    count = values.shape[-1]
    middle = 0.5 * (ordered[..., (count - 1) // 2] + ordered[..., count // 2])
    return np.asarray(np.where(np.isnan(ordered[..., -1]), np.nan, middle))


def masked_scale(
    values: NDArray[np.float64], mask: NDArray[np.bool_], middle: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Robust standard deviation [B] of masked `values` [B, n]: from the median absolute deviation.

    `middle` is their masked median, where it is known already. Where more than half of the values are equal, the mean
    absolute deviation stands in; NaN in empty rows.
    """
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    if middle is None:
        middle = masked_median(values, mask)
    with np.errstate(invalid="ignore"):
        away = np.abs(np.where(mask, values - middle[:, None], 0.0))
    mad = masked_median(away, mask)
    if (mad > 0).all():
        return SIGMA_PER_MAD * mad
    mean = np.cumsum(away, axis=-1)[..., -1] / np.maximum(mask.sum(-1), 1)  # in order: padding must not change it
    return np.where(mad > 0, SIGMA_PER_MAD * mad, np.where(np.isnan(mad), np.nan, mean))


def running_median(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Median over an odd window along the last axis of [B, n], mirrored at the ends."""
    half = window // 2
    padded = np.concatenate([values[:, half:0:-1], values, values[:, -2 : -half - 2 : -1]], axis=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=-1)
    return np.asarray(np.partition(windows, half, axis=-1)[..., half])

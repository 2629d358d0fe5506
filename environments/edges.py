"""Edges in core-loss spectra as one number, for `environments.scalarisers.Function`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid

Floats = NDArray[np.float64]


def sulphur_l(values: Floats, axis: Floats) -> Floats:
    """Counts [B] of the sulphur L edge, 165 to 220 eV, above a power law fitted from 125 to 160 eV."""
    return above_power_law(values, axis, (125.0, 160.0), (165.0, 220.0))


def titanium_l(values: Floats, axis: Floats) -> Floats:
    """Counts [B] of the titanium L edge, 456 to 500 eV, above a power law fitted from 400 to 450 eV."""
    return above_power_law(values, axis, (400.0, 450.0), (456.0, 500.0))


def above_power_law(values: Floats, axis: Floats, before: tuple[float, float], edge: tuple[float, float]) -> Floats:
    """Counts [B] of spectra [B, n] in an edge's window above the power law that fits the window before it.

    Raises DataInvalid where either window holds fewer than three channels, or losses that are not positive.
    """
    fit, counted = ((axis >= low) & (axis <= high) for low, high in (before, edge))
    if fit.sum() < 3 or counted.sum() < 3 or axis[fit].min() <= 0:
        raise DataInvalid(f"the axis, {axis.min():g} to {axis.max():g}, does not hold {before} and {edge} eV")
    x = np.log(axis[fit])
    weight = np.maximum(
        np.ascontiguousarray(values[:, fit]), 0.5
    )  # contiguous: a row's sums do not depend on the others
    y = np.log(weight)
    mean_x = (weight * x).sum(-1) / weight.sum(-1)
    mean_y = (weight * y).sum(-1) / weight.sum(-1)
    away = x - mean_x[:, None]
    slope = (weight * away * (y - mean_y[:, None])).sum(-1) / (weight * away**2).sum(-1)
    background = np.exp(mean_y[:, None] + slope[:, None] * (np.log(axis[counted]) - mean_x[:, None]))
    return np.asarray((np.ascontiguousarray(values[:, counted]) - background).sum(-1), dtype=np.float64)

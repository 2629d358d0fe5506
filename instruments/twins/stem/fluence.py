"""Where electrons really fell: what was booked by the middle of the probe, spread by the probe with its tails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instruments.twins.stem.event_tables import Tails
from physics_priors.optics.probe import Column, transfer
from physics_priors.optics.pupil import frequencies

Floats = NDArray[np.float64]
PIXEL_NM = 0.04
"""Of the map, at most: at 60 kV and 30 mrad it holds all that a probe can show."""


def map_shape(extent_nm: tuple[float, float], column: Column) -> tuple[int, int]:
    """(rows, columns) of the map of a sheet."""
    pixel = min(PIXEL_NM, 0.5 / column.cutoff_1_nm)
    width, height = (int(np.ceil(side / pixel)) for side in extent_nm)
    return height, width


def spread_electrons(
    landed: Floats,
    extent_nm: tuple[float, float],
    column: Column,
    aberrations_nm: NDArray[np.complex128],
    tails: Tails,
) -> Floats:
    """Electrons in every pixel [rows, columns] of a sheet that repeats; their sum is that of `landed` [rows, columns].

    A cubic spline booked them on the cells around the probe's middle; its transfer is divided out, so that what is left
    is the probe itself, up to aliases beyond the band that a probe has.
    """
    rows, columns = landed.shape
    kx, ky = (f[..., : columns // 2 + 1] if f.shape[-1] == columns else f for f in frequencies(landed.shape, extent_nm))
    response = tails.over(transfer(column, aberrations_nm, (rows, columns), extent_nm), kx, ky)
    width, height = extent_nm
    booked = (np.sinc(kx * width / columns) * np.sinc(ky * height / rows)) ** 4
    return np.fft.irfft2(np.fft.rfft2(landed) * response / booked, s=landed.shape)

"""What the sulphur kernel looks up: the probe by radius, and which sites a probe at a place can touch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from instruments.twins.stem.samples.sites import Sites
from physics_priors.optics.aberrations import NAMES
from physics_priors.optics.probe import Column, transfer
from physics_priors.optics.pupil import frequencies

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEP_NM, REACH_NM, CELL_NM = 0.002, 1.0, 0.1
"""Of the radial tables, and of the grid of cells that lists sites."""
_GRID, _SIDE_NM = 1024, 10.24


@lru_cache(maxsize=8)
def radial(column: Column, defocus_nm: float, thermal_nm: tuple[float, ...]) -> Floats:
    """Density [1/nm^2] of the probe blurred by each thermal displacement [n], by radius up to `REACH_NM`, [n, R].

    Only round aberrations: a probe is its radius' function here. Each sums to 1 within the reach.
    """
    shape, extent = (_GRID, _GRID), (_SIDE_NM, _SIDE_NM)
    lenses = np.zeros(len(NAMES), dtype=np.complex128)
    lenses[NAMES.index("C1")] = defocus_nm
    response = transfer(column, lenses, shape, extent)
    kx, ky = (f[..., : _GRID // 2 + 1] if f.shape[-1] == _GRID else f for f in frequencies(shape, extent))
    radius: Floats = STEP_NM * np.arange(round(REACH_NM / STEP_NM) + 1.0)
    lines = []
    for sd in thermal_nm:
        blurred = np.fft.irfft2(response * np.exp(-2 * np.pi**2 * sd**2 * (kx**2 + ky**2)), s=shape)
        density: Floats = blurred[0] / (_SIDE_NM / _GRID) ** 2
        lines.append(_line(density, radius))
    return np.array(lines)


def _line(row: Floats, radius: Floats) -> Floats:
    from scipy.interpolate import CubicSpline

    density = np.maximum(CubicSpline(np.arange(_GRID) * _SIDE_NM / _GRID, row)(radius), 0.0)
    total = np.trapezoid(2 * np.pi * radius * density, radius)
    return np.asarray(density / total)


def near_sites(sites: Sites, reach_nm: float = REACH_NM) -> tuple[Ints, Ints]:
    """For every cell of a grid over the extent, (first, last + 1) [rows, columns, 2] in a list of sites in reach."""
    columns, rows = (max(1, round(side / CELL_NM)) for side in sites.extent_nm)
    slack = reach_nm + 0.75 * max(sites.extent_nm[0] / columns, sites.extent_nm[1] / rows)
    ranges, listed, first = np.empty((rows, columns, 2), dtype=np.int64), [], 0
    extent = np.array(sites.extent_nm)
    for row in range(rows):
        for column in range(columns):
            middle = (np.array([column, row]) + 0.5) / np.array([columns, rows]) - 0.5
            away = sites.positions_nm[:, :2] - middle * extent
            away -= extent * np.round(away / extent)
            found = np.flatnonzero(np.hypot(away[:, 0], away[:, 1]) <= slack)
            listed.append(found)
            ranges[row, column] = first, first + len(found)
            first += len(found)
    return ranges, np.concatenate(listed)

"""The periodic grid on which an image is made, and the image as a smooth function of the beam's place.

Atoms are spread onto the grid with a spline, multiplied in reciprocal space by the transfer of thermal motion and probe
and by what undoes both splines, and read at any place with the spline again. The probe cuts off at 2 alpha / lambda,
and the grid resolves half as much again, so that nothing but the splines' aliases (about 1e-5) is lost: an atom lies
where it is, not on a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instruments.errors import InvalidRequest
from physics_priors.optics.aberrations import turned
from physics_priors.optics.probe import Column, radius_nm, transfer

Floats = NDArray[np.float64]
_OVERSAMPLING = 1.5
_SNAP_NM = 0.25
"""Corners lie on multiples of this, so that frames of one size share what depends on the size alone."""
_LARGEST_PX = 6000
"""A canvas of so many pixels a side takes half a gigabyte."""


@dataclass(frozen=True)
class Canvas:
    """A grid over a box of the turned frame: its corner (x0, y0) [nm], extent (width, height) [nm], shape and turn.

    Places in it are `turn` (by -turn_rad) of places in the sample frame, so that x is the fast direction of the scan.
    """

    corner_nm: tuple[float, float]
    extent_nm: tuple[float, float]
    shape: tuple[int, int]
    turn_rad: float = 0.0

    def pixels(self, places_nm: Floats) -> Floats:
        """Places [n, 2] of the turned frame in pixels of the grid, whole numbers at its points."""
        scale = np.array([self.shape[1] / self.extent_nm[0], self.shape[0] / self.extent_nm[1]])
        return np.ascontiguousarray((places_nm - np.array(self.corner_nm)) * scale)


def canvas_over(column: Column, low_nm: Floats, high_nm: Floats, margin_nm: float, turn_rad: float = 0.0) -> Canvas:
    """A canvas over at least a box of the turned frame and a margin; InvalidRequest where it cannot be allocated."""
    corner = np.floor((low_nm - margin_nm) / _SNAP_NM) * _SNAP_NM
    extent = np.ceil((high_nm + margin_nm) / _SNAP_NM) * _SNAP_NM - corner
    columns, rows = (_points(column, float(side)) for side in extent)
    return Canvas((float(corner[0]), float(corner[1])), (float(extent[0]), float(extent[1])), (rows, columns), turn_rad)


def canvas_of_period(column: Column, period_nm: tuple[float, float]) -> Canvas:
    """A canvas over exactly one period, centred on (0, 0): the image repeats as the sample does."""
    columns, rows = (_points(column, side) for side in period_nm)
    return Canvas((-period_nm[0] / 2, -period_nm[1] / 2), period_nm, (rows, columns))


def margin_nm(column: Column, aberrations_nm: ArrayLike) -> float:
    """How far around a frame atoms are drawn: 0.6 nm and the radius of the geometric probe, at most 12 nm."""
    return min(0.6 + float(np.max(radius_nm(column, aberrations_nm))), 12.0)


def painted(
    canvas: Canvas,
    positions_nm: Floats,
    strength_nm2: Floats,
    thermal_nm: Floats,
    period_nm: tuple[float, float] | None = None,
) -> NDArray[np.complex128]:
    """Spectrum [rows, columns // 2 + 1] of the atoms with their thermal motion, by `rfft2`.

    positions_nm [N, 2] in the sample frame; `period_nm` repeats them all over the canvas (not where it is turned).
    """
    from scipy import fft

    from instruments.twins.stem.kernels import spread

    period = _period_px(canvas, period_nm)
    places = canvas.pixels(_turn(positions_nm, -canvas.turn_rad))
    spectrum = np.zeros((canvas.shape[0], canvas.shape[1] // 2 + 1), dtype=np.complex128)
    for sd_nm in np.unique(thermal_nm):
        alike = thermal_nm == sd_nm
        grid = np.zeros(canvas.shape)
        spread(places[alike], strength_nm2[alike], period, grid)
        spectrum += fft.rfft2(grid) * _gauss(canvas.shape, canvas.extent_nm, float(sd_nm))
    return spectrum


def spline(canvas: Canvas, spectrum: NDArray[np.complex128], response: NDArray[np.complex128]) -> Floats:
    """The image as spline coefficients [rows, columns] in 1/nm^2 of the spectrum's unit: per incident electron."""
    from scipy import fft

    area_px = canvas.extent_nm[0] * canvas.extent_nm[1] / (canvas.shape[0] * canvas.shape[1])
    image = fft.irfft2(spectrum * response * _unsplined(canvas.shape), s=canvas.shape, overwrite_x=True)
    return np.ascontiguousarray(image / area_px)


def response(canvas: Canvas, column: Column, aberrations_nm: ArrayLike) -> NDArray[np.complex128]:
    """Transfer of the probe on the canvas; the aberrations are those of the sample frame's axes."""
    return transfer(column, turned(aberrations_nm, canvas.turn_rad), canvas.shape, canvas.extent_nm)


def _turn(places_nm: Floats, angle_rad: float) -> Floats:
    if angle_rad == 0.0:
        return np.ascontiguousarray(places_nm, dtype=np.float64)
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return np.asarray(places_nm @ np.array([[cos, sin], [-sin, cos]]))


def _period_px(canvas: Canvas, period_nm: tuple[float, float] | None) -> Floats:
    if period_nm is None:
        return np.zeros(2)
    if canvas.turn_rad:
        raise InvalidRequest("a turned canvas cannot repeat a sample: repeat the atoms with `tiled` first")
    scale = np.array([canvas.shape[1], canvas.shape[0]]) / np.array(canvas.extent_nm)
    return np.asarray(np.array(period_nm) * scale)


def _points(column: Column, side_nm: float) -> int:
    from scipy.fft import next_fast_len

    wanted = math.ceil(2.0 * _OVERSAMPLING * column.cutoff_1_nm * side_nm)
    if wanted > _LARGEST_PX:
        raise InvalidRequest(
            f"a field of {side_nm:.4g} nm needs {wanted} grid points a side to be resolved, more than {_LARGEST_PX}: "
            "ask for a smaller one"
        )
    return int(next_fast_len(max(wanted, 16), real=True))


@lru_cache(maxsize=16)
def _gauss(shape: tuple[int, int], extent_nm: tuple[float, float], sd_nm: float) -> Floats:
    k = (np.fft.fftfreq(count, side / count) for count, side in zip(shape, extent_nm[::-1], strict=True))
    rows, columns = (np.exp(-2.0 * np.pi**2 * sd_nm**2 * along**2) for along in k)
    return np.asarray(rows[:, None] * columns[None, : shape[1] // 2 + 1])


@lru_cache(maxsize=8)
def _unsplined(shape: tuple[int, int]) -> Floats:
    """One over the transforms of the two splines."""
    rows, columns = (np.sinc(np.fft.fftfreq(count)) ** -12.0 for count in shape)
    return np.asarray(rows[:, None] * columns[None, : shape[1] // 2 + 1])

"""The probe: its intensity, its transfer function with the source's size, its width and how much lies in its tails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.bounds import Bounds, violations
from physics_priors.electron import BEAM_KEV, ELECTRONS_PER_PA_S, wavelength_nm
from physics_priors.optics.aberrations import Complexes, basis, checked, slopes_nm
from physics_priors.optics.pupil import aperture, frequencies

Floats = NDArray[np.float64]
FWHM_OF_SD = float(2.0 * np.sqrt(2.0 * np.log(2.0)))
"""Full width at half maximum of a Gaussian of standard deviation 1: 2.3548."""
_BARN_A2 = 1e-8


@dataclass(frozen=True)
class Column:
    """What of the optics stays: beam energy, convergence semi-angle, and the source's image (Gaussian, FWHM)."""

    energy_keV: Annotated[float, BEAM_KEV] = 60.0
    convergence_mrad: Annotated[float, Bounds("mrad", 0.0, 200.0, open_low=True)] = 30.0
    source_nm: Annotated[float, Bounds("nm", 0.0, 10.0)] = 0.08

    def __post_init__(self) -> None:
        if said := violations(self):
            raise ValueError("Column: " + "; ".join(said))

    @property
    def convergence_rad(self) -> float:
        """Convergence semi-angle [rad]."""
        return 1e-3 * self.convergence_mrad

    @property
    def wavelength_nm(self) -> float:
        """De Broglie wavelength [nm]."""
        return float(wavelength_nm(self.energy_keV))

    @property
    def cutoff_1_nm(self) -> float:
        """Highest spatial frequency of the probe's intensity, 2 alpha / lambda [1/nm]."""
        return 2.0 * self.convergence_rad / self.wavelength_nm


def intensity(
    column: Column, aberrations_nm: ArrayLike, shape: tuple[int, int], extent_nm: tuple[float, float]
) -> Floats:
    """The probe [..., rows, columns] on a periodic grid, centred on pixel (rows // 2, columns // 2), summing to 1.

    The source's size is in it. The grid must resolve the cutoff, else ValueError; what would lie outside of it is
    folded back in.
    """
    response = np.fft.irfft2(transfer(column, aberrations_nm, shape, extent_nm), s=shape)
    return np.asarray(np.fft.fftshift(response, axes=(-2, -1)))


def transfer(
    column: Column, aberrations_nm: ArrayLike, shape: tuple[int, int], extent_nm: tuple[float, float]
) -> Complexes:
    """Transfer function [..., rows, columns // 2 + 1] of the probe at the origin, 1 at zero; order of `rfft2`.

    The soft edge of the aperture dampens the tails towards the border of the grid; the little current that it takes
    from them (1 / (3 extent cutoff / 2) of all) is spread evenly, so that none is lost and the peak is the true one.
    """
    from scipy import fft

    values = checked(aberrations_nm)
    where, passes, real, imaginary, blur = _pupil(column, shape, extent_nm)
    wave = np.zeros((*values.shape[:-1], shape[0] * shape[1]), dtype=np.complex128)
    chi = values.real @ real + values.imag @ imaginary
    wave[..., where] = passes * np.cos(chi) - 1j * (passes * np.sin(chi))
    wave = fft.ifft2(wave.reshape((*values.shape[:-1], *shape)), overwrite_x=True)
    disc = np.pi * (0.5 * column.cutoff_1_nm) ** 2 * extent_nm[0] * extent_nm[1]
    spectrum = fft.rfft2(wave.real**2 + wave.imag**2) * (shape[0] * shape[1] / disc)
    spectrum[..., 0, 0] = 1.0
    return np.asarray(spectrum * blur)


@lru_cache(maxsize=8)
def _pupil(
    column: Column, shape: tuple[int, int], extent_nm: tuple[float, float]
) -> tuple[NDArray[np.int64], Floats, Floats, Floats, Floats]:
    """What of the pupil does not depend on aberrations.

    Indices [P] of the grid points that pass, how much passes there, phase per nm of the real and of the imaginary
    parts [14, P], and the source's transfer [rows, columns // 2 + 1].
    """
    _resolved(column, shape, extent_nm)
    kx, ky = frequencies(shape, extent_nm)
    passes = aperture(kx, ky, column.wavelength_nm, column.convergence_rad, 1.0 / min(extent_nm)).ravel()
    where = np.flatnonzero(passes)
    real, imaginary = basis(kx.ravel()[where], ky.ravel()[where], column.wavelength_nm)
    half = shape[1] // 2 + 1
    blur = source_transfer(column, kx[:1, :half], 0.0) * source_transfer(column, ky[:, :1], 0.0)
    return where, passes[where], np.ascontiguousarray(real), np.ascontiguousarray(imaginary), blur


def source_transfer(column: Column, kx: ArrayLike, ky: ArrayLike) -> Floats:
    """Transfer of the source's Gaussian image."""
    sd_nm = column.source_nm / FWHM_OF_SD
    return np.asarray(np.exp(-2.0 * np.pi**2 * sd_nm**2 * (np.square(kx) + np.square(ky))))


def radius_nm(column: Column, aberrations_nm: ArrayLike) -> Floats:
    """How far from the centre the rays of the aperture land at most, [...] nm: the size of the geometric probe."""
    turn = np.exp(2j * np.pi * np.arange(48) / 48)
    edge = np.concatenate([turn, 0.7 * turn]) * column.convergence_rad / column.wavelength_nm
    landing = slopes_nm(checked(aberrations_nm), edge.real, edge.imag, column.wavelength_nm)
    return np.asarray(np.abs(landing).max(axis=-1))


def width_nm(bright: Floats, pixel_nm: float) -> float:
    """Full width at half maximum of a centred probe [rows, columns]: the mean along its row and its column."""
    row, column = np.unravel_index(int(np.argmax(bright)), bright.shape)
    lines = (bright[row, column:], bright[row, column::-1], bright[row:, column], bright[row::-1, column])
    return float(0.5 * pixel_nm * sum(_half_width(line) for line in lines))


def _half_width(line: Floats) -> float:
    """Where a line that begins at its maximum first falls to half of it, in pixels, between pixels linearly."""
    below = np.flatnonzero(line < 0.5 * line[0])
    if not len(below):
        raise ValueError("the probe does not fall to half of its maximum inside of the grid: make the grid larger")
    last = int(below[0])
    return float(last - 1 + (line[last - 1] - 0.5 * line[0]) / (line[last - 1] - line[last]))


def rate_per_barn(bright: Floats, pixel_nm: float, current_pA: float) -> Floats:
    """Events a second and barn of cross-section at every place of a probe that sums to 1, [rows, columns]."""
    flux_A2 = bright / (100.0 * pixel_nm**2) * current_pA * ELECTRONS_PER_PA_S
    return np.asarray(flux_A2 * _BARN_A2)


def gaussian_rate_per_barn(current_pA: float, width_nm: float) -> float:
    """The same at the centre of a Gaussian probe of that full width at half maximum."""
    sd_A = 10.0 * width_nm / FWHM_OF_SD
    return float(current_pA * ELECTRONS_PER_PA_S / (2.0 * np.pi * sd_A**2) * _BARN_A2)


def fraction_beyond(bright: Floats, pixel_nm: float, radius_nm: float) -> float:
    """Which part of a probe, centred on its middle pixel, lies farther than a radius from it."""
    rows, columns = bright.shape
    y, x = np.arange(rows) - rows // 2, np.arange(columns) - columns // 2
    far = np.hypot(x[None, :], y[:, None]) * pixel_nm > radius_nm
    return float(bright[far].sum() / bright.sum())


def _resolved(column: Column, shape: tuple[int, int], extent_nm: tuple[float, float]) -> None:
    pixel = max(extent_nm[0] / shape[1], extent_nm[1] / shape[0])
    if 0.5 / pixel < column.cutoff_1_nm * (1 - 1e-9):
        raise ValueError(
            f"a pixel of {pixel:.4g} nm does not resolve this probe: at most {0.5 / column.cutoff_1_nm:.4g} nm does"
        )

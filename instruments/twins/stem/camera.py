"""The camera below the sample: Ronchigrams of a thin film, and convergent-beam patterns of a crystal.

Both are the same physics: the probe's wave times the transmission of a thin phase object, seen in the far field.
Atoms scatter by a screened Coulomb potential in the first Born approximation (Wentzel, Z. Phys. 40, 590, 1926), the
object is a pure phase, and there is no inelastic scattering, no propagation inside of it, and no partial coherence
but the source's size, which blurs a Ronchigram through the angle it spans.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.electron import BOHR_NM, gamma
from physics_priors.optics.probe import Column
from physics_priors.optics.pupil import frequencies, pupil

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


def atom_phase(column: Column, species: int, kx: Floats, ky: Floats) -> Floats:
    """Spectrum [rad nm^2] of the phase that one atom gives: lambda gamma f(k), f of the screened Coulomb potential."""
    screening_nm = BOHR_NM / species ** (1.0 / 3.0)
    amplitude_nm = 2.0 * species / BOHR_NM / (4.0 * np.pi**2 * (kx**2 + ky**2) + screening_nm**-2)
    return np.asarray(column.wavelength_nm * float(gamma(column.energy_keV)) * amplitude_nm)


def phase_of_atoms(
    column: Column,
    positions_nm: Floats,
    species: NDArray[np.int64],
    shape: tuple[int, int],
    extent_nm: tuple[float, float],
) -> Floats:
    """Phase [rows, columns] of atoms at (x, y) [N, 2] on a periodic grid, whose corner is at minus half the extent."""
    from instruments.twins.stem.kernels import spread

    kx, ky = frequencies(shape, extent_nm)
    sides = np.array(extent_nm)
    pixels = np.mod(positions_nm / sides + 0.5, 1.0) * np.array([shape[1], shape[0]])
    total = np.zeros(shape, dtype=np.complex128)
    for number in np.unique(species[species > 0]):
        grid = np.zeros(shape)
        alike = species == number
        spread(np.ascontiguousarray(pixels[alike]), np.ones(int(alike.sum())), np.zeros(2), grid)
        total += np.fft.fft2(grid) * atom_phase(column, int(number), kx, ky)
    unspline = np.outer(*(np.sinc(np.fft.fftfreq(count)) ** -6.0 for count in shape))
    band = np.hypot(kx, ky) < 0.5 * min(shape[1] / extent_nm[0], shape[0] / extent_nm[1])
    return np.asarray(np.fft.ifft2(total * unspline * band).real * (shape[0] * shape[1] / (sides[0] * sides[1])))


def film_phase(
    column: Column, draws: Floats, thickness_nm: float, extent_nm: tuple[float, float], density_nm3: float = 100.0
) -> Floats:
    """Phase of amorphous carbon from standard normal `draws` [rows, columns]: many atoms anywhere make white noise."""
    kx, ky = frequencies((draws.shape[0], draws.shape[1]), extent_nm)
    pixel_nm2 = extent_nm[0] * extent_nm[1] / draws.size
    number = np.sqrt(density_nm3 * thickness_nm * pixel_nm2) * draws
    phase = np.fft.ifft2(np.fft.fft2(number) * atom_phase(column, 6, kx, ky)).real / pixel_nm2
    return np.asarray(phase - phase.mean())


def pattern(
    column: Column, aberrations_nm: ArrayLike, phase: Floats, extent_nm: tuple[float, float], position_nm: Floats
) -> tuple[Floats, Floats]:
    """Share of the beam's electrons in every camera pixel, and the angle [rad] of the pixels along an axis.

    phase [rows, columns] is periodic with its corner at minus half of the extent, the beam stands at (x, y). The
    pattern is cut to 1.5 times the convergence angle, x along the columns; what scatters beyond is not on the camera.
    """
    from scipy import fft

    shape = (phase.shape[0], phase.shape[1])
    kx, ky = frequencies(shape, extent_nm)
    open_pupil = pupil(aberrations_nm, kx, ky, column.energy_keV, column.convergence_rad, 1.0 / min(extent_nm))
    corner = position_nm + 0.5 * np.array(extent_nm)
    wave = fft.ifft2(open_pupil * np.exp(-2j * np.pi * (kx * corner[0] + ky * corner[1])))
    far = fft.fft2(wave * np.exp(1j * phase))
    bright = far.real**2 + far.imag**2
    bright = np.fft.fftshift(bright / np.sum(np.abs(open_pupil) ** 2))
    return _cut(bright, column, extent_nm)


def _cut(bright: Floats, column: Column, extent_nm: tuple[float, float]) -> tuple[Floats, Floats]:
    rows, columns = bright.shape
    reach = int(1.5 * column.convergence_rad / column.wavelength_nm * min(extent_nm))
    reach = min(reach, rows // 2, columns // 2)
    middle = slice(rows // 2 - reach, rows // 2 + reach), slice(columns // 2 - reach, columns // 2 + reach)
    angle = np.arange(-reach, reach) * column.wavelength_nm / extent_nm[0]
    return bright[middle], angle


def binned(bright: Floats, angle: Floats, binning: int) -> tuple[Floats, Floats]:
    """Sums over squares of `binning` pixels, and the angles of their middles; what is left over at the end is cut."""
    count = len(angle) // binning
    if not count:
        raise ValueError(f"binning={binning} leaves no pixel of {len(angle)}")
    kept = bright[: count * binning, : count * binning]
    return (
        np.asarray(kept.reshape(count, binning, count, binning).sum(axis=(1, 3))),
        np.asarray(angle[: count * binning].reshape(count, binning).mean(axis=1)),
    )

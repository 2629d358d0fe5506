"""The aperture, what it resolves, and the settings that are best without a corrector."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.electron import wavelength_nm
from physics_priors.optics.aberrations import Complexes, phase_rad

Floats = NDArray[np.float64]


def frequencies(shape: tuple[int, int], extent_nm: tuple[float, float]) -> tuple[Floats, Floats]:
    """kx and ky [rows, columns] in 1/nm of a periodic grid over `extent_nm` (width, height), in the order of an FFT."""
    (rows, columns), (width, height) = shape, extent_nm
    kx, ky = np.meshgrid(np.fft.fftfreq(columns, width / columns), np.fft.fftfreq(rows, height / rows))
    return kx, ky


def aperture(kx: Floats, ky: Floats, wavelength: float, convergence_rad: float, soft: float) -> Floats:
    """How much of every frequency passes, 0 to 1: a disc whose edge is a ramp of `soft` 1/nm, so no step is sampled."""
    distance = convergence_rad / wavelength - np.hypot(kx, ky)
    return np.clip(distance / soft + 0.5, 0.0, 1.0)


def pupil(
    aberrations_nm: ArrayLike, kx: Floats, ky: Floats, energy_keV: float, convergence_rad: float, soft: float
) -> Complexes:
    """Aperture times exp(-i chi), [..., *k]; `soft` as for `aperture`."""
    wavelength = float(wavelength_nm(energy_keV))
    passes = aperture(kx, ky, wavelength, convergence_rad, soft)
    return np.asarray(passes * np.exp(-1j * phase_rad(aberrations_nm, kx, ky, wavelength)))


def cutoff_1_nm(energy_keV: float, convergence_rad: float) -> float:
    """Highest spatial frequency of an incoherent image, 2 alpha / lambda [1/nm]."""
    return float(2.0 * convergence_rad / wavelength_nm(energy_keV))


def nyquist_pixel_nm(energy_keV: float, convergence_rad: float) -> float:
    """Largest pixel [nm] that loses nothing of an incoherent image: lambda / (4 alpha)."""
    return 0.5 / cutoff_1_nm(energy_keV, convergence_rad)


def scherzer(energy_keV: float, c3_nm: float) -> tuple[float, float]:
    """Best convergence [rad] and C1 [nm] of an uncorrected probe: (4 lambda / C3)^(1/4) and -sqrt(C3 lambda)."""
    if not c3_nm > 0:
        raise ValueError(f"c3_nm={c3_nm!r} must be above 0 nm")
    wavelength = float(wavelength_nm(energy_keV))
    return (4.0 * wavelength / c3_nm) ** 0.25, -float(np.sqrt(c3_nm * wavelength))


def balancing_defocus_nm(c3_nm: float, convergence_rad: float) -> float:
    """C1 [nm] with the least phase variance over the aperture beside a given C3: -C3 alpha^2 / 2."""
    return -0.5 * c3_nm * convergence_rad**2


def geometric_source_nm(current_pA: float, convergence_rad: float, energy_keV: float, brightness: float) -> float:
    """Diameter [nm] of the source's image for a reduced brightness [A / (m^2 sr V)]: (2 / pi alpha) sqrt(I / B V)."""
    at_energy = brightness * 1e3 * energy_keV
    return float(1e9 * 2.0 / (np.pi * convergence_rad) * np.sqrt(1e-12 * current_pA / at_energy))

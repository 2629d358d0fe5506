"""The aberration function to fifth order, with the names that CEOS correctors use.

    chi = (2 pi / lambda) sum_k f_k theta^(n_k + 1) Re{ C_k exp(-i m_k phi) }

so the argument of C_k is m_k times the azimuth of the aberration: C_k = |C_k| exp(i m_k phi_k). The factors f_k are
those of Typke and Dierksen (Optik 99, 155, 1995) and of Uhlemann and Haider (Ultramicroscopy 72, 109, 1998): one over
n + 1 for the round and the astigmatic ones, 1 for the rest (B2, S3, B4, D4, S5, R5). Other notations scale B2, B4 and
the stars by whole numbers, and conjugate B2, B4, S3, S5, R5 and D4. C1 above 0 is overfocus; the wave gets the phase
factor exp(-i chi), so the best C1 is below 0 where C3 is above 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

NAMES: Final = ("C1", "A1", "B2", "A2", "C3", "S3", "A3", "B4", "D4", "A4", "C5", "S5", "R5", "A5")
COUNT: Final = len(NAMES)
ORDER: Final = np.array([int(name[1]) for name in NAMES])
"""n_k: the order; the phase goes with theta^(n + 1)."""
SYMMETRY: Final = np.array([0, 2, 1, 3, 0, 2, 4, 1, 3, 5, 0, 2, 4, 6])
"""m_k: how often the aberration repeats in a turn; 0 for the round ones."""
FACTOR: Final = np.array([1 / (n + 1) if name[0] in "AC" else 1.0 for n, name in zip(ORDER, NAMES, strict=True)])
ROUND: Final = SYMMETRY == 0
TYPICAL_NM: Final = np.array([1.0, 1.0, 20.0, 20.0, 1e3, 1e3, 1e3, 2e4, 2e4, 2e4, 1e6, 1e6, 1e6, 1e6])
"""What of each changes a probe of 60 kV and 30 mrad about as much as 1 nm of defocus does."""
INDEX: Final[Mapping[str, int]] = {name: index for index, name in enumerate(NAMES)}


def aberrations(values_nm: Mapping[str, complex]) -> Complexes:
    """Coefficients [14] in nm from values by name, 0 where not given; ValueError on an unknown or impossible one."""
    coefficients = np.zeros(COUNT, dtype=np.complex128)
    for name, value in values_nm.items():
        if name not in INDEX:
            raise ValueError(f"unknown aberration {name!r}; known: {', '.join(NAMES)}")
        coefficients[INDEX[name]] = value
    return checked(coefficients)


def checked(aberrations_nm: ArrayLike) -> Complexes:
    """The coefficients [..., 14] as complex numbers; ValueError where they are not finite or a round one has a side."""
    values = np.asarray(aberrations_nm, dtype=np.complex128)
    if values.shape[-1:] != (COUNT,):
        raise ValueError(f"aberrations need a last axis of {COUNT} ({', '.join(NAMES)}), got shape {values.shape}")
    if not np.all(np.isfinite(values)):
        raise ValueError("an aberration is not a finite number")
    if np.any(values[..., ROUND].imag != 0):
        raise ValueError("C1, C3 and C5 are round: they have no imaginary part")
    return values


def polar(amplitude_nm: ArrayLike, azimuth_rad: ArrayLike, name: str) -> Complexes:
    """The coefficient of an amplitude [nm] at an azimuth [rad]."""
    turns = SYMMETRY[INDEX[name]] * np.asarray(azimuth_rad)
    return np.asarray(np.asarray(amplitude_nm) * np.exp(1j * turns))


def turned(aberrations_nm: ArrayLike, angle_rad: float) -> Complexes:
    """The same aberrations [..., 14] seen from axes that are turned counter-clockwise by an angle."""
    return np.asarray(checked(aberrations_nm) * np.exp(-1j * SYMMETRY * angle_rad))


def phase_rad(aberrations_nm: ArrayLike, kx: Floats, ky: Floats, wavelength_nm: float) -> Floats:
    """chi [..., *k] of coefficients [..., 14] at spatial frequencies of any one shape."""
    values = checked(aberrations_nm)
    parts = basis(kx, ky, wavelength_nm)
    real, imaginary = (part.reshape(COUNT, -1) for part in parts)
    chi = values.real @ real + values.imag @ imaginary
    return np.asarray(chi.reshape((*values.shape[:-1], *np.shape(kx))), dtype=np.float64)


def basis(kx: Floats, ky: Floats, wavelength_nm: float) -> tuple[Floats, Floats]:
    """Phase [rad] per nm of the real and of the imaginary part of every coefficient, [14, *k] each: chi is linear."""
    angle = _angles(kx, ky, wavelength_nm)
    powers, even = _powers(angle, int(SYMMETRY.max())), _powers(angle * angle.conj(), 3)
    scale = 2 * np.pi / wavelength_nm
    terms = [
        scale * f * even[(n + 1 - m) // 2].real * powers[m] for f, n, m in zip(FACTOR, ORDER, SYMMETRY, strict=True)
    ]
    stacked = np.stack(terms)
    return stacked.real, stacked.imag


def slopes_nm(aberrations_nm: ArrayLike, kx: Floats, ky: Floats, wavelength_nm: float) -> Complexes:
    """Where the rays of every frequency land: the gradient of chi over k, divided by 2 pi, as x + i y [nm].

    [..., *k] of coefficients [..., 14]; the geometric aberration of a ray at angle lambda k.
    """
    values = checked(aberrations_nm)
    angle = _angles(kx, ky, wavelength_nm)
    powers = _powers(angle, int(ORDER.max()))
    landing = np.zeros((*values.shape[:-1], *np.shape(kx)), dtype=np.complex128)
    for index in range(COUNT):
        n, m, f = int(ORDER[index]), int(SYMMETRY[index]), float(FACTOR[index])
        own = values[..., index].reshape((*values.shape[:-1], *([1] * np.ndim(kx))))
        landing += f * _gradient(own, n, m, powers)
    return landing


def _gradient(coefficient: Complexes, n: int, m: int, powers: list[Complexes]) -> Complexes:
    """d/dx + i d/dy of Re{C conj(w)^(p) w^(q)} with p - q = m and p + q = n + 1: 2 times the derivative to conj(w)."""
    p, q = (n + 1 + m) // 2, (n + 1 - m) // 2
    first = coefficient * p * np.conj(powers[p - 1]) * powers[q]
    if q == 0:
        return first
    return np.asarray(first + np.conj(coefficient) * q * powers[p] * np.conj(powers[q - 1]))


def _angles(kx: Floats, ky: Floats, wavelength_nm: float) -> Complexes:
    """theta exp(i phi) of every frequency."""
    return np.asarray(wavelength_nm * (np.asarray(kx) + 1j * np.asarray(ky)), dtype=np.complex128)


def _powers(values: Complexes, highest: int) -> list[Complexes]:
    powers = [np.ones_like(values)]
    for _ in range(highest):
        powers.append(powers[-1] * values)
    return powers

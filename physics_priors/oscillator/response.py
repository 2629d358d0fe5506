"""The driven harmonic oscillator in the frequency domain, and what follows from it in closed form.

H(f) = A exp(i phi) f0^2 / (f0^2 - f^2 + i f f0 / Q): A is the response far below the resonance, and at the resonance
H = A Q exp(i (phi - pi/2)). This sign is used everywhere in the project; `from_positive_phase` brings in data that were
written with the other one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


def response(
    frequency_Hz: ArrayLike,
    amplitude: ArrayLike,
    resonance_Hz: ArrayLike,
    quality: ArrayLike,
    phase_rad: ArrayLike = 0.0,
) -> Complexes:
    """H(f), broadcast over all arguments."""
    f, f0, q = (np.asarray(v, dtype=np.float64) for v in (frequency_Hz, resonance_Hz, quality))
    drive = np.asarray(amplitude) * np.exp(1j * np.asarray(phase_rad)) * f0**2
    return np.asarray(drive / (f0**2 - f**2 + 1j * f * f0 / q), dtype=np.complex128)


def peak_Hz(resonance_Hz: ArrayLike, quality: ArrayLike) -> Floats:
    """Where |H| is largest, f0 sqrt(1 - 1 / 2 Q^2); 0 where Q is below 1 / sqrt(2) and there is no peak."""
    below = 1.0 - 0.5 / np.square(np.asarray(quality, dtype=np.float64))
    return np.asarray(resonance_Hz, dtype=np.float64) * np.sqrt(np.maximum(below, 0.0))


def width_Hz(resonance_Hz: ArrayLike, quality: ArrayLike) -> Floats:
    """Full width f0 / Q at 1 / sqrt(2) of the peak amplitude, exact to order 1 / Q^2."""
    return np.asarray(np.asarray(resonance_Hz, dtype=np.float64) / np.asarray(quality, dtype=np.float64))


def ring_down_s(resonance_Hz: ArrayLike, quality: ArrayLike) -> Floats:
    """Time constant Q / (pi f0) with which the amplitude of a free oscillation falls."""
    return np.asarray(np.asarray(quality, dtype=np.float64) / (np.pi * np.asarray(resonance_Hz, dtype=np.float64)))


def from_positive_phase(spectrum: NDArray[Any]) -> Complexes:
    """Spectra that were written as f0^2 / (f^2 - i f f0 / Q - f0^2), phase +pi/2 at resonance, in our sign.

    BGlib writes them so.
    """
    return np.asarray(-np.asarray(spectrum), dtype=np.complex128)


def from_two(frequencies_Hz: Floats, values: Complexes) -> tuple[Floats, Floats, Complexes]:
    """Resonance [Hz], quality and A exp(i phi), [...] each, from H at two frequencies, both [..., 2].

    Exact: c / H = f0^2 - f^2 + i f f0 / Q is linear in f0^2, f0 / Q and c = A exp(i phi) f0^2, four real equations for
    four unknowns. That is what dual-frequency resonance tracking computes (Rodriguez 2007, Gannepalli 2011). NaN where
    the two values fit no damped oscillator.
    """
    first, second = values[..., 0], values[..., 1]
    f1, f2 = frequencies_Hz[..., 0], frequencies_Hz[..., 1]
    with np.errstate(all="ignore"):
        square, damping = _square_and_damping(f1, f2, first, second)
        resonance = np.sqrt(square)
        quality = resonance / damping
        amplitude = first * (square - f1**2 + 1j * f1 * damping) / square
        good = (square > 0) & (damping > 0)
    bad = np.nan
    return np.where(good, resonance, bad), np.where(good, quality, bad), np.where(good, amplitude, bad + 1j * bad)


def _square_and_damping(f1: Floats, f2: Floats, first: Complexes, second: Complexes) -> tuple[Floats, Floats]:
    """f0^2 and f0 / Q from H1 (s - f1^2 + i f1 b) = H2 (s - f2^2 + i f2 b), one complex equation."""
    of_square = first - second
    of_damping = 1j * (f1 * first - f2 * second)
    right = first * f1**2 - second * f2**2
    determinant = of_square.real * of_damping.imag - of_square.imag * of_damping.real
    square = (right.real * of_damping.imag - right.imag * of_damping.real) / determinant
    damping = (of_square.real * right.imag - of_square.imag * right.real) / determinant
    return np.asarray(square), np.asarray(damping)

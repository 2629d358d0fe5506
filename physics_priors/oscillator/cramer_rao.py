"""What the best unbiased estimator of an oscillator's parameters can reach: the Cramer-Rao bound, in closed form.

White noise of standard deviation `noise` in each quadrature of each bin; parameters in the order of `NAMES`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.oscillator.response import response

Floats = NDArray[np.float64]
NAMES: Final = ("amplitude", "resonance_Hz", "quality", "phase_rad")


def jacobian(
    frequency_Hz: Floats, amplitude: ArrayLike, resonance_Hz: ArrayLike, quality: ArrayLike, phase_rad: ArrayLike
) -> NDArray[np.complex128]:
    """dH / d(amplitude, resonance, quality, phase), [..., n, 4], at frequencies [n] and parameters [...]."""
    a, f0, q, phase = (
        np.asarray(v, dtype=np.float64)[..., None] for v in (amplitude, resonance_Hz, quality, phase_rad)
    )
    f = np.asarray(frequency_Hz, dtype=np.float64)
    h = response(f, a, f0, q, phase)
    below = f0**2 - f**2 + 1j * f * f0 / q
    by_resonance = h * (2.0 / f0 - (2.0 * f0 + 1j * f / q) / below)
    by_quality = h * 1j * f * f0 / q**2 / below
    return np.stack([h / a, by_resonance, by_quality, 1j * h], axis=-1)


def covariance(
    frequency_Hz: Floats,
    amplitude: ArrayLike,
    resonance_Hz: ArrayLike,
    quality: ArrayLike,
    phase_rad: ArrayLike,
    noise: ArrayLike,
) -> Floats:
    """Smallest covariance [..., 4, 4] of unbiased estimates, in the order of `NAMES`."""
    j = jacobian(frequency_Hz, amplitude, resonance_Hz, quality, phase_rad)
    information = np.einsum("...ni,...nj->...ij", j.conj(), j).real
    size = np.sqrt(np.einsum("...ii->...i", information))
    scaled = np.linalg.inv(information / (size[..., :, None] * size[..., None, :]))
    variance = np.square(np.asarray(noise, dtype=np.float64))[..., None, None]
    return np.asarray(variance * scaled / (size[..., :, None] * size[..., None, :]))


def deviations(
    frequency_Hz: Floats,
    amplitude: ArrayLike,
    resonance_Hz: ArrayLike,
    quality: ArrayLike,
    phase_rad: ArrayLike,
    noise: ArrayLike,
) -> Floats:
    """Standard deviations [..., 4] at the bound, in the order of `NAMES`."""
    bound = covariance(frequency_Hz, amplitude, resonance_Hz, quality, phase_rad, noise)
    return np.asarray(np.sqrt(np.einsum("...ii->...i", bound)))

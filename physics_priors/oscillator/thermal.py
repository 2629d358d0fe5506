"""Brownian motion of a cantilever: how far it shakes, and at which frequencies."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
BOLTZMANN_J_K: Final = 1.380649e-23


def rms_pm(stiffness_N_m: ArrayLike, temperature_K: ArrayLike = 300.0) -> Floats:
    """Root mean square displacement sqrt(k_B T / k) [pm] (equipartition)."""
    mean_square = BOLTZMANN_J_K * np.asarray(temperature_K) / np.asarray(stiffness_N_m, dtype=np.float64)
    return np.asarray(1e12 * np.sqrt(mean_square))


def density_pm2_Hz(
    frequency_Hz: ArrayLike,
    resonance_Hz: ArrayLike,
    quality: ArrayLike,
    stiffness_N_m: ArrayLike,
    temperature_K: ArrayLike = 300.0,
) -> Floats:
    """One-sided spectral density of the displacement [pm^2 / Hz]; its integral over frequency is `rms_pm` squared."""
    f, f0, q = (np.asarray(v, dtype=np.float64) for v in (frequency_Hz, resonance_Hz, quality))
    shape = (2.0 / np.pi) * f0**3 / q / ((f0**2 - f**2) ** 2 + (f * f0 / q) ** 2)
    return np.asarray(np.square(rms_pm(stiffness_N_m, temperature_K)) * shape)


def density_at_resonance_pm2_Hz(
    resonance_Hz: ArrayLike, quality: ArrayLike, stiffness_N_m: ArrayLike, temperature_K: ArrayLike = 300.0
) -> Floats:
    """`density_pm2_Hz` at f = f0: 2 k_B T Q / (pi k f0)."""
    return density_pm2_Hz(resonance_Hz, resonance_Hz, quality, stiffness_N_m, temperature_K)

"""Between the cantilever and the number: Brownian motion, photodetector, converter.

Everything is said of the deflection in pm. What a prior of clean responses does not know, each off at 0: thermal noise
(`temperature_K`), the detector's white noise (`detector_pm_rtHz`) and its finite bandwidth, a one-pole low pass that
also turns phases (`detector_bandwidth_Hz`), and the converter's steps and range (`adc_bits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instruments.errors import InvalidRequest
from physics_priors.bounds import Bounds, violations
from physics_priors.oscillator import thermal

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Electronics:
    """One lever, photodetector and converter."""

    stiffness_N_m: Annotated[float, Bounds("N/m", 0.0, open_low=True)] = 3.0
    temperature_K: Annotated[float, Bounds("K", 0.0, 2000.0)] = 300.0
    detector_pm_rtHz: Annotated[float, Bounds("pm/sqrt(Hz)", 0.0)] = 0.1
    detector_bandwidth_Hz: Annotated[float, Bounds("Hz", 0.0)] = 2e6
    adc_bits: Annotated[int, Bounds("bits", 0, 32)] = 16
    adc_range_pm: Annotated[float, Bounds("pm", 0.0, open_low=True)] = 1e5
    """Largest deflection of either sign that the converter can say."""
    adc_rate_Hz: Annotated[float, Bounds("Hz", 0.0, open_low=True)] = 1e7

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("Electronics: " + "; ".join(said))

    @property
    def step_pm(self) -> float:
        """Smallest step of the converter; 0 without one."""
        return 2.0 * self.adc_range_pm / 2.0**self.adc_bits if self.adc_bits else 0.0

    def transfer(self, frequency_Hz: ArrayLike) -> NDArray[np.complex128]:
        """What the photodetector makes of a deflection at a frequency."""
        f = np.asarray(frequency_Hz, dtype=np.float64)
        if self.detector_bandwidth_Hz == 0:
            return np.ones_like(f, dtype=np.complex128)
        return np.asarray(1.0 / (1.0 + 1j * f / self.detector_bandwidth_Hz))

    def density_pm2_Hz(self, frequency_Hz: ArrayLike, resonance_Hz: ArrayLike, quality: ArrayLike) -> Floats:
        """One-sided noise density of the recorded deflection: thermal, detector, and the converter's rounding."""
        shaken = np.zeros(np.broadcast_shapes(*(np.shape(v) for v in (frequency_Hz, resonance_Hz, quality))))
        if self.temperature_K:
            lever = thermal.density_pm2_Hz(frequency_Hz, resonance_Hz, quality, self.stiffness_N_m, self.temperature_K)
            shaken = lever * np.abs(self.transfer(frequency_Hz)) ** 2
        rounding = self.step_pm**2 / 12.0 / (self.adc_rate_Hz / 2.0)
        return np.asarray(shaken + self.detector_pm_rtHz**2 + rounding)

    def recorded(self, deflection_pm: NDArray[Any]) -> Floats:
        """Samples as the converter says them: clipped to its range, rounded to its steps."""
        if self.adc_bits == 0:
            return np.asarray(deflection_pm, dtype=np.float64)
        most = 2 ** (self.adc_bits - 1)
        counts = np.clip(np.rint(np.asarray(deflection_pm) / self.step_pm), -most, most - 1)
        return np.asarray(counts * self.step_pm)

"""Drive waveforms of band excitation: a flat band of many frequencies at once, kept low by the choice of phases."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Phases = Literal["quadratic", "random", "zero"]


def phases_rad(bins: int, kind: Phases = "quadratic", seed: int = 0) -> Floats:
    """Phases [bins]: pi k^2 / N (Schroeder 1970) keeps the crest low, zero makes a pulse, random lies between."""
    k = np.arange(bins)
    if kind == "quadratic":
        return np.pi * k**2 / bins
    if kind == "random":
        return np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, bins)
    if kind == "zero":
        return np.zeros(bins)
    raise ValueError(f"phases {kind!r}: choose quadratic, random or zero")


def flat_band(low_Hz: float, bins: int, pulse_s: float, rate_Hz: float, kind: Phases = "quadratic") -> Floats:
    """One period [pulse_s * rate_Hz] of a waveform of peak 1 with `bins` equal lines at 1 / pulse_s from low_Hz.

    Raises ValueError where the band does not fit below half the sampling rate.
    """
    samples = round(pulse_s * rate_Hz)
    first = round(low_Hz * pulse_s)
    if first < 1 or first + bins > samples // 2:
        raise ValueError(
            f"{bins} lines from {low_Hz:g} Hz at {1 / pulse_s:g} Hz do not fit below half of {rate_Hz:g} Hz: "
            "raise the rate, or make the band narrower"
        )
    spectrum = np.zeros(samples // 2 + 1, dtype=np.complex128)
    spectrum[first : first + bins] = np.exp(1j * phases_rad(bins, kind))
    wave = np.fft.irfft(spectrum, samples)
    return np.asarray(wave / np.abs(wave).max())


def crest_factor(wave: Floats) -> float:
    """Peak over root mean square."""
    return float(np.abs(wave).max() / np.sqrt(np.mean(np.square(wave))))


def energy_in_band(wave: Floats, rate_Hz: float, low_Hz: float, high_Hz: float) -> float:
    """Fraction of a waveform's energy between two frequencies, ends included."""
    power = np.abs(np.fft.rfft(wave)) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1.0 / rate_Hz)
    slack = 1e-9 * rate_Hz
    inside = (frequency >= low_Hz - slack) & (frequency <= high_Hz + slack)
    return float(power[inside].sum() / power.sum())


def line_amplitude(bins: int, crest: float) -> float:
    """Amplitude of each of `bins` equal lines of a waveform of peak 1 with this crest factor."""
    return float(np.sqrt(2.0 / bins) / crest)

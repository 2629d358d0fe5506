"""Least-squares fits of complex oscillator spectra, thousands at a time.

The estimator is that of maximum likelihood for white noise of equal size in both quadratures. Its compiled kernel lies
in `complex_kernel`; magnitudes without phases are fitted by `magnitude`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.oscillator import cramer_rao
from physics_priors.oscillator.response import response

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """Oscillators fitted to spectra [..., n]; every field has the shape [...].

    `converged` is False where the search ran out of steps, ended at a limit, or the spectrum was empty or not finite
    (then the numbers are NaN): such fits are to be set aside, not averaged in.
    """

    amplitude: Floats
    """Response far below the resonance, in the spectra's unit; the peak is `amplitude * quality`."""
    phase_rad: Floats
    """Phase of the drive, in (-pi, pi]."""
    resonance_Hz: Floats
    quality: Floats
    noise: Floats
    """Standard deviation of the residual in each quadrature."""
    r2: Floats
    """Fraction of the spectrum's variance about its mean that is explained."""
    converged: NDArray[np.bool_]

    def spectra(self, frequency_Hz: Floats) -> NDArray[np.complex128]:
        """The fitted response [..., n] at frequencies [n]."""
        theta = (self.amplitude, self.resonance_Hz, self.quality, self.phase_rad)
        a, f0, q, phase = (value[..., None] for value in theta)
        return response(np.asarray(frequency_Hz), a, f0, q, phase)

    def deviations(self, frequency_Hz: Floats) -> Floats:
        """Standard deviations [..., 4] in the order of `cramer_rao.NAMES`, from the fit's own noise."""
        theta = (self.amplitude, self.resonance_Hz, self.quality, self.phase_rad)
        return cramer_rao.deviations(frequency_Hz, *theta, self.noise)


def fit(
    frequency_Hz: NDArray[Any],
    spectra: NDArray[Any],
    *,
    resonance_Hz: tuple[float, float] | None = None,
    quality: tuple[float, float] = (2.0, 5000.0),
) -> Fit:
    """Fit complex spectra [..., n] over rising frequencies [n].

    Limits of the resonance default to the band and a quarter of its width on either side. Raises ValueError where
    the shapes do not match or the frequencies do not rise.
    """
    from physics_priors.oscillator import complex_kernel as kernel

    frequency, rows = _checked(frequency_Hz, spectra)
    scale = float(frequency.mean())
    found = np.empty((len(rows), 7))
    limits = limits_of(frequency, resonance_Hz, quality) / np.array([scale, scale, 1.0, 1.0])
    kernel.fit_rows(rows, frequency / scale, limits, 0.5, found)
    return _fit_of(found, rows, scale, spectra.shape[:-1])


def _checked(frequency_Hz: NDArray[Any], spectra: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
    frequency = np.ascontiguousarray(frequency_Hz, dtype=np.float64)
    if frequency.ndim != 1 or len(frequency) < 4 or spectra.shape[-1:] != frequency.shape:
        raise ValueError(f"spectra {spectra.shape} do not end in the {frequency.shape} frequencies (four or more)")
    if not (np.diff(frequency) > 0).all():
        raise ValueError("frequencies must rise")
    kind = np.complex64 if spectra.dtype == np.complex64 else np.complex128
    return frequency, np.ascontiguousarray(spectra.reshape(-1, len(frequency)), dtype=kind)


def limits_of(frequency: Floats, resonance_Hz: tuple[float, float] | None, quality: tuple[float, float]) -> Floats:
    """(f0 low, f0 high, Q low, Q high); the resonance defaults to the band and a quarter of it on either side."""
    quarter = (frequency[-1] - frequency[0]) / 4
    low, high = resonance_Hz or (frequency[0] - quarter, frequency[-1] + quarter)
    low = max(low, 1e-6 * float(frequency[-1]))
    if not (low < high and 0 < quality[0] < quality[1]):
        raise ValueError(f"limits must rise: resonance {low:g} to {high:g} Hz, quality {quality}")
    return np.array([low, high, *quality])


def _fit_of(found: Floats, rows: NDArray[Any], scale: float, shape: tuple[int, ...]) -> Fit:
    n = rows.shape[1]
    resonance = np.sqrt(found[:, 2])
    with np.errstate(all="ignore"):
        drive = (found[:, 0] + 1j * found[:, 1]) / found[:, 2]
        about_mean = found[:, 5] - n * np.abs(rows.mean(axis=1)) ** 2
        r2 = 1.0 - found[:, 4] / about_mean
    fields = {
        "amplitude": np.abs(drive),
        "phase_rad": np.angle(drive),
        "resonance_Hz": scale * resonance,
        "quality": resonance / found[:, 3],
        "noise": np.sqrt(found[:, 4] / (2 * n - 4)),
        "r2": r2,
    }
    converged = (found[:, 6] == 0).reshape(shape)
    return Fit(**{name: value.reshape(shape) for name, value in fields.items()}, converged=converged)

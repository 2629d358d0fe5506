"""Fits of spectra of which only the magnitude was kept.

Without phases the drive's phase is lost, and noise turns into a positive offset near zero: complex data fitted by
`fit` are better wherever they exist. With a background, two different pairs (amplitude, background) explain the same
magnitudes in the limit of a narrow band: resonance and quality are safe then, amplitude and background are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.oscillator.fit import limits_of
from physics_priors.oscillator.response import response

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MagnitudeFit:
    """Oscillators fitted to magnitudes [..., n]; every field has the shape [...].

    background [...] is complex, relative to the drive: what reaches the detector past the resonance; 0 if not asked
    for. `converged` is False where the fit failed (NaN) or ran out of steps.
    """

    amplitude: Floats
    resonance_Hz: Floats
    quality: Floats
    background: NDArray[np.complex128]
    noise: Floats
    r2: Floats
    converged: NDArray[np.bool_]

    def magnitudes(self, frequency_Hz: Floats) -> Floats:
        """The fitted magnitudes [..., n] at frequencies [n]."""
        a, f0, q = (value[..., None] for value in (self.amplitude, self.resonance_Hz, self.quality))
        return np.abs(response(np.asarray(frequency_Hz), a, f0, q) + self.background[..., None])


def fit_magnitudes(
    frequency_Hz: NDArray[Any],
    magnitudes: NDArray[Any],
    *,
    background: bool = False,
    resonance_Hz: tuple[float, float] | None = None,
    quality: tuple[float, float] = (2.0, 5000.0),
) -> MagnitudeFit:
    """Fit magnitudes [..., n] over rising frequencies [n]; `background` adds a complex constant to the response.

    Raises ValueError where the shapes do not match.
    """
    from physics_priors.oscillator import magnitude_kernel as kernel

    frequency = np.ascontiguousarray(frequency_Hz, dtype=np.float64)
    if frequency.ndim != 1 or len(frequency) < 6 or np.shape(magnitudes)[-1:] != frequency.shape:
        raise ValueError(
            f"magnitudes {np.shape(magnitudes)} do not end in the {frequency.shape} frequencies (six or more)"
        )
    rows = np.ascontiguousarray(magnitudes, dtype=np.float64).reshape(-1, len(frequency))
    scale = float(frequency.mean())
    found = np.empty((len(rows), 7))
    limits = limits_of(frequency, resonance_Hz, quality) / np.array([scale, scale, 1.0, 1.0])
    kernel.fit_rows(rows, frequency / scale, limits, background, found)
    return _fit_of(found, rows, scale, background, np.shape(magnitudes)[:-1])


def _fit_of(found: Floats, rows: Floats, scale: float, background: bool, shape: tuple[int, ...]) -> MagnitudeFit:
    freedom = rows.shape[1] - (5 if background else 3)
    with np.errstate(all="ignore"):
        r2 = 1.0 - found[:, 5] / np.square(rows - rows.mean(axis=1, keepdims=True)).sum(axis=1)
    fields = {
        "amplitude": np.abs(found[:, 0]),
        "resonance_Hz": scale * found[:, 1],
        "quality": 1.0 / found[:, 2],
        "noise": np.sqrt(found[:, 5] / freedom),
        "r2": r2,
    }
    sign = np.where(found[:, 0] < 0, -1.0, 1.0)
    return MagnitudeFit(
        **{name: value.reshape(shape) for name, value in fields.items()},
        background=(sign * (found[:, 3] + 1j * found[:, 4])).reshape(shape),
        converged=(found[:, 6] == 1.0).reshape(shape),
    )

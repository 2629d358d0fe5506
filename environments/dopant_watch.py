"""When a dwell beside a dopant ends: levels of the detector's trace, from the brightness of atoms in a survey."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Capabilities
from instruments.cost import ELECTRONS_PER_PA_S

Floats = NDArray[np.float64]
_MUCH: Final = 1e15


def counts_in_a_sample(capabilities: Capabilities, unit: str, sample_s: float) -> float:
    """Of the trace, for an intensity of 1; 0 where its unit does not tell what a parked beam would give."""
    if unit == "counts/s":
        return sample_s
    gain, current_pA = capabilities.calibration.detector_gain or 1.0, capabilities.calibration.current_pA or 0.0
    return gain * current_pA * ELECTRONS_PER_PA_S * sample_s if unit == "counts/electron" else 0.0


def bands_of(intensity: Floats, species: Floats, element: int, scale: float) -> Floats:
    """(low, high, samples) [B, 3]: a dwell goes on until the trace rises above what is between a carbon and the dopant.

    Intensity and species [B, n] are a survey's, `scale` the counts in a sample. Samples 0 where it always goes on.
    """
    own, others = species == element, np.isfinite(species) & (species != element)
    rise = 0.4 * _median(intensity, own) + 0.6 * _median(intensity, others)
    known = np.isfinite(rise)
    high = np.where(known, np.minimum(scale * np.where(known, rise, 0.0), _MUCH), _MUCH)
    return np.stack([np.full(len(rise), -_MUCH), high, known.astype(np.float64)], axis=1)


def _median(values: Floats, wanted: NDArray[np.bool_]) -> Floats:
    """Of the values [B, n] that are wanted, one a row; NaN where there is none."""
    ordered = np.pad(np.sort(np.where(wanted, values, np.nan), axis=1), [(0, 0), (0, 1)], constant_values=np.nan)
    count, row = np.isfinite(ordered).sum(axis=1), np.arange(len(ordered))
    return np.asarray(0.5 * (ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, count // 2]))

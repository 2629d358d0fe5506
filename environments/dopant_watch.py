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
    Loads Numba.
    """
    from environments.dopant_survey import brightness

    medians = brightness(np.ascontiguousarray(intensity), np.ascontiguousarray(species), element)
    rise = 0.4 * medians[:, 0] + 0.6 * medians[:, 1]
    known = np.isfinite(rise)
    high = np.where(known, np.minimum(scale * np.where(known, rise, 0.0), _MUCH), _MUCH)
    return np.stack([np.full(len(rise), -_MUCH), high, known.astype(np.float64)], axis=1)

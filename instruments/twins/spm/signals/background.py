"""Responses that look ferroelectric and are not: electrostatics, injected charge, ions.

Each gives an addition to `Contact.response_pm_V` (or a surface potential that makes one) along a bias history [B, K]
whose steps last `dwell_s`; each is off at 0. They are named so that a prior of switching alone does not contain them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def electrostatic_pm_V(bias_V: ArrayLike, surface_V: ArrayLike, gain_pm_V2: ArrayLike) -> Floats:
    """Response of the lever to the capacitive force, linear in bias minus surface potential: the slope a4 of a loop."""
    return np.asarray(np.asarray(gain_pm_V2) * (np.asarray(bias_V, dtype=np.float64) - np.asarray(surface_V)))


def injected_V(
    bias_V: NDArray[Any], dwell_s: float, threshold_V: float, share: float, charging_s: float, decay_s: float
) -> Floats:
    """Surface potential [B, K] at the end of every step, made by charge that the tip injects beyond a threshold.

    Beyond `threshold_V` the potential approaches `share` of the bias in excess within `charging_s`; else it decays
    within `decay_s`. Read with `electrostatic_pm_V` it draws a loop of the wrong sense: not switching.
    """
    bias = np.asarray(bias_V, dtype=np.float64)
    excess = np.sign(bias) * np.maximum(np.abs(bias) - threshold_V, 0.0)
    grow, fade = np.exp(-dwell_s / charging_s), np.exp(-dwell_s / decay_s)
    held, out = np.zeros(bias.shape[:-1]), np.empty_like(bias)
    for k in range(bias.shape[-1]):
        goal = share * excess[..., k]
        held = np.where(excess[..., k] != 0, goal + (held - goal) * grow, held * fade)
        out[..., k] = held
    return out


def ionic_pm_V(bias_V: NDArray[Any], dwell_s: float, strain_pm_V2: float, time_s: float) -> Floats:
    """Electrochemical strain [B, K]: ions follow the bias with one time constant, and the response follows them.

    A loop opens where the sweep is about as slow as the ions, and closes in faster and slower ones.
    """
    from scipy.signal import lfilter

    keep = np.exp(-dwell_s / time_s)
    return np.asarray(strain_pm_V2 * lfilter([1.0 - keep], [1.0, -keep], np.asarray(bias_V, dtype=np.float64), axis=-1))

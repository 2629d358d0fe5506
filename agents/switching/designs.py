"""Waveforms worth considering, and how much each would tell: Bayesian linear design on draws of a posterior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physics_priors.lgd import loops

Floats = NDArray[np.float64]


def candidates_V(up_V: Floats, down_V: Floats, width_V: float, limit_V: float, pulses: int) -> Floats:
    """Waveforms [C, pulses] about possible switching voltages up_V and down_V (each a few values, ascending).

    Windows of several widths are crossed upwards and downwards (tight loops), or in one direction after saturation; to
    which come reversal curves, and a coarse triangle between the limits for the height of the loop.
    """
    found = []
    half = pulses // 2
    for spread in (0.35, 0.7, 1.2, 2.0):
        reach = spread * width_V
        for up in up_V:
            for down in down_V:
                rise, fall = _ramp(up - reach, up + reach, half), _ramp(down + reach, down - reach, pulses - half)
                found += [np.concatenate([rise, fall]), np.concatenate([fall, rise])]
        found += [np.concatenate([[-limit_V], _ramp(v - reach, v + reach, pulses - 1)]) for v in up_V]
        found += [np.concatenate([[limit_V], _ramp(v + reach, v - reach, pulses - 1)]) for v in down_V]
    found += [_reversal(up, down, width_V, limit_V, pulses) for up in up_V for down in down_V]
    found.append(np.concatenate([_ramp(-limit_V, limit_V, half), _ramp(limit_V, -limit_V, pulses - half)]))
    return np.asarray(np.clip(np.array(found), -limit_V, limit_V))


def gains(theta: Floats, parts_up: Floats, deviation_pm: float, dwell_s: float) -> Floats:
    """Expected variance [C] of coercive voltage plus imprint [V^2] that is left after each waveform, smallest is best.

    theta [n, 8] are equally likely draws, parts_up [C, n, T] what each waveform would leave up. Linear and normal: the
    covariance of targets and readings over the draws says what the readings tell.
    """
    target = loops.targets_V(theta, dwell_s)
    target = target - target.mean(0)
    left = np.empty(len(parts_up))
    for index, part in enumerate(parts_up):
        reading = loops.piezoresponse_pm(theta, part)
        reading = reading - reading.mean(0)
        own = reading.T @ reading / len(theta) + deviation_pm**2 * np.eye(reading.shape[1])
        cross = target.T @ reading / len(theta)
        left[index] = np.trace(target.T @ target / len(theta) - cross @ np.linalg.solve(own, cross.T))
    return left


def _ramp(first: float, last: float, count: int) -> Floats:
    """`count` voltages between two ends, in the middle of equal parts."""
    return np.asarray(first + (last - first) * (np.arange(count) + 0.5) / max(count, 1))


def _reversal(up: float, down: float, width_V: float, limit_V: float, pulses: int) -> Floats:
    """A first-order reversal curve: saturated down, half switched up, then back."""
    return np.concatenate([[-limit_V, up], _ramp(down + 1.5 * width_V, down - 1.5 * width_V, pulses - 2)])

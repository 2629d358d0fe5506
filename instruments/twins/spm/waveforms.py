"""Bias waveforms for a `BiasWaveform` request, as plain tuples [V]."""

from __future__ import annotations

import numpy as np


def forc(saturate_V: float, reversals: int, points: int) -> tuple[float, ...]:
    """First-order reversal curves: from -|V| up to V_n and back down, for `reversals` V_n that reach +|V| at last.

    Each curve has `points` steps, half up and half down (physics.md section 6). Raises ValueError on too few.
    """
    if reversals < 1 or points < 4:
        raise ValueError(f"reversals={reversals} must be at least 1 and points={points} at least 4")
    half, bottom = points // 2, -abs(saturate_V)
    curves: list[float] = []
    for n in range(1, reversals + 1):
        top = bottom + 2.0 * abs(saturate_V) * n / reversals
        curves += [*np.linspace(bottom, top, half), *np.linspace(top, bottom, points - half)]
    return tuple(float(v) for v in curves)

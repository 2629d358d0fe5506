"""Whether a chain has forgotten its start, judged and not assumed.

Integrated autocorrelation times with Sokal's window (A. Sokal, lecture notes 1997), and two starts that must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from physics_priors.ising.lattice import Floats
from physics_priors.ising.model import Model
from physics_priors.ising.sampling import Sampler

_WINDOW = 5.0
_FEWEST_TIMES = 20.0
_AGREE = 4.0


@dataclass(frozen=True)
class Verdict:
    """Two starts compared: z [K] is their difference in standard errors, tau [K] sweeps the autocorrelation time."""

    equilibrated: bool
    z: Floats
    tau: Floats
    reason: str


def autocorrelation_time(series: Floats) -> float:
    """Integrated time [samples] of series [n] or [n, R], 0.5 where samples are independent: error^2 = var 2 tau / n."""
    values = np.asarray(series, np.float64).reshape(len(series), -1)
    away = values - values.mean()
    size = 2 ** int(np.ceil(np.log2(2 * len(away))))
    spectrum = np.abs(np.fft.rfft(away, size, axis=0)) ** 2
    correlation = np.fft.irfft(spectrum, size, axis=0)[: len(away)].mean(1)
    if correlation[0] <= 0:
        return 0.5
    rho = correlation / correlation[0] * len(away) / (len(away) - np.arange(len(away)))
    tau = 0.5 + np.cumsum(rho[1:])
    closed = np.flatnonzero(np.arange(1, len(rho)) >= _WINDOW * tau)
    return float(max(tau[closed[0]] if len(closed) else tau[-1] if len(tau) else 0.5, 0.5))


def standard_error(series: Floats) -> float:
    """Standard error of the mean of series [n] or [n, R]."""
    values = np.asarray(series, np.float64)
    return float(np.sqrt(values.var() * 2 * autocorrelation_time(values) / values.size))


def judged(first: Floats, second: Floats) -> Verdict:
    """Compare records [n, R, K] of two chains that started far apart, their first halves thrown away."""
    half = len(first) // 2
    a, b = first[half:], second[half:]
    terms = range(a.shape[-1])
    tau = np.array([max(autocorrelation_time(a[..., k]), autocorrelation_time(b[..., k])) for k in terms])
    error = np.array([np.hypot(standard_error(a[..., k]), standard_error(b[..., k])) for k in terms])
    gap = (a - b).mean((0, 1))
    z = gap / np.where(error > 0, error, 1.0) + np.where((error == 0) & (gap != 0), np.inf, 0.0)
    long = half >= _FEWEST_TIMES * tau.max()
    agree = bool(np.all(np.abs(z) < _AGREE))
    reason = "both starts agree" if agree else f"the two starts differ by {np.abs(z).max():.1f} standard errors"
    if not long:
        reason = f"too short: {half} samples for a time of {tau.max():.1f}"
    return Verdict(agree and long, z, tau, reason)


def two_starts(
    model: Model, theta: Floats, sweeps: int, *, replicas: int = 8, seed: int = 0, **options: Any
) -> Verdict:
    """Run from a random and from an all-up start, and judge."""
    spread = Sampler(model, theta, replicas=replicas, seed=seed, start="random", **options)
    ordered = Sampler(model, theta, replicas=replicas, seed=seed + 1, start="up", **options)
    return judged(spread.record(sweeps), ordered.record(sweeps))

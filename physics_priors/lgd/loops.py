"""A prior for real hysteresis loops: units with a distribution of activation fields under the uneven field of a tip.

Homogeneous Landau theory switches at fields 10 to 100 times too high (physics sheet, caution 12). Here the probed
volume is an ensemble of units, each switching up at a voltage u and down at a voltage d, both normal with one
`width_V` about imprint +- coercive voltage. Shells of the volume feel shares of the tip's voltage between
`least_share` and 1, all with the same response. A pulse of length t switches units of activation voltages up to those
of the reference dwell times 1 - rate ln(t / reference). Between switchings a unit follows the branch of a scaled Landau
polynomial (`on_field`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.distributions import LogNormal, Normal, Uniform
from physics_priors.lgd.coercive import intrinsic
from physics_priors.lgd.landau import Landau
from physics_priors.posterior import Particles
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]
REFERENCE_DWELL_S: Final = 1e-2
SHELLS: Final = 4
_SURVIVORS: Final = 0.2
_SURPRISE: Final = 0.03
_TYPICAL = "typical of oxide films under a conductive tip, tunable"
PRIOR: Final = Parameters(
    (
        Parameter("coercive_V", "V", LogNormal(3.0, 1.4), _TYPICAL),
        Parameter("imprint_V", "V", Normal(0.0, 0.7), _TYPICAL),
        Parameter("width_V", "V", LogNormal(0.5, 1.5), _TYPICAL),
        Parameter("amplitude_pm", "pm", LogNormal(40.0, 1.3), _TYPICAL),
        Parameter("offset_pm", "pm", Normal(0.0, 5.0), _TYPICAL),
        Parameter("rate", "", Uniform(0.0, 0.06), "thermal activation: kT over the barrier, tunable"),
        Parameter("least_share", "", Uniform(0.6, 1.0), "the field at the edge of the probed volume, tunable"),
        Parameter("initially_up", "", Uniform(0.0, 1.0), "nothing is known of the state at first"),
    )
)


@dataclass
class Ensembles:
    """The memory of n ensembles: staircases [n, shells, deepest], in the order of `theta` [n, 8] they were made for."""

    F: Floats
    G: Floats
    count: NDArray[np.int64]

    @staticmethod
    def fresh(theta: Floats) -> Ensembles:
        """Ensembles that have seen no pulse."""
        from physics_priors.lgd import loop_kernels

        shape = (len(theta), SHELLS, loop_kernels.DEEPEST)
        made = Ensembles(np.zeros(shape), np.zeros(shape), np.ones(shape[:2], np.int64))
        loop_kernels.begin(np.ascontiguousarray(theta), made.F, made.G, made.count)
        return made

    def drive(self, theta: Floats, bias_V: ArrayLike, dwell_s: float, read_V: float = 0.0) -> tuple[Floats, Floats]:
        """Apply pulses bias_V [T] or [n, T] one after the other; the part up during and after each, [n, T] both."""
        from physics_priors.lgd import loop_kernels

        bias = np.atleast_2d(np.ascontiguousarray(bias_V, dtype=np.float64))
        during, after = (np.empty((len(theta), bias.shape[1])) for _ in range(2))
        theta = np.ascontiguousarray(theta)
        loop_kernels.drive(theta, self.F, self.G, self.count, bias, read_V, log_dwell(dwell_s), during, after)
        return during, after

    def ahead(self, theta: Floats, waveforms_V: Floats, dwell_s: float, read_V: float = 0.0) -> Floats:
        """The part up [C, n, T] after each pulse of waveforms [C, T] that are only thought of."""
        from physics_priors.lgd import loop_kernels

        after = np.empty((len(waveforms_V), len(theta), waveforms_V.shape[1]))
        waveforms = np.ascontiguousarray(waveforms_V, dtype=np.float64)
        theta = np.ascontiguousarray(theta)
        loop_kernels.ahead(theta, self.F, self.G, self.count, waveforms, read_V, log_dwell(dwell_s), after)
        return after


def log_dwell(dwell_s: float) -> float:
    """ln(dwell / reference); raises ValueError where the dwell is not above 0."""
    if not (dwell_s > 0 and math.isfinite(dwell_s)):
        raise ValueError(f"dwell_s={dwell_s} must be finite and above 0")
    return math.log(dwell_s / REFERENCE_DWELL_S)


def piezoresponse_pm(theta: Floats, up: Floats) -> Floats:
    """Off-field response [n, T] of ensembles theta [n, 8] with a part `up` [n, T]."""
    return np.asarray(theta[:, 3:4] * (2 * up - 1) + theta[:, 4:5])


def off_field(theta: Floats, bias_V: ArrayLike, dwell_s: float, read_V: float = 0.0) -> Floats:
    """Response [n, T] read at `read_V` after each pulse of a waveform [T], from the state at first."""
    _, after = Ensembles.fresh(theta).drive(theta, bias_V, dwell_s, read_V)
    return piezoresponse_pm(theta, after)


def on_field(theta: Floats, bias_V: ArrayLike, dwell_s: float, landau: Landau, slope_pm_V: float = 0.0) -> Floats:
    """Response [n, T] during the pulses: units follow branches of a scaled polynomial, the tip's force adds slope V."""
    bias = np.asarray(bias_V, dtype=np.float64)
    during, _ = Ensembles.fresh(theta).drive(theta, bias, dwell_s)
    reduced = (bias[None, :] - theta[:, 1:2]) / (theta[:, 0:1] * (1 - theta[:, 5:6] * log_dwell(dwell_s)))
    up, down = branch(landau, reduced), -branch(landau, -reduced)
    mean = during * up + (1 - during) * down
    return np.asarray(theta[:, 3:4] * mean + theta[:, 4:5] + slope_pm_V * bias)


def branch(landau: Landau, reduced: ArrayLike) -> Floats:
    """P / P0 of the upper branch at a field in units of the coercive one, at the branch's end below -1."""
    field, end = intrinsic(landau)
    P0 = landau.spontaneous()
    P = np.linspace(end, 3 * P0, 4000)
    state = np.zeros((len(P), 3))
    state[:, 2] = P
    e = landau.slope(state)[:, 2] / field
    return np.asarray(np.interp(np.asarray(reduced, dtype=np.float64), e, P / P0))


def switching_V(theta: Floats, dwell_s: float) -> tuple[Floats, Floats]:
    """Voltages [n] at which half of a saturated volume switches up, and down, with pulses of one length."""
    theta = np.atleast_2d(np.asarray(theta, dtype=np.float64))
    hold = theta[:, 0] * (1 - theta[:, 5] * log_dwell(dwell_s))
    return _half(theta, theta[:, 1] + hold), _half(theta, theta[:, 1] - hold)


def targets_V(theta: Floats, dwell_s: float) -> Floats:
    """Coercive voltage and imprint, [n, 2]: half the distance of the switching voltages, and their middle."""
    up, down = switching_V(theta, dwell_s)
    return np.stack([(up - down) / 2, (up + down) / 2], axis=-1)


def told_V(theta: Floats, weight: Floats, dwell_s: float) -> tuple[Floats, Floats]:
    """Mean and standard deviation [2] of coercive voltage and imprint over weighted draws."""
    found = targets_V(theta, dwell_s)
    mean = weight @ found
    return np.asarray(mean), np.sqrt(weight @ np.square(found - mean))


def sure(theta: Floats, weight: Floats, dwell_s: float, bound_V: float) -> float:
    """Probability that coercive voltage and imprint both lie within `bound_V` of their means."""
    away = np.abs(targets_V(theta, dwell_s) - told_V(theta, weight, dwell_s)[0])
    return float(weight @ np.all(away <= bound_V, axis=1))


def _half(theta: Floats, middle: Floats) -> Floats:
    """The voltage where the mean over the shells of Phi((share V - middle) / width) is one half, by bisection."""
    from scipy.special import ndtr

    k = (np.arange(SHELLS) + 0.5) / SHELLS
    shares = theta[:, 6:7] + (1 - theta[:, 6:7]) * k
    low, high = (middle / s for s in (shares.min(1), shares.max(1)))
    low, high = np.minimum(low, high), np.maximum(low, high)
    for _ in range(50):
        V = (low + high) / 2
        part = ndtr((shares * V[:, None] - middle[:, None]) / theta[:, 2:3]).mean(1)
        low, high = np.where(part < 0.5, V, low), np.where(part < 0.5, high, V)
    return np.asarray((low + high) / 2)


def preisach_density(theta: Floats, coercive_V: Floats, bias_V: Floats, dwell_s: float) -> Floats:
    """Density [n, C, B] of units over coercive voltage (u - d) / 2 and bias (u + d) / 2, per V^2: as FORCs show."""
    hold = (theta[:, 0] * (1 - theta[:, 5] * log_dwell(dwell_s)))[:, None, None]
    total = np.zeros((len(theta), len(coercive_V), len(bias_V)))
    width = theta[:, 2][:, None, None]
    for k in range(SHELLS):
        share = (theta[:, 6] + (1 - theta[:, 6]) * (k + 0.5) / SHELLS)[:, None, None]
        c, b = coercive_V[None, :, None] * share, bias_V[None, None, :] * share
        away = (c - hold) ** 2 + (b - theta[:, 1][:, None, None]) ** 2
        total += share**2 * np.exp(-away / width**2) / (np.pi * width**2)
    return np.asarray(total / SHELLS)


@dataclass(frozen=True)
class LoopModel:
    """The likelihood of responses read after pulses of one waveform, `Model` of the common form.

    bias_V [T] is everything applied since the beginning; design["pulse"] says which pulses the outcome
    ["piezoresponse_pm"] belongs to. Noise is normal: `noise_pm` and `model_error` of the amplitude, in quadrature.
    """

    bias_V: Floats
    dwell_s: float
    noise_pm: float
    read_V: float = 0.0
    model_error: float = 0.02

    def mean(self, theta: Floats, design: Any) -> Floats:
        """Expected responses [n, m]."""
        pulse = np.asarray(design["pulse"], dtype=np.int64)
        whole = off_field(theta, self.bias_V[: int(pulse.max()) + 1], self.dwell_s, self.read_V)
        return np.asarray(whole[:, pulse])

    def deviation_pm(self, theta: Floats) -> Floats:
        """Standard deviation [n] of one response."""
        return np.hypot(self.noise_pm, self.model_error * theta[:, 3])

    def log_likelihood(self, theta: Floats, design: Any, outcome: Any) -> Floats:
        seen = np.asarray(outcome["piezoresponse_pm"], dtype=np.float64)
        usable = np.isfinite(seen)
        sd = self.deviation_pm(theta)[:, None]
        away = np.where(usable, (np.where(usable, seen, 0.0) - self.mean(theta, design)) / sd, 0.0)
        return np.asarray(-0.5 * np.square(away).sum(-1) - usable.sum() * np.log(sd[:, 0]))


def taken_in(posterior: Particles, model: LoopModel, begin: int, readings: Floats) -> Particles:
    """The posterior after the readings of the pulses from `begin` on, in parts that many particles survive.

    Where hardly any survives even a single reading, the posterior is made afresh from all data (`annealing`).
    """
    pulse = begin + np.arange(len(readings))
    new = {"pulse": pulse}, {"piezoresponse_pm": readings}
    log_weight = posterior.log_weight + model.log_likelihood(posterior.theta, *new)
    weight = np.exp(log_weight - log_weight.max())
    survive = weight.sum() ** 2 / np.square(weight).sum() / len(weight)
    if survive < _SURVIVORS and len(readings) > 1:
        half = len(readings) // 2
        posterior = taken_in(posterior, model, begin, readings[:half])
        return taken_in(posterior, model, begin + half, readings[half:])
    return _surprised(posterior, model, *new) if survive < _SURPRISE else posterior.updated(model, *new)


def _surprised(posterior: Particles, model: LoopModel, design: Any, outcome: Any) -> Particles:
    from physics_priors.lgd.annealing import annealed

    old = posterior.design, posterior.outcome
    joined = [
        {n: np.concatenate([o[n], new[n]]) if n in o else new[n] for n in new}
        for o, new in zip(old, (design, outcome), strict=True)
    ]
    return annealed(replace(posterior, updates=posterior.updates + 1, design=joined[0], outcome=joined[1]), model)


def correlations(theta: Floats, weight: Floats | None = None) -> Floats:
    """Correlation matrix [P, P] of weighted draws: which parameters the data cannot tell apart."""
    share = np.full(len(theta), 1 / len(theta)) if weight is None else weight / weight.sum()
    away = theta - share @ theta
    covariance = (share[:, None] * away).T @ away
    sd = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.maximum(np.outer(sd, sd), 1e-300))


def staircase(low_V: float, high_V: float, points: int, cycles: int = 1) -> Floats:
    """A triangular waveform 0, high, low, 0 in `points` steps a cycle."""
    phase = np.arange(points * cycles) / points % 1
    rise = np.interp(phase, [0, 0.25, 0.75, 1], [0, 1, -1, 0])
    return np.where(rise >= 0, rise * high_V, -rise * low_V)

"""A law as the mean of a Gaussian process: its parameters and the process's own, most probable together, and Laplace's
approximation of the evidence around them.

value = law(x; theta) + constant + residual(x) + noise. theta are quantiles of standard normal numbers z, so that their
prior is that of the law whatever its form. The residual is a Gaussian process (Matern 5/2, one group of inputs) with
little variance: what the law leaves out is taken up, not forced on its parameters. Without a law it is the plain
Gaussian process, its rival. In NumPy, which for tens of values is several times faster than torch.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.hyperparameters import NOISE, OUTPUTSCALE, LogNormal, lengthscale_priors
from physics_priors.laws.law import Law

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
RESIDUAL = LogNormal(0.02, 1.2, 1e-7)
"""Variance of what a law leaves out, in units of the standardised values."""
_CONSTANT = {True: 0.2, False: 1.0}
"""Standard deviation of the constant, in standard deviations of the values, with a law and without."""
_EDGE, _Z, _STEP, _FLAT = 1e-9, 5.0, 1e-4, 0.05
_DRAWS, _STARTS, _APART, _ROUNDS, _NATS = 512, 2, 0.3, 40, 1e-6


class LateError(Exception):
    """The fit does not end in time."""


@dataclass(frozen=True)
class Mode:
    """A most probable point: length scales [d], signal and noise variance and constant of the process, in standard
    deviations of the values, and z [P] of the law, nothing without one.
    """

    lengthscales: Floats
    signal: float
    noise: float
    constant: float
    z: Floats
    log_evidence: float


class MeanFunction:
    """A law at the candidates x [N, d] in its own units; `sign` -1 turns it round."""

    def __init__(self, law: Law, x: Floats, sign: float) -> None:
        self.law, self._x, self._sign = law, x, sign
        self.count = len(law.parameters)

    def theta(self, z: Floats) -> Floats:
        """Parameters [..., P] of standard normal numbers."""
        from scipy.special import ndtr

        return self.law.parameters.sample(np.clip(ndtr(z), _EDGE, 1 - _EDGE))

    def at(self, z: Floats, rows: Rows) -> Floats:
        """The law [K, m] for z [K, P] at candidates `rows` [m]; NaN or infinite where it has no value."""
        with np.errstate(all="ignore"):
            return self._sign * self.law.mean(self.theta(z), self._x[rows])

    def linear(self, z: Floats, rows: Rows) -> tuple[Floats, Floats]:
        """The law [m] and its derivative by z [m, P], by central differences."""
        steps = _STEP * np.eye(self.count)
        found = self.at(np.vstack([z[None], z + steps, z - steps]), rows)
        return found[0], (found[1 : self.count + 1] - found[self.count + 1 :]).T / (2 * _STEP)


class JointPosterior:
    """Minus the log posterior, per datum, of the unknowns: logarithms of length scales [d], signal and noise variance,
    the constant, z [P]. Densities are those of the logarithms, so that it integrates to the evidence.
    """

    def __init__(
        self,
        inputs: Floats,
        values: Floats,
        names: tuple[str, ...],
        mean: MeanFunction | None = None,
        rows: Rows | None = None,
        scale: float = 1.0,
    ) -> None:
        """Of values [n], in units of their standard deviation `scale`, at inputs [n, d] of the candidates `rows`."""
        self.values, self._mean, self._rows, self._scale = values, mean, rows, scale
        columns = inputs.T
        self._squares = np.square(columns[:, :, None] - columns[:, None, :])
        signal = OUTPUTSCALE if mean is None else RESIDUAL
        priors = [*lengthscale_priors(names), signal, NOISE]
        self._medians, self._widths = np.log([p.median for p in priors]), np.array([p.width for p in priors])
        self._constant = _CONSTANT[mean is not None]
        self.own = len(priors) + 1
        self.bounds = [*((math.log(p.least), math.log(1e3)) for p in priors), (-10.0, 10.0)]
        self.bounds += [(-_Z, _Z)] * (0 if mean is None else mean.count)
        self.start = np.append(self._medians, 0.0)

    def __call__(self, unknowns: Floats) -> tuple[float, Floats]:
        """Value and gradient; raises LinAlgError where the covariance is not positive."""
        process, z = unknowns[: self.own], unknowns[self.own :]
        residual, slope = self.values, np.zeros((len(self.values), 0))
        if self._mean is not None and self._rows is not None:
            said, slope = self._mean.linear(z, self._rows)
            if not (np.isfinite(said).all() and np.isfinite(slope).all()):
                return 1e6, np.zeros_like(unknowns)
            residual, slope = self.values - said / self._scale, slope / self._scale
        value, gradient, weights = self._log_likelihood(process, residual)
        away = (process[:-1] - self._medians) / self._widths
        value -= 0.5 * (away @ away + (process[-1] / self._constant) ** 2 + z @ z)
        gradient[:-1] -= away / self._widths
        gradient[-1] -= process[-1] / self._constant**2
        count = len(self.values)
        return -value / count, -np.concatenate([gradient, weights @ slope - z]) / count

    def _log_likelihood(self, process: Floats, residual: Floats) -> tuple[float, Floats, Floats]:
        """Value, gradient by the process's unknowns, and K^-1 (residual - constant) [n]."""
        from scipy.linalg.lapack import dpotri

        *logs, log_signal, log_noise, constant = process.tolist()
        inverse, signal, noise = np.exp(-2.0 * np.array(logs)), math.exp(log_signal), math.exp(log_noise)
        distance = np.sqrt(5.0 * np.tensordot(inverse, self._squares, 1))
        decay = signal * np.exp(-distance)
        covariance = decay * (1.0 + distance + distance**2 / 3.0)
        root = np.linalg.cholesky(covariance + noise * np.eye(len(residual)))
        lower = dpotri(root, lower=1)[0]
        precision = np.tril(lower) + np.tril(lower, -1).T
        left = residual - constant
        weights = precision @ left
        value = -0.5 * left @ weights - np.log(np.diag(root)).sum() - 0.5 * len(left) * math.log(2 * math.pi)
        pull = np.outer(weights, weights) - precision
        scales = np.tensordot(self._squares, pull * decay * (1.0 + distance), 2) * inverse * (5.0 / 3.0)
        variances = [np.sum(pull * covariance), noise * np.trace(pull)]
        return float(value), np.array([*(0.5 * scales), *(0.5 * np.array(variances)), weights.sum()]), weights

    def log_evidence(self, at: Floats) -> float:
        """Laplace's around `at`, with a curvature no smaller than that of a wide prior in any direction."""
        count, step, size = len(self.values), 1e-3, len(at)
        value, _ = self(at)
        columns = [(self(at + step * e)[1] - self(at - step * e)[1]) / (2 * step) for e in np.eye(size)]
        curvature = count * 0.5 * (np.array(columns) + np.array(columns).T)
        volume = -0.5 * np.log(np.maximum(np.linalg.eigvalsh(curvature), _FLAT)).sum()
        return float(-count * value + volume - np.log(self._widths).sum() - math.log(self._constant))

    def starts(self, rng: np.random.Generator) -> list[Floats]:
        """Where to begin: draws of the law's prior that fit best, each far from the others."""
        if self._mean is None or self._rows is None:
            return [self.start]
        z = np.vstack([np.zeros(self._mean.count), rng.normal(size=(_DRAWS - 1, self._mean.count))])
        with np.errstate(invalid="ignore"):
            spread = np.square(self.values - self._mean.at(z, self._rows) / self._scale).mean(-1)
        score = 0.5 * len(self.values) * np.log(spread + 0.01) + 0.5 * np.square(z).sum(-1)
        found: list[Floats] = []
        for row in np.argsort(np.where(np.isfinite(score), score, np.inf), kind="stable"):
            if len(found) == _STARTS or not math.isfinite(score[row]):
                break
            if all(np.linalg.norm(z[row] - other) > _APART for other in found):
                found.append(z[row])
        return [np.append(self.start, chosen) for chosen in found]


def modes(posterior: JointPosterior, rng: np.random.Generator, ends: float = math.inf) -> list[Mode]:
    """Its modes that were found, each once; empty where none was. Raises LateError past the time `ends` (monotonic)."""
    found: list[Mode] = []
    for start in posterior.starts(rng):
        mode = _mode(posterior, start, ends)
        if mode is not None and all(np.linalg.norm(mode.z - other.z) > _APART for other in found):
            found.append(mode)
    return found


def _mode(posterior: JointPosterior, start: Floats, ends: float) -> Mode | None:
    from scipy.optimize import minimize

    def timed(unknowns: Floats) -> tuple[float, Floats]:
        if time.monotonic() > ends:
            raise LateError
        return posterior(unknowns)

    options: Any = {"maxiter": _ROUNDS, "ftol": _NATS}
    try:
        found = minimize(timed, start, jac=True, method="L-BFGS-B", bounds=posterior.bounds, options=options)
        evidence = posterior.log_evidence(found.x)
    except np.linalg.LinAlgError:
        return None
    if not (np.isfinite(found.x).all() and math.isfinite(evidence)):
        return None
    *logs, log_signal, log_noise, constant = found.x[: posterior.own].tolist()
    z = found.x[posterior.own :].copy()
    return Mode(np.exp(logs), math.exp(log_signal), math.exp(log_noise), constant, z, evidence)

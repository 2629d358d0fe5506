"""A Gaussian process around a law: the law's parameters and the process's own, inferred together.

The value is law(x; theta) + residual(x) + noise, the residual a Matern 5/2 Gaussian process with little variance: what
the law leaves out is taken up, not forced on its parameters. All uncertain numbers are sampled by tempering from prior
to posterior (sequential Monte Carlo: P. Del Moral, A. Doucet and A. Jasra, J. R. Stat. Soc. B 68, 411, 2006); the
evidence of the law, sampled around what was found, is its share of the probability among rivals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.kernel import matern
from physics_priors.distributions import LogNormal
from physics_priors.laws.law import Law
from physics_priors.prior import Parameter, Parameters

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
_LEAST_STEP, _MOVES, _EDGE = 1e-4, 25, 1e-9
_FREEDOM, _TIMES = 5, 4
"""Of the distribution that the evidence is sampled with, and how many times the draws."""


@dataclass(frozen=True)
class Fitted:
    """Equally likely draws of a hypothesis given the data.

    theta [K, P] are the law's parameters, process [K, d + 2] length scales (unit cube), signal and noise standard
    deviations (in standard deviations of the values); log_evidence is the log probability of the data.
    """

    theta: Floats
    process: Floats
    log_evidence: float


class Hypothesis:
    """A law (None: no law at all, a plain Gaussian process) against data at places of the unit cube."""

    def __init__(self, law: Law | None, unit: Floats, x: Floats, scale: float) -> None:
        """Candidates at `unit` [N, d] of the cube and `x` [N, d] in the law's units; `scale` of the values."""
        self.law, self._unit, self._x, self._scale = law, unit, x, scale
        own = () if law is None else tuple(law.parameters)
        axes = tuple(Parameter(f"lengthscale_{i}", "", LogNormal(0.3, 2.0)) for i in range(unit.shape[1]))
        signal = LogNormal(1.0, 2.0) if law is None else LogNormal(0.05, 4.0)
        process = (*axes, Parameter("signal", "", signal), Parameter("noise", "", LogNormal(0.05, 4.0)))
        self.prior = Parameters((*own, *process))
        self._own = len(own)

    @property
    def name(self) -> str:
        """What it is called."""
        return "none of them" if self.law is None else self.law.name

    def fitted(self, rows: NDArray[np.int64], values: Floats, location: float, count: int, seed: list[int]) -> Fitted:
        """Draws given values [n] at candidates `rows` [n]; the same for the same seed."""
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(count, len(self.prior)))
        fit = self._log_likelihood(z, rows, values, location)
        reached, step = 0.0, 2.38 / math.sqrt(z.shape[1])
        while reached < 1.0:
            ahead = _next_step(fit, reached)
            reached = min(1.0, reached + ahead)
            chosen = _systematic(ahead * fit, rng)
            z, fit = z[chosen], fit[chosen]
            root = np.linalg.cholesky(np.cov(z.T) + 1e-8 * np.eye(z.shape[1]))
            for _ in range(_MOVES):
                tried = z + step * rng.normal(size=z.shape) @ root.T
                new = self._log_likelihood(tried, rows, values, location)
                gain = reached * (new - fit) - 0.5 * (np.square(tried).sum(-1) - np.square(z).sum(-1))
                taken = np.log(rng.uniform(size=count)) < gain
                z, fit = np.where(taken[:, None], tried, z), np.where(taken, new, fit)
                step *= math.exp(0.5 * (taken.mean() - 0.3))
        theta = self._theta(z)
        evidence = self._log_evidence(z, rows, values, location, rng)
        return Fitted(theta[:, : self._own], theta[:, self._own :], evidence)

    def _log_evidence(
        self, z: Floats, rows: NDArray[np.int64], values: Floats, location: float, rng: np.random.Generator
    ) -> float:
        """By importance sampling from a Student distribution with the draws' mean and covariance.

        Steadier than the product along the tempering, which depends on the few early draws near a narrow posterior.
        """
        count, size = z.shape
        root = 1.2 * np.linalg.cholesky(np.cov(z.T) + 1e-10 * np.eye(size))
        stretch = np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, size=(_TIMES * count, 1)))
        away = rng.normal(size=(_TIMES * count, size)) * stretch
        tried = z.mean(0) + away @ root.T
        proposed = -0.5 * (_FREEDOM + size) * np.log1p(np.square(away).sum(-1) / _FREEDOM)
        proposed += math.lgamma(0.5 * (_FREEDOM + size)) - math.lgamma(0.5 * _FREEDOM)
        proposed -= 0.5 * size * math.log(_FREEDOM * math.pi) + np.log(np.diag(root)).sum()
        before = -0.5 * (np.square(tried).sum(-1) + size * math.log(2 * math.pi))
        return _log_mean(self._log_likelihood(tried, rows, values, location) + before - proposed)

    def moments(
        self, fitted: Fitted, rows: NDArray[np.int64], values: Floats, location: float, at: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """Mean and variance of the value without noise, [K, m], by each draw at candidates `at` [m]."""
        import torch

        signal, noise = (torch.from_numpy(self._scale * fitted.process[:, i].copy()) for i in (-2, -1))
        root = self._root(fitted.process, rows, signal, noise)
        cross = signal[:, None, None] ** 2 * self._correlation(fitted.process, rows, at)
        solved = torch.linalg.solve_triangular(root, cross, upper=False)
        residual = torch.from_numpy(values - self._law(fitted.theta, rows, location))
        weights = torch.linalg.solve_triangular(root, residual[:, :, None], upper=False)
        mean = self._law(fitted.theta, at, location) + (solved * weights).sum(1).numpy()
        variance = (signal[:, None] ** 2 - solved.square().sum(1)).clamp_min(1e-12 * self._scale**2)
        return mean, variance.numpy()

    def _log_likelihood(self, z: Floats, rows: NDArray[np.int64], values: Floats, location: float) -> Floats:
        import torch

        theta = self._theta(z)
        process = theta[:, self._own :]
        signal, noise = (torch.from_numpy(self._scale * process[:, i].copy()) for i in (-2, -1))
        residual = values - self._law(theta[:, : self._own], rows, location)
        usable: NDArray[np.bool_] = np.asarray(np.isfinite(residual).all(-1))
        root = self._root(process, rows, signal, noise)
        right = torch.from_numpy(np.where(usable[:, None], residual, 0.0))[:, :, None]
        solved = torch.linalg.solve_triangular(root, right, upper=False)[:, :, 0]
        found = -0.5 * solved.square().sum(-1) - root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        found -= 0.5 * len(rows) * math.log(2 * math.pi)
        return np.where(usable, found.numpy(), -np.inf)

    def _theta(self, z: Floats) -> Floats:
        from scipy.special import ndtr

        return self.prior.sample(np.clip(ndtr(z), _EDGE, 1 - _EDGE))

    def _law(self, theta: Floats, rows: NDArray[np.int64], location: float) -> Floats:
        """The law's mean [K, m]; where there is no law, the mean of the values."""
        if self.law is None:
            return np.full((len(theta), len(rows)), location)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.law.mean(theta, self._x[rows])

    def _root(
        self, process: Floats, rows: NDArray[np.int64], signal: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        import torch

        covariance = signal[:, None, None] ** 2 * self._correlation(process, rows, rows)
        jitter = 1e-8 * signal**2 + 1e-10 * self._scale**2
        covariance.diagonal(dim1=-2, dim2=-1).add_((noise**2 + jitter)[:, None])
        root: torch.Tensor = torch.linalg.cholesky(covariance)
        return root

    def _correlation(self, process: Floats, a: NDArray[np.int64], b: NDArray[np.int64]) -> torch.Tensor:
        """Matern 5/2 [K, n, m]."""
        import torch

        stretch = math.sqrt(5.0) / process[:, None, :-2]
        left, right = (torch.from_numpy(self._unit[rows][None] * stretch) for rows in (a, b))
        distance = (left[:, :, None, :] - right[:, None, :, :]).square_().sum(-1).sqrt_()
        return matern(distance)


def shares(log_evidence: Floats) -> Floats:
    """Probabilities [H] of equally likely hypotheses from their log evidences [H]."""
    weight = np.exp(log_evidence - log_evidence.max())
    return np.asarray(weight / weight.sum())


def _next_step(fit: Floats, reached: float) -> float:
    """How far to temper, so that half of the draws still carry weight."""
    low, high = 0.0, 1.0 - reached
    if _effective(high * fit) >= len(fit) / 2:
        return high
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _effective(middle * fit) >= len(fit) / 2 else (low, middle)
    return max(low, _LEAST_STEP * (1.0 - reached))


def _effective(log_weight: Floats) -> float:
    weight = np.exp(log_weight - log_weight.max())
    return float(weight.sum() ** 2 / np.square(weight).sum())


def _log_mean(log_weight: Floats) -> float:
    top = log_weight.max()
    return float(top + math.log(np.exp(log_weight - top).mean()))


def _systematic(log_weight: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    weight = np.exp(log_weight - log_weight.max())
    places = (np.arange(len(weight)) + rng.uniform()) / len(weight)
    return np.minimum(np.searchsorted(np.cumsum(weight / weight.sum()), places), len(weight) - 1)

"""Most probable hyper-parameters, by the closed-form gradient of the log posterior.

The same optimum as BoTorch's fit_gpytorch_mll finds on the same model, several times sooner: it takes the
logarithms of the hyper-parameters for unknowns, and derivatives of the Matern 5/2 kernels by hand instead of by
automatic differentiation (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 5.9). Tests
hold value, gradient and optimum against GPyTorch and BoTorch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.hyperparameters import (
    NOISE,
    Hyperparameters,
    LogNormal,
    groups,
    lengthscale_priors,
    outputscale_priors,
)
from agents.bayesian.kernel import matern, matern_slope

if TYPE_CHECKING:
    import torch


class FitError(Exception):
    """The fit ran out of time, or into a covariance that is not positive."""


class LogPosterior:
    """Minus the log posterior, per datum, of the unknowns [d + groups + 2]: logarithms of the length scales [d], of
    the output scales [groups] and of the noise variance, and the mean.
    """

    def __init__(
        self,
        inputs: NDArray[np.float64],
        targets: NDArray[np.float64],
        names: tuple[str, ...],
        noise_factors: NDArray[np.float64] | None = None,
        noise: LogNormal = NOISE,
    ) -> None:
        """Of standardised targets [n] at inputs [n, d]; the noise of each is multiplied by its factor [n], or by 1.

        `noise` is the prior of its variance.
        """
        import torch

        self._groups = groups(names)
        self._squares = [_squares(inputs[:, columns]) for columns in self._groups]
        self._targets = torch.from_numpy(targets)
        self._noise_factors = torch.from_numpy(np.ones(len(targets)) if noise_factors is None else noise_factors)
        priors = [*lengthscale_priors(names), *outputscale_priors(names), noise]
        self._medians = np.log([prior.median for prior in priors])
        self._widths = np.array([prior.width for prior in priors])
        self.bounds = [(math.log(prior.least), math.log(1e3)) for prior in priors] + [(-10.0, 10.0)]
        self.start = np.append(self._medians, 0.0)

    def __call__(self, unknowns: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Value and gradient [d + groups + 2]."""
        likelihood, slope = self._log_likelihood(unknowns)
        prior, prior_slope = self._log_prior(unknowns[:-1])
        slope[:-1] += prior_slope
        count = len(self._targets)
        return -(likelihood + prior) / count, -slope / count

    def _log_likelihood(self, unknowns: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        import torch

        *logs, log_noise, mean = unknowns.tolist()
        noise = math.exp(log_noise)
        inverse_squares = torch.tensor(logs[: -len(self._groups)], dtype=torch.float64).mul(-2.0).exp()
        outputscale = [math.exp(log) for log in logs[-len(self._groups) :]]
        parts = [
            _signal(squares, inverse_squares[columns], scale)
            for squares, columns, scale in zip(self._squares, self._groups, outputscale, strict=True)
        ]
        root = _root(torch.stack([signal for signal, _ in parts]).sum(dim=0), noise * self._noise_factors)
        residual = self._targets - mean
        weights = torch.cholesky_solve(residual[:, None], root)[:, 0]
        value = -0.5 * residual.dot(weights) - root.diagonal().log().sum() - 0.5 * len(residual) * math.log(2 * math.pi)
        pull = torch.outer(weights, weights) - torch.cholesky_inverse(root)
        scales = torch.empty_like(inverse_squares)
        for squares, columns, (_, stretch) in zip(self._squares, self._groups, parts, strict=True):
            scales[columns] = torch.tensordot(squares, pull * stretch, dims=2) * inverse_squares[columns]
        variances = torch.stack(
            [*((pull * signal).sum() for signal, _ in parts), pull.diagonal().dot(self._noise_factors) * noise]
        )
        return value.item(), torch.cat([0.5 * scales, 0.5 * variances, weights.sum()[None]]).numpy()

    def _log_prior(self, logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Log-normal densities, of the hyper-parameters themselves and not of their logarithms, as GPyTorch's."""
        away = (logs - self._medians) / self._widths
        density = -0.5 * away**2 - logs - np.log(self._widths * math.sqrt(2 * math.pi))
        return float(density.sum()), -away / self._widths - 1.0


def _squares(inputs: NDArray[np.float64]) -> torch.Tensor:
    """Squared differences between inputs [n, d], for each column [d, n, n]."""
    import torch

    columns = torch.from_numpy(inputs.T.copy())
    return (columns[:, :, None] - columns[:, None, :]) ** 2


def _signal(
    squares: torch.Tensor, inverse_squares: torch.Tensor, outputscale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Covariance of one group's part of the signal, [n, n], and by what to multiply an input's squared scaled
    distances, [n, n], for the covariance's derivative by the logarithm of its length scale.
    """
    import torch

    distance = torch.tensordot(inverse_squares, squares, dims=1).mul_(5.0).sqrt_()  # sqrt(5) r
    return matern(distance) * outputscale, matern_slope(distance) * outputscale


def _root(signal: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    import torch

    covariance = signal.clone()
    covariance.diagonal().add_(noise)
    root: torch.Tensor
    root, failed = torch.linalg.cholesky_ex(covariance)
    if failed:
        raise FitError
    return root


def fit(
    inputs: NDArray[np.float64],
    targets: NDArray[np.float64],
    names: tuple[str, ...],
    timeout_s: float | None = None,
    noise_factors: NDArray[np.float64] | None = None,
    noise: LogNormal = NOISE,
    last: Hyperparameters | None = None,
) -> Hyperparameters | None:
    """Most probable hyper-parameters of standardised targets [n] at inputs [n, d]; None where the fit failed or ran
    out of time. It starts from the medians of the priors, or from those of the `last` fit where they are more probable.
    """
    from scipy.optimize import minimize

    ends = math.inf if timeout_s is None else time.monotonic() + timeout_s
    objective = LogPosterior(inputs, targets, names, noise_factors, noise)

    def timed(unknowns: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        if time.monotonic() > ends:
            raise FitError
        return objective(unknowns)

    try:
        found = minimize(timed, _start(timed, objective, last), jac=True, method="L-BFGS-B", bounds=objective.bounds)
    except FitError:
        return None
    if not np.all(np.isfinite(found.x)):
        return None
    lengthscales, outputscale, (variance,) = np.split(np.exp(found.x[:-1]), [len(names), -1])
    return Hyperparameters(lengthscales, outputscale, float(variance), float(found.x[-1]))


def _start(
    measure: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    objective: LogPosterior,
    last: Hyperparameters | None,
) -> NDArray[np.float64]:
    """The more probable of two places to start from; near the last optimum a fit takes a few steps."""
    if last is None:
        return objective.start
    logs = np.log(np.concatenate([last.lengthscales, last.outputscale, [last.noise]]))
    low, high = np.array(objective.bounds).T
    near = np.clip(np.append(logs, last.mean), low, high)
    return near if measure(near)[0] < measure(objective.start)[0] else objective.start

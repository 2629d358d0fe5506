"""The Gaussian process: BoTorch's SingleTaskGP, fitted to its data or given its hyper-parameters.

Inputs lie in the unit cube of the whole candidate list (explicit bounds: nothing drifts as data come in), values
are standardised by BoTorch, and the kernel is a scaled Matern 5/2 with one length scale for each input.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_LENGTHSCALE = (0.25, 0.6)
_PATCH_LENGTHSCALE = (0.5, 0.8)
_OUTPUTSCALE = (1.0, 0.8)
_NOISE = (0.02, 1.2)
"""Median and logarithmic width of the log-normal priors, in units of the field and of standardised values."""


@dataclass(frozen=True)
class Hyperparameters:
    """Length scales [d] in units of the field; variances and mean in units of the standardised values."""

    lengthscales: NDArray[np.float64]
    outputscale: float
    noise: float
    mean: float

    def plain(self) -> dict[str, Any]:
        """As plain values and arrays."""
        return {
            "lengthscales": self.lengthscales.copy(),
            "outputscale": self.outputscale,
            "noise": self.noise,
            "mean": self.mean,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Hyperparameters:
        """The inverse of `plain`."""
        lengthscales = np.array(plain["lengthscales"], dtype=np.float64)
        return cls(lengthscales, float(plain["outputscale"]), float(plain["noise"]), float(plain["mean"]))


def prior_medians(names: tuple[str, ...]) -> Hyperparameters:
    """The medians of the priors: where every fit starts."""
    return Hyperparameters(
        np.array([median for median, _ in _lengthscale_priors(names)]), _OUTPUTSCALE[0], _NOISE[0], 0.0
    )


def _lengthscale_priors(names: tuple[str, ...]) -> list[tuple[float, float]]:
    return [_PATCH_LENGTHSCALE if name.startswith("patch") else _LENGTHSCALE for name in names]


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread inside, as many as before after it.

    Matrices this small are 4 to 50 times slower on many threads, and sums come out the same bit for bit only on
    the same number of threads.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fit(
    inputs: NDArray[np.float64], values: NDArray[np.float64], names: tuple[str, ...], timeout_s: float | None = None
) -> Hyperparameters | None:
    """Most probable hyper-parameters of values [n] at inputs [n, d]; None where the fit failed or ran out of time.

    It starts from the medians of the priors, so that the result depends on the data alone.
    """
    from botorch.optim.core import OptimizationStatus
    from botorch.optim.fit import fit_gpytorch_mll_scipy
    from gpytorch.mlls import ExactMarginalLogLikelihood

    model = build(inputs, values, names, prior_medians(names))
    objective = ExactMarginalLogLikelihood(model.likelihood, model).train()
    with warnings.catch_warnings():  # a fit that failed is told by its status, and scipy_minimize adds filters
        warnings.simplefilter("ignore")
        try:
            result = fit_gpytorch_mll_scipy(objective, options={"maxiter": 100, "ftol": 1e-7}, timeout_sec=timeout_s)
        except RuntimeError:  # linear_operator's NotPSDError and NanError
            return None
    if result.status == OptimizationStatus.FAILURE or "timed out" in (result.message or ""):
        return None
    return _read(model)


def build(
    inputs: NDArray[np.float64], values: NDArray[np.float64], names: tuple[str, ...], given: Hyperparameters
) -> Any:
    """A SingleTaskGP of values [n] at inputs [n, d] with the hyper-parameters `given`."""
    import torch
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Normalize, Standardize

    width = inputs.shape[1]
    cube = torch.tensor([[0.0] * width, [1.0] * width], dtype=torch.float64)
    model = SingleTaskGP(
        torch.from_numpy(inputs),
        torch.from_numpy(values[:, None]),
        likelihood=_likelihood(),
        covar_module=_kernel(names),
        input_transform=Normalize(width, bounds=cube),
        outcome_transform=Standardize(1),
    )
    model.covar_module.base_kernel.lengthscale = torch.from_numpy(given.lengthscales)
    model.covar_module.outputscale = given.outputscale
    model.likelihood.noise = given.noise
    model.mean_module.constant = given.mean
    return model


def _kernel(names: tuple[str, ...]) -> Any:
    import torch
    from gpytorch.constraints import GreaterThan
    from gpytorch.kernels import MaternKernel, ScaleKernel
    from gpytorch.priors import LogNormalPrior

    medians, widths = torch.tensor(_lengthscale_priors(names), dtype=torch.float64).T
    matern = MaternKernel(
        nu=2.5,
        ard_num_dims=len(names),
        lengthscale_prior=LogNormalPrior(medians.log(), widths),
        lengthscale_constraint=GreaterThan(0.01, transform=None),
    )
    return ScaleKernel(
        matern,
        outputscale_prior=LogNormalPrior(float(np.log(_OUTPUTSCALE[0])), _OUTPUTSCALE[1]),
        outputscale_constraint=GreaterThan(1e-3, transform=None),
    )


def _likelihood() -> Any:
    from gpytorch.constraints import GreaterThan
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.priors import LogNormalPrior

    prior = LogNormalPrior(float(np.log(_NOISE[0])), _NOISE[1])
    return GaussianLikelihood(noise_prior=prior, noise_constraint=GreaterThan(1e-5, transform=None))


def _read(model: Any) -> Hyperparameters:
    return Hyperparameters(
        model.covar_module.base_kernel.lengthscale.detach().numpy().ravel().copy(),
        model.covar_module.outputscale.item(),
        model.likelihood.noise.item(),
        model.mean_module.constant.item(),
    )


class Posterior:
    """The model's belief at many inputs in one pass, in units of the standardised values.

    BoTorch evaluates candidates [n, 1, d] as n separate posteriors, several times slower; a test holds the two
    together.
    """

    def __init__(
        self,
        inputs: NDArray[np.float64],
        values: NDArray[np.float64],
        names: tuple[str, ...],
        given: Hyperparameters,
        pending: NDArray[np.float64] | None = None,
    ) -> None:
        """Condition on values [n] at inputs [n, d], and on `pending` inputs [m, d] as if their means had come out."""
        import torch

        model = build(inputs, values, names, given)
        self._kernel, self.given = model.covar_module, given
        self.location = model.outcome_transform.means.item()
        self.scale = model.outcome_transform.stdvs.item()
        self._inputs = torch.from_numpy(inputs)
        self._condition(torch.from_numpy((values - self.location) / self.scale - given.mean))
        if pending is not None and len(pending):
            believed = torch.cat([self._residuals, self.marginal(pending)[0] - given.mean])
            self._inputs = torch.cat([self._inputs, torch.from_numpy(pending)])
            self._condition(believed)

    def _condition(self, residuals: torch.Tensor) -> None:
        import torch
        from linear_operator.utils.cholesky import psd_safe_cholesky

        with torch.no_grad():
            covariance = self._kernel(self._inputs).to_dense()
            covariance.diagonal().add_(self.given.noise)
            self._root = psd_safe_cholesky(covariance)
            self._residuals = residuals
            self._weights = torch.cholesky_solve(residuals[:, None], self._root)[:, 0]

    def marginal(self, at: NDArray[np.float64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance, without noise, at inputs [n, d]."""
        import torch

        with torch.no_grad():
            points = torch.from_numpy(at)
            cross, solved = self._to_data(points)
            variance = self._kernel(points, diag=True) - (solved**2).sum(dim=0)
            return cross.T @ self._weights + self.given.mean, variance.clamp_min(1e-12)

    def covariance(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> torch.Tensor:
        """Covariance, without noise, between inputs [n, d] and [m, d]: [n, m]."""
        import torch

        with torch.no_grad():
            a, b = torch.from_numpy(first), torch.from_numpy(second)
            left, right = self._to_data(a)[1], self._to_data(b)[1]
            between: torch.Tensor = self._kernel(a, b).to_dense() - left.T @ right
            return between

    def _to_data(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Covariance with the data, [n data, n points], and the same divided by the root of the data's."""
        import torch

        cross = self._kernel(self._inputs, points).to_dense()
        return cross, torch.linalg.solve_triangular(self._root, cross, upper=False)

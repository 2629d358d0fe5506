"""BoTorch's view of the Gaussian process at single points, lean enough for a search that calls it a hundred times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.hyperparameters import Hyperparameters
from agents.bayesian.kernel import matern

if TYPE_CHECKING:
    import torch

_LEAST_VARIANCE = 1e-9
"""Below 1e-10, BoTorch takes a variance for a mistake and says so."""


def quick_model(inputs: NDArray[np.float64], targets: NDArray[np.float64], given: Hyperparameters) -> Any:
    """A BoTorch model of standardised targets [n] at inputs [n, d], with the hyper-parameters of one group of inputs.

    Its posterior is that of `surrogate.build` in standardised values, differentiable in the place, for one point at a
    time.
    """
    import torch
    from botorch.models.model import Model
    from botorch.posteriors import GPyTorchPosterior
    from gpytorch.distributions import MultivariateNormal
    from linear_operator.operators import DiagLinearOperator
    from linear_operator.utils.cholesky import psd_safe_cholesky

    (outputscale,) = given.outputscale.tolist()
    stretch = torch.from_numpy(math.sqrt(5.0) / given.lengthscales)
    data = torch.from_numpy(inputs) * stretch
    covariance = outputscale * _between(data, data)
    covariance.diagonal().add_(given.noise)
    root = psd_safe_cholesky(covariance)
    inverse = torch.linalg.solve_triangular(root, torch.eye(len(root), dtype=torch.float64), upper=False)
    weights = inverse.T @ (inverse @ (torch.from_numpy(targets) - given.mean))

    class Quick(Model):  # type: ignore[misc]  # botorch has no types
        """Closed form at X [b, 1, d]."""

        num_outputs = 1

        def posterior(self, X: torch.Tensor, *_: Any, **__: Any) -> Any:
            cross = outputscale * _between(X[..., 0, :].reshape(-1, X.shape[-1]) * stretch, data)
            mean = given.mean + cross @ weights
            variance = (outputscale - (cross @ inverse.T).square().sum(-1)).clamp_min(_LEAST_VARIANCE)
            shape = X.shape[:-1]
            return GPyTorchPosterior(
                MultivariateNormal(mean.reshape(shape), DiagLinearOperator(variance.reshape(shape)))
            )

    return Quick()


def _between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Correlation [n, m] of inputs that are scaled by sqrt(5) over the length scales; its gradient is finite at 0."""
    return matern((a[:, None, :] - b[None, :, :]).square().sum(-1).clamp_min(1e-30).sqrt())

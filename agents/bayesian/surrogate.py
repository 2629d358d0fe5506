"""The Gaussian process as BoTorch has it: a SingleTaskGP with given hyper-parameters, and how values are scaled.

Inputs lie in the unit cube of the whole candidate list (explicit bounds: nothing drifts as data come in), values
are standardised by BoTorch, and the kernel is a sum over the groups of inputs, position and patch, of scaled
Matern 5/2 kernels with one length scale for each input. In a sum, what a patch tells holds all over the field; in a
product it would have to be learned anew in every part of it (Duvenaud, Nickisch and Rasmussen, Additive Gaussian
Processes, 2011).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
from agents.protocol import AgentError


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


def build(
    inputs: NDArray[np.float64], values: NDArray[np.float64], names: tuple[str, ...], given: Hyperparameters
) -> Any:
    """A SingleTaskGP of values [n] at inputs [n, d] with the hyper-parameters `given`."""
    import torch
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Normalize

    width = inputs.shape[1]
    cube = torch.tensor([[0.0] * width, [1.0] * width], dtype=torch.float64)
    model = SingleTaskGP(
        torch.from_numpy(inputs),
        torch.from_numpy(values[:, None]),
        likelihood=_likelihood(),
        covar_module=_kernel(names, given),
        input_transform=Normalize(width, bounds=cube),
        outcome_transform=_standardize(values),
    )
    model.likelihood.noise = given.noise
    model.mean_module.constant = given.mean
    return model


def _kernel(names: tuple[str, ...], given: Hyperparameters) -> Any:
    from gpytorch.kernels import AdditiveKernel

    priors = lengthscale_priors(names)
    parts = []
    for columns, prior, outputscale in zip(groups(names), outputscale_priors(names), given.outputscale, strict=True):
        part = _scaled_matern(columns, [priors[i] for i in columns], prior)
        part.base_kernel.lengthscale = given.lengthscales[columns]
        part.outputscale = outputscale
        parts.append(part)
    return parts[0] if len(parts) == 1 else AdditiveKernel(*parts)


def _scaled_matern(columns: list[int], lengthscale: list[LogNormal], outputscale: LogNormal) -> Any:
    """One group's kernel, with the priors of its hyper-parameters."""
    import torch
    from gpytorch.constraints import GreaterThan
    from gpytorch.kernels import MaternKernel, ScaleKernel
    from gpytorch.priors import LogNormalPrior

    medians = torch.tensor([prior.median for prior in lengthscale], dtype=torch.float64)
    widths = torch.tensor([prior.width for prior in lengthscale], dtype=torch.float64)
    matern = MaternKernel(
        nu=2.5,
        ard_num_dims=len(columns),
        active_dims=columns,
        lengthscale_prior=LogNormalPrior(medians.log(), widths),
        lengthscale_constraint=GreaterThan(min(prior.least for prior in lengthscale), transform=None),
    )
    return ScaleKernel(
        matern,
        outputscale_prior=LogNormalPrior(math.log(outputscale.median), outputscale.width),
        outputscale_constraint=GreaterThan(outputscale.least, transform=None),
    )


def _likelihood() -> Any:
    from gpytorch.constraints import GreaterThan
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.priors import LogNormalPrior

    return GaussianLikelihood(
        noise_prior=LogNormalPrior(math.log(NOISE.median), NOISE.width),
        noise_constraint=GreaterThan(NOISE.least, transform=None),
    )


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values [n] as the model sees them: the mean taken off, divided by the standard deviation."""
    import torch

    targets: NDArray[np.float64] = _standardize(values)(torch.from_numpy(values[:, None]))[0][:, 0].numpy()
    return targets


def location_and_scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """By what values [n] are shifted and divided when they are standardised.

    Raises AgentError where their squares overflow.
    """
    import torch

    transform = _standardize(values)
    transform(torch.from_numpy(values[:, None]))
    location, scale = transform.means.item(), transform.stdvs.item()
    if not (math.isfinite(location) and math.isfinite(scale)):
        raise AgentError(f"values up to {np.abs(values).max():.3g} are too large to be standardised: use another unit")
    return location, scale


def _standardize(values: NDArray[np.float64]) -> Any:
    """BoTorch's Standardize; values that differ by rounding errors only are all alike, and nothing else is.

    BoTorch's own limit is a standard deviation of 1e-8, which a current in ampere or a response in metre never has.
    """
    from botorch.models.transforms import Standardize

    return Standardize(1, min_stdv=max(1e-12 * float(np.abs(values).max()), 1e-150))

"""Expected improvement where the best is not known either: noise hides which measured candidate is the highest.

The improvement is over the largest signal among the measured candidates, which are drawn together from the posterior
(B. Letham et al., Constrained Bayesian Optimization with Noisy Experiments, Bayesian Analysis 14, 495, 2019). Given the
draw, the expectation is in closed form.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.acquisition import log_expected_improvement
from agents.bayesian.candidate_posterior import CandidatePosterior

if TYPE_CHECKING:
    import torch

_RIVALS, _DRAWS = 16, 64
"""Measured candidates that may be the highest (a power of two draws of them): the rest hardly ever are."""
_TABLE = 500_000
"""Numbers in a table that is worked on at a time."""
_LEAST_VARIANCE = 1e-9
"""Below 1e-10, GPyTorch takes a variance for a mistake and says so."""


def noisy_expected_improvement(
    model: CandidatePosterior, taken: NDArray[np.int64], pending: NDArray[np.int64], rng: np.random.Generator
) -> torch.Tensor:
    """Log of the improvement to expect [seen] over the best of the candidates `taken` [n] and `pending`."""
    import torch

    rivals = _rivals(model, np.unique(np.concatenate([taken, pending])))
    across, joint, middle = model.between(rivals, pending), model.joint(rivals, pending), model.at(rivals)[0]
    root = _root(joint)
    drawn = root @ _normals(len(rivals), rng).T
    weights = torch.cholesky_solve(across, root)
    variance = (model.ahead(pending) - (across * weights).sum(dim=0)).clamp_min(_LEAST_VARIANCE)
    best, spread = (middle[:, None] + drawn).max(dim=0).values, variance.expand(_DRAWS, -1)
    together = max(1, _TABLE // len(variance))
    parts = []
    for some in range(0, _DRAWS, together):
        here = slice(some, min(some + together, _DRAWS))
        over = model.mean() + drawn[:, here].T @ weights - best[here, None]
        parts.append(log_expected_improvement(over.ravel(), spread[here].ravel(), 0.0).reshape(over.shape))
    return torch.cat(parts).logsumexp(dim=0) - math.log(_DRAWS)


def _rivals(model: CandidatePosterior, taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of `taken` that are likeliest to be the highest."""
    mean, variance = model.at(taken)
    hopeful = (mean + 2.0 * variance.sqrt()).numpy()
    return np.sort(taken[np.argsort(-hopeful, kind="stable")[:_RIVALS]])


def _normals(width: int, rng: np.random.Generator) -> torch.Tensor:
    """Quasi-random standard normal numbers [_DRAWS, width]."""
    import torch
    from scipy.special import ndtri
    from scipy.stats.qmc import Sobol

    uniform = Sobol(width, rng=rng).random(_DRAWS)
    return torch.from_numpy(ndtri(np.clip(uniform, 1e-12, 1.0 - 1e-12)))


def _root(joint: torch.Tensor) -> torch.Tensor:
    from linear_operator.utils.cholesky import psd_safe_cholesky

    joint = joint.clone()
    joint.diagonal().add_(1e-10)
    root: torch.Tensor = psd_safe_cholesky(joint)
    return root

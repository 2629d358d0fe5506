"""Thompson sampling: the candidate that is highest in one draw of the whole map from the posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.candidate_posterior import CandidatePosterior

if TYPE_CHECKING:
    import torch

MOST = 1024
"""Candidates that are drawn together; of more, half of these are the most hopeful and half are drawn by chance."""
_UNSEEN = -1e300


def thompson(
    model: CandidatePosterior, free: NDArray[np.int64], pending: NDArray[np.int64], rng: np.random.Generator
) -> torch.Tensor:
    """One draw [seen] at the places `free` [m] among the seen; everywhere else a value that is never the highest."""
    import torch
    from linear_operator.utils.cholesky import psd_safe_cholesky

    mean, variance = model.mean(), model.ahead(pending)
    some = _some(free, (mean + 2.0 * variance.sqrt()).numpy(), rng)
    joint = model.joint(model.seen[some], pending)
    joint.diagonal().add_(1e-10)
    normals = torch.from_numpy(rng.normal(size=len(some)))
    drawn = torch.full_like(mean, _UNSEEN)
    drawn[torch.from_numpy(some)] = mean[torch.from_numpy(some)] + psd_safe_cholesky(joint) @ normals
    return drawn


def _some(free: NDArray[np.int64], hopeful: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    if len(free) <= MOST:
        return free
    order = np.argsort(-hopeful[free], kind="stable")
    chance = rng.choice(order[MOST // 2 :], MOST - MOST // 2, replace=False)
    return np.sort(free[np.concatenate([order[: MOST // 2], chance])])

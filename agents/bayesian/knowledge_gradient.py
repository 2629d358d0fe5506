"""The knowledge gradient: how much higher the highest mean will be once a candidate was measured.

The highest mean is sought among the tested candidates, the one that is highest now and the one that would be measured;
over these the expectation is exact (P. Frazier, W. Powell and S. Dayanik, The Knowledge-Gradient Policy for Correlated
Normal Beliefs, INFORMS J. Comput. 21, 599, 2009).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.candidate_posterior import CandidatePosterior

if TYPE_CHECKING:
    import torch


def knowledge_gradient(model: CandidatePosterior, pending: NDArray[np.int64]) -> torch.Tensor:
    """Rise to expect [seen] of the highest mean, in standardised values; `pending` bring what the model expects."""
    import torch

    from agents.bayesian.knowledge_gradient_kernel import rises

    mean, variance = model.mean(), model.ahead(pending)
    top = model.seen[[int(mean.argmax())]]
    across = torch.cat([model.tested_between(pending), model.between(top, pending)])
    spread = (variance + model.noise_ahead()).sqrt()
    means = torch.cat([model.at(model.tested)[0], mean.max()[None]])
    slopes = (across / spread).T.contiguous()
    found = rises(means.numpy(), slopes.numpy(), mean.numpy(), (variance / spread).numpy())
    return torch.from_numpy(found)

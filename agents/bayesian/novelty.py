"""What has not been seen yet: how far from every value measured so far a new one is expected to fall.

Values that differ from all others are sought, high or low, as in novelty search (J. Lehman and K. Stanley, Abandoning
Objectives, Evol. Comput. 19, 189, 2011), with the expectation over the posterior in closed form.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


def expected_novelty(mean: torch.Tensor, variance: torch.Tensor, values: NDArray[np.float64]) -> torch.Tensor:
    """E[min_i |f - value_i|] at each candidate, [n], for the values measured so far [m], m >= 1.

    The distance to the nearest value is a sum of ramps: it turns up at every value, and down half-way between two.
    """
    known = np.unique(values)
    spread = variance.sqrt()
    found = known[0] - mean
    for value in known.tolist():
        found = found + 2.0 * _ramp(mean, spread, value)
    for half in (0.5 * (known[1:] + known[:-1])).tolist():
        found = found - 2.0 * _ramp(mean, spread, half)
    least: torch.Tensor = found.clamp_min(0.0)
    return least


def _ramp(mean: torch.Tensor, spread: torch.Tensor, start: float) -> torch.Tensor:
    """E[max(f - start, 0)]."""
    import torch

    z = (mean - start) / spread
    found: torch.Tensor = spread * ((-0.5 * z**2).exp() / math.sqrt(2.0 * math.pi) + z * torch.special.ndtr(z))
    return found

"""Where the value crosses a level: the boundary between what is above and what is below."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_WIDTH, _FAR = 2.0, 6.0
"""Half the width of the band around the level [standard deviations], and from where on the tail's asymptote serves."""


def log_contour_improvement(mean: torch.Tensor, variance: torch.Tensor, level: float) -> torch.Tensor:
    """Log of E[max((w s)^2 - (f - level)^2, 0)] at each candidate, [n], s being the standard deviation, w = 2.

    P. Ranjan, D. Bingham and G. Michailidis, Sequential Experiment Design for Contour Estimation From Complex Computer
    Codes, Technometrics 50, 527 (2008), eq. 8.
    """
    import torch

    z = (mean - level).abs() / variance.sqrt()
    low, high = z - _WIDTH, z + _WIDTH
    inside = torch.special.ndtr(high) - torch.special.ndtr(low)
    at_low, at_high = _density(low), _density(high)
    near = (_WIDTH**2 - z**2) * inside + 2.0 * z * (at_low - at_high) - (inside + low * at_low - high * at_high)
    far = low.clamp_min(_FAR)  # by parts; from here on differences of distribution functions lose their digits
    series = 2.0 * _WIDTH / far**2 - 2.0 / far**3 - 6.0 * _WIDTH / far**4 + 12.0 / far**5
    tail = series.log() - 0.5 * far**2 - 0.5 * math.log(2.0 * math.pi)
    return variance.log() + torch.where(low < _FAR, near.clamp_min(1e-300).log(), tail)


def _density(z: torch.Tensor) -> torch.Tensor:
    return (-0.5 * z**2).exp() / math.sqrt(2.0 * math.pi)

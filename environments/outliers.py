"""Which measured curves are failures: judged by themselves, then against the curves measured so far.

A failed fit or a tip that lost contact shows as samples that their neighbours do not confirm. With r the
deviation of a curve from its own running median (which keeps edges and monotone stretches as they are):

- `share` = max|r| / range: how much of the curve's range is made by unconfirmed samples. A hysteresis loop or a
  resolved peak stays below 0.2; pure noise lies near 0.5; a lone spike near 1.
- `spikes` = max|r| / sigma, with sigma the curve's sample noise from the median absolute difference of neighbours:
  pure normal noise stays below about 5 for hundreds of samples, heavy tails go far beyond.
- `roughness` = ln max|r|, comparable between curves of one channel.

A curve fails by itself when `share` and `spikes` are both too large: noise alone never does, and neither does a
large or sharply switching signal. A curve that is mostly unconfirmed samples without standing spikes (a fit that
failed everywhere) looks like noise; it fails when it is far rougher than the other curves measured so far. A smooth
curve is never rejected, however much larger than the others it is: finding it may be the point of the search.
The limits of the rule: a real feature only one or two samples wide and far above the noise counts as a spike, and so
do single counts in a spectrum of almost nothing but zeros; switch it off there (`outliers: null`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from environments.robust import SIGMA_PER_MAD, masked_median, masked_scale, median, running_median
from physics_priors.bounds import Bounds

TRAITS = 3
"""Numbers kept of each curve: share, spikes, roughness."""
_TINY = 1e-300


@dataclass(frozen=True)
class Outliers:
    """The rule with its thresholds; the defaults are meant for every channel."""

    window: Annotated[int, Bounds("samples", 3, 101)] = 5
    share: Annotated[float, Bounds("", 0.0, 1.0)] = 0.3
    spikes: Annotated[float, Bounds("sigma", 0.0)] = 8.0
    rougher: Annotated[float, Bounds("sigma", 0.0)] = 4.0
    """How far above the others' median roughness, in their robust spread of its logarithm."""
    family: Annotated[int, Bounds("curves", 2)] = 3
    """How many other curves must pass by themselves before any is compared with them."""

    def __post_init__(self) -> None:
        if self.window % 2 == 0:
            raise ValueError(f"outliers.window={self.window} must be odd")

    def traits(self, curves: NDArray[np.float64]) -> NDArray[np.float64]:
        """[B, 3] traits of curves [B, n], of their finite samples; zero where these are too few to judge."""
        finite = np.isfinite(curves)
        if finite.all():
            return self._traits(curves)
        return np.concatenate([self._traits(c[f][None]) for c, f in zip(curves, finite, strict=True)])

    def alone(self, traits: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether curves pass by themselves; traits [..., 3]."""
        return np.asarray((traits[..., 0] <= self.share) | (traits[..., 1] <= self.spikes))

    def accept(self, traits: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the curves measured so far [B, N] stand; traits [B, N, 3], `known` [B, N] masks usable ones."""
        passed = known & self.alone(traits)
        rough = traits[..., 2]
        middle = masked_median(rough, passed)
        spread = np.maximum(masked_scale(rough, passed, middle), 0.25)
        with np.errstate(invalid="ignore"):
            louder = rough - middle[:, None] > self.rougher * spread[:, None]
        enough = passed.sum(-1, keepdims=True) > self.family
        return np.asarray(passed & ~(enough & louder & (traits[..., 0] > self.share)))

    def _traits(self, curves: NDArray[np.float64]) -> NDArray[np.float64]:
        rows, samples = curves.shape
        if samples < 2 * self.window - 1:
            return np.zeros((rows, TRAITS))
        away = np.abs(curves - running_median(curves, self.window)).max(-1)
        extent = np.ptp(curves, axis=-1)
        share = away / np.maximum(extent, _TINY)
        return np.stack([share, away / _sample_noise(curves), np.log(np.maximum(away, _TINY))], -1)


def despike(curves: NDArray[np.float64], rule: Outliers) -> NDArray[np.float64]:
    """The curves [B, n] with samples that fail a curve by themselves replaced by the running median; NaN stays NaN."""
    if curves.shape[-1] < 2 * rule.window - 1:
        return curves
    smooth = running_median(curves, rule.window)
    with np.errstate(invalid="ignore"):
        least = np.maximum(rule.spikes * _sample_noise(curves), rule.share * np.ptp(curves, axis=-1))
        return np.asarray(np.where(np.abs(curves - smooth) > least[:, None], smooth, curves))


def _sample_noise(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation [B] of a sample, from neighbours; the mean stands in where half of them are equal."""
    steps = np.abs(np.diff(curves, axis=-1))
    middle = median(steps)
    mean = np.ascontiguousarray(steps).mean(-1) * np.sqrt(np.pi) / 2
    return np.asarray(np.maximum(np.where(middle > 0, SIGMA_PER_MAD / np.sqrt(2) * middle, mean), _TINY))

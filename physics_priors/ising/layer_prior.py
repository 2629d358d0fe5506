"""What is believed of a layer that orders live after images of it: the likelihood of their spins and bonds.

Mean and covariance of an image's two statistics are simulated (`layer_table`), so that it counts for what it tells also
where pseudo-likelihood does not: near the boundary, where it loses much of it, and deep in a phase.
The posterior stands on a grid. Inside its ranges the prior is flat, outside it falls off, so that a layer somewhat
beyond what is expected is still found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from physics_priors.bounds import Bounds
from physics_priors.ising.design import Belief
from physics_priors.ising.lattice import Floats
from physics_priors.ising.layer_table import layer_table, statistics

_EDGE: Final = 0.1
"""In ranges: how far outside of its range the prior falls off."""
_REACH: Final = 0.3
_TAIL: Final = 8.0
"""Degrees of freedom of an image's likelihood, Student's: no single one, of walls that froze in, rules the others."""
_NODES, _LEVELS, _IMPROBABLE, _CLOSE_ENOUGH = 31, 6, 12.0, 0.75


@dataclass(frozen=True)
class FieldPrior:
    """Moment [K/T] and coupling [K] of a layer that orders antiferromagnetically; conditions: temperature, field."""

    moment_low_K_T: Annotated[float, Bounds("K/T", 0.0)] = 20.0
    moment_high_K_T: Annotated[float, Bounds("K/T", 0.0)] = 50.0
    coupling_low_K: Annotated[float, Bounds("K", 0.0)] = 50.0
    coupling_high_K: Annotated[float, Bounds("K", 0.0)] = 130.0

    names = ("moment_K_T", "coupling_K")
    context = ("temperature_K", "field_T")
    bins = (2, 5)

    @property
    def low(self) -> Floats:
        return np.array([self.moment_low_K_T, self.coupling_low_K])

    @property
    def high(self) -> Floats:
        return np.array([self.moment_high_K_T, self.coupling_high_K])

    def scale(self, conditions: Floats) -> Floats:
        return np.stack([conditions[:, 1], -np.ones(len(conditions))], axis=1) / conditions[:, :1]

    def information(self, theta: Floats, conditions: Floats) -> Floats:
        return layer_table().information(-theta[:, 1], theta[:, 0])

    def believed(self, conditions: Floats, histograms: Sequence[Floats]) -> Belief:
        """The posterior on a grid that closes in on what is probable."""
        low, high = self.low - _REACH * self.width, self.high + _REACH * self.width
        for _ in range(_LEVELS):
            places = _grid(low, high)
            log = self._log_posterior(places, conditions, histograms)
            probable = places[log > log.max() - _IMPROBABLE]
            cell = (high - low) / (_NODES - 1)
            closer = np.maximum(probable.min(0) - cell, low), np.minimum(probable.max(0) + cell, high)
            if np.all(closer[1] - closer[0] > _CLOSE_ENOUGH * (high - low)):
                break
            low, high = closer
        weight = np.exp(log - log.max())
        mean = weight @ places / weight.sum()
        away = places - mean
        covariance = (weight[:, None] * away).T @ away / weight.sum() + np.diag((1e-6 * self.width) ** 2)
        chi2 = sum(float(c[0]) for c, _ in self._apart(mean[None], conditions, histograms))
        freedom = max(2 * len(histograms) - 2, 1)
        return Belief(mean, covariance, chi2 / freedom if len(histograms) else 1.0, len(histograms))

    @property
    def width(self) -> Floats:
        """Ranges [P] of the parameters."""
        return self.high - self.low

    def _log_posterior(self, places: Floats, conditions: Floats, histograms: Sequence[Floats]) -> Floats:
        outside = np.maximum(0.0, np.maximum(self.low - places, places - self.high)) / self.width
        log = -0.5 * np.square(outside / _EDGE).sum(1)
        for chi2, volume in self._apart(places, conditions, histograms):
            log = log - 0.5 * ((_TAIL + 2) * np.log1p(chi2 / _TAIL) + volume)
        return np.asarray(log, np.float64)

    def _apart(
        self, places: Floats, conditions: Floats, histograms: Sequence[Floats]
    ) -> Iterator[tuple[Floats, Floats]]:
        """chi^2 and log determinant of the covariance at all places [n], image by image."""
        for condition, histogram in zip(conditions, histograms, strict=True):
            field, minus_pair = (self.scale(condition[None]) * places).T
            sites = float(np.sum(histogram))
            mean, spread = layer_table().at(-minus_pair, field)
            covariance = sites * spread + np.eye(2)  # a flipped spin is the least that can be told
            rest = statistics(histogram.reshape(self.bins)) - sites * mean
            chi2 = np.einsum("ni,ni->n", rest, np.linalg.solve(covariance, rest[..., None])[..., 0])
            yield chi2, np.linalg.slogdet(covariance)[1]


def _grid(low: Floats, high: Floats) -> Floats:
    """Places [n, 2] from low to high."""
    axes = [np.linspace(a, b, _NODES) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)

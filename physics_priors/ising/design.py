"""Which image to take next: what a lattice prior believes after some images, and what another would tell.

A prior has energies as parameters; under given conditions they are couplings in kT, theta = scale x parameters. Every
prior joins images in its own way; what another would tell is what its simulated tables promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from physics_priors.ising.lattice import Floats


class LatticePrior(Protocol):
    """Independent uniform parameters, and how conditions turn them into couplings; conditions are arrays [n, 2]."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters [P]."""
        ...

    @property
    def context(self) -> tuple[str, str]:
        """Which of the problem's images hold the two conditions."""
        ...

    @property
    def bins(self) -> tuple[int, ...]:
        """Shape of an image's histogram."""
        ...

    @property
    def low(self) -> Floats:
        """Lower ends [P]."""
        ...

    @property
    def high(self) -> Floats:
        """Upper ends [P]."""
        ...

    def scale(self, conditions: Floats) -> Floats:
        """theta = scale x parameters, [n, P]."""
        ...

    def information(self, theta: Floats, conditions: Floats) -> Floats:
        """Information per site [n, P, P] on theta [n, P]."""
        ...

    def believed(self, conditions: Floats, histograms: Sequence[Floats]) -> Belief:
        """What is believed after images with these histograms, taken under conditions [n, 2]."""
        ...


@dataclass(frozen=True)
class Belief:
    """A normal belief about the parameters; `misfit` is chi^2 per degree of freedom of the images around it."""

    mean: Floats
    covariance: Floats
    misfit: float
    images: int

    def draws(self, prior: LatticePrior, count: int, seed: int) -> Floats:
        """Parameters [count, P], kept inside a range somewhat wider than the prior's."""
        margin = 0.25 * (prior.high - prior.low)
        drawn = np.random.default_rng([seed, self.images]).multivariate_normal(self.mean, self.covariance, count)
        return np.clip(drawn, prior.low - margin, prior.high + margin)


def expected_gain(
    prior: LatticePrior, belief: Belief, conditions: Floats, sites: float, *, draws: Floats | None = None, seed: int = 0
) -> Floats:
    """Expected information [nats] of an image of so many sites under each of the conditions [n, 2].

    The mean over the belief of half the log determinant of 1 + covariance x information; `draws` [D, P] say where.
    """
    drawn = belief.draws(prior, 24, seed) if draws is None else draws
    scale, size = prior.scale(conditions), len(prior.low)
    theta = (drawn[:, None] * scale).reshape(-1, size)
    own = sites * prior.information(theta, np.tile(conditions, (len(drawn), 1)))
    told = scale[:, :, None] * own.reshape(len(drawn), len(conditions), size, size) * scale[:, None, :]
    return np.asarray(0.5 * np.linalg.slogdet(np.eye(size) + belief.covariance @ told)[1].mean(0))

"""What several deep kernels, equally probable, say together of every candidate.

Mean and variance are those of the mixture: the variance is the members' mean variance and the variance of their means.
Each member keeps the posterior at all candidates up to date, as the plain Gaussian process does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.candidate_posterior import CandidatePosterior
from agents.bayesian.deep_kernel.networks import Prior, hyperparameters, latents

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]


class Ensemble:
    """Members given data; it answers what a CandidatePosterior is asked."""

    def __init__(
        self,
        prior: Prior,
        xi: Floats,
        positions: Floats,
        features: Floats,
        *,
        cache_bytes: int,
        seed: int,
        tested: NDArray[np.int64] | None,
    ) -> None:
        """Members at xi [E, size], over candidates at positions [N, p] with features [N, K]; the rest as there."""
        import torch

        part = prior.shape.split(prior.rows(torch.from_numpy(xi)))
        places, _ = latents(part, torch.from_numpy(features))
        self._given = [hyperparameters(part, member) for member in range(len(xi))]
        self._members = [
            CandidatePosterior(
                np.hstack([positions, z]),
                prior.shape.names,
                cache_bytes=cache_bytes // len(xi),
                seed=seed,
                tested=tested,
            )
            for z in places.numpy()
        ]

    def follow(self, taken: NDArray[np.int64], values: Floats, block: int) -> Ensemble:
        """Bring it to values [n] of candidates `taken` [n], the first `block` of them at once."""
        for member, given in zip(self._members, self._given, strict=True):
            member.follow(taken, values, block, given)
        return self

    @property
    def seen(self) -> NDArray[np.int64]:
        """The candidates that mean and variance are of: the same for every member."""
        return self._members[0].seen

    @property
    def location(self) -> float:
        """Of the values, with which they are standardised."""
        return self._members[0].location

    @property
    def scale(self) -> float:
        """Of the values, with which they are standardised."""
        return self._members[0].scale

    @property
    def noise(self) -> float:
        """Variance of a single measurement, in standardised values: the members' mean."""
        return float(np.mean([given.noise for given in self._given]))

    @property
    def share(self) -> float:
        """Share of the signal's variance that the networks explain, the position the rest: the members' mean."""
        return float(np.mean([given.outputscale[-1] / given.outputscale.sum() for given in self._given]))

    @property
    def kept_bytes(self) -> int:
        """Memory of what is kept of the data at the candidates."""
        return sum(member.kept_bytes for member in self._members)

    def mean(self) -> torch.Tensor:
        """Mean [seen], in standardised values."""
        return self._means().mean(0)

    def variance(self) -> torch.Tensor:
        """Variance [seen] without noise, in standardised values."""
        return self.ahead(np.zeros(0, np.int64))

    def ahead(self, pending: NDArray[np.int64]) -> torch.Tensor:
        """Variance [seen] once the candidates `pending` will have brought what each member expects of them."""
        import torch

        within = torch.stack([member.ahead(pending) for member in self._members]).mean(0)
        return within + self._means().var(0, correction=0)

    def gain(self, pending: NDArray[np.int64]) -> torch.Tensor:
        """By how much [seen] a measurement of each lowers the members' mean variance of the tested candidates."""
        import torch

        return torch.stack([member.gain(pending) for member in self._members]).mean(0)

    def tested_variance(self) -> float:
        """The members' mean variance of the tested candidates."""
        return float(np.mean([member.tested_variance() for member in self._members]))

    def everywhere(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance at all candidates [N], also those that are not seen."""
        return _mixed([member.everywhere() for member in self._members])

    def at(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance at candidates `rows` [m], seen or not."""
        return _mixed([member.at(rows) for member in self._members])

    def highest(self, rows: NDArray[np.int64]) -> float:
        """The highest mean among candidates `rows` [m], seen or not, m >= 1."""
        return float(self.at(rows)[0].max())

    def _means(self) -> torch.Tensor:
        import torch

        return torch.stack([member.mean() for member in self._members])


def _mixed(moments: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    means, variances = (torch.stack(of) for of in zip(*moments, strict=True))
    return means.mean(0), variances.mean(0) + means.var(0, correction=0)

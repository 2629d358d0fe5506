"""The exact posterior at every candidate, kept up to date: a new measurement costs one pass over them.

With R R^T the covariance of the n data, noise included, the rows of V = R^-1 k(data, candidates) [n, N] are kept.
Datum n + 1 adds one row, v = (k(x, candidates) - l V) / d with l = R^-1 k(data, x) and d^2 = k(x, x) + noise - l l;
the variance at the candidates loses v^2 and the mean gains v z, z being the new entry of R^-1 (y - mean). That is the
Cholesky factorisation by rows (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, A.4), so the
answers are those of an exact Gaussian process.

Values are standardised anew with each datum, which moves the whole residual. So two sums are kept, V^T R^-1 y and
V^T R^-1 1, of which every standardisation and mean is a combination.

Memory: 8 bytes for each datum and candidate, 4 where that would exceed `cache_bytes` (answers to 1e-3), and beyond it
half of the candidates, drawn once by a seed, then a quarter, and so on; the posterior at the others is had slowly.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.candidate_cache import CandidateCache, parts
from agents.bayesian.factor import Factor
from agents.bayesian.hyperparameters import Hyperparameters, prior_medians
from agents.bayesian.kernel import SignalKernel
from agents.bayesian.surrogate import location_and_scale

if TYPE_CHECKING:
    import torch

_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class NoiseFactors:
    """By what the noise's variance is multiplied, for each datum told [n] and at every candidate [N], or [1]."""

    told: NDArray[np.float64]
    ahead: NDArray[np.float64]


class CandidatePosterior:
    """Follows data that are candidates themselves.

    What it says depends on them and on `block`, not on the way there, to the last bit.
    """

    given: Hyperparameters
    location: float
    scale: float
    """Of the values, with which they are standardised."""
    seen: NDArray[np.int64]
    """The candidates that mean and variance are of, in increasing order: all, where memory allows."""

    def __init__(
        self,
        inputs: NDArray[np.float64],
        names: tuple[str, ...],
        *,
        cache_bytes: int = 2**29,
        seed: int = 0,
        tested: NDArray[np.int64] | None = None,
    ) -> None:
        """Of candidates at inputs [N, d] in the unit cube; `gain` is over those of `tested`, which are always seen."""
        self._inputs, self._names, self._cache_bytes = inputs, names, cache_bytes
        self._tested = np.zeros(0, np.int64) if tested is None else np.sort(tested)
        self._order = np.random.default_rng([seed, 0xCA9D]).permutation(len(inputs))
        self._begun: tuple[int, int, bool] | None = None
        self.given = prior_medians(names)
        self._taken, self._values, self._noise = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        self._ahead = np.ones(0)

    def follow(
        self,
        taken: NDArray[np.int64],
        values: NDArray[np.float64],
        block: int,
        given: Hyperparameters,
        noise: NoiseFactors | None = None,
    ) -> CandidatePosterior:
        """Bring it to values [n] of the candidates `taken` [n]; the first `block` >= 1 are conditioned on at once.

        The noise's variance is that of `given`, times the factors of `noise` where they are given.
        """
        factors = noise or NoiseFactors(np.ones(len(taken)), np.ones(1))
        block, begun = max(1, block), (block, *self._economy(len(taken)))
        if begun != self._begun or given is not self.given or not self._continues(taken, values, factors.told):
            self.given = given
            room = len(taken) + max(64, len(taken) // 2)
            self._begin(taken[:block], values[:block], factors.told[:block], begun[1], begun[2], room)
            self._begun = begun
        for at in range(self._cache.factor.count, len(taken)):
            self._cache.extend(int(taken[at]), float(values[at]), float(factors.told[at]))
        self._taken, self._values, self._noise = taken.copy(), values.copy(), factors.told.copy()
        self._ahead = np.broadcast_to(factors.ahead, len(self._inputs))
        self.location, self.scale = location_and_scale(values)
        return self

    @property
    def kept_bytes(self) -> int:
        """Memory of what is kept of the data at the candidates."""
        return self._cache.kept_bytes

    @property
    def tested(self) -> NDArray[np.int64]:
        """The candidates that `gain` is over, in increasing order."""
        return self._tested

    def mean(self) -> torch.Tensor:
        """Mean [seen], in standardised values."""
        return self._mean_of(self._cache.sums)

    def variance(self) -> torch.Tensor:
        """Variance [seen] without noise, in standardised values."""
        return self._cache.variance.clamp_min(_LEAST_VARIANCE)

    def ahead(self, pending: NDArray[np.int64]) -> torch.Tensor:
        """Variance [seen] once the candidates `pending` will have been measured, whatever comes of them."""
        with self._trying(pending):
            return self.variance()

    def gain(self, pending: NDArray[np.int64]) -> torch.Tensor:
        """By how much [seen] a measurement of each, after `pending`, lowers the mean variance of the tested."""
        with self._trying(pending):
            return self._cache.between.square().mean(dim=0) / (self.variance() + self.noise_ahead())

    def noise_ahead(self) -> torch.Tensor:
        """Variance [seen] of a coming measurement's noise, in standardised values."""
        import torch

        return self.given.noise * torch.from_numpy(self._ahead[self.seen])

    def between(self, rows: NDArray[np.int64], pending: NDArray[np.int64]) -> torch.Tensor:
        """Covariance [m, seen] of the signal at candidates `rows` [m] with that at the seen, after `pending`."""
        import torch

        some = torch.from_numpy(rows)
        with self._trying(pending):
            return self._cache.covariance(some)

    def joint(self, rows: NDArray[np.int64], pending: NDArray[np.int64]) -> torch.Tensor:
        """Covariance [m, m] of the signal at candidates `rows` [m], after `pending`."""
        import torch

        some = torch.from_numpy(rows)
        with self._trying(pending):
            solved = self._cache.solved_for(some)
            return self._cache.kernel.between(some, some) - solved.T @ solved

    def tested_between(self, pending: NDArray[np.int64]) -> torch.Tensor:
        """Covariance [t, seen] of the signal at the tested with that at the seen, after `pending`."""
        with self._trying(pending):
            return self._cache.between.clone()

    def tested_variance(self) -> float:
        """Mean variance of the tested candidates."""
        return float(self.variance()[self._cache.tested_at].mean())

    def everywhere(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance at all candidates [N], also those that are not seen."""
        import torch

        if len(self.seen) == len(self._inputs):
            return self.mean(), self.variance()
        found = [self.at(part) for part in parts(np.arange(len(self._inputs)))]
        return torch.cat([mean for mean, _ in found]), torch.cat([variance for _, variance in found])

    def at(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance at candidates `rows` [m], seen or not."""
        import torch

        solved = self._cache.solved_for(torch.from_numpy(rows))
        variance = self._cache.kernel.variance - solved.square().sum(dim=0)
        return self._mean_of(self._cache.factor.solved @ solved), variance.clamp_min(_LEAST_VARIANCE)

    def highest(self, rows: NDArray[np.int64]) -> float:
        """The highest mean among candidates `rows` [m], seen or not, m >= 1."""
        rows = np.unique(rows)
        known = np.isin(rows, self.seen)
        means = [self.mean()[np.searchsorted(self.seen, rows[known])]] if known.any() else []
        means += [self.at(part)[0] for part in parts(rows[~known])]
        return max(float(mean.max()) for mean in means)

    def _mean_of(self, sums: torch.Tensor) -> torch.Tensor:
        shift = (self.location - self._cache.factor.zero) / self.scale + self.given.mean
        return self.given.mean + sums[0] / self.scale - shift * sums[1]

    def _continues(self, taken: NDArray[np.int64], values: NDArray[np.float64], noise: NDArray[np.float64]) -> bool:
        now = ((taken, self._taken), (values, self._values), (noise, self._noise))
        return all(np.array_equal(new[: len(old)], old) for new, old in now)

    def _economy(self, count: int) -> tuple[int, bool]:
        """How often the candidates are halved for `count` data, and whether single precision must do."""
        numbers = count * len(self._inputs)
        if numbers * 8 <= self._cache_bytes:
            return 0, False
        return max(0, math.ceil(math.log2(numbers * 4 / self._cache_bytes))), True

    def _begin(
        self,
        taken: NDArray[np.int64],
        values: NDArray[np.float64],
        factors: NDArray[np.float64],
        level: int,
        single: bool,
        room: int,
    ) -> None:

        kernel = SignalKernel(self._inputs, self._names, self.given)
        factor = Factor(kernel, self.given.noise, taken, values, room, factors)
        some = self._order[: max(1, len(self._inputs) >> level)]
        self.seen = np.union1d(some, self._tested)
        self._cache = CandidateCache(kernel, factor, self.seen, self._tested, single=single, room=room)

    def _trying(self, pending: NDArray[np.int64]) -> AbstractContextManager[None]:
        return self._cache.trying(pending, self._ahead[pending])

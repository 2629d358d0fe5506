"""What a Gaussian process with a law for its mean predicts, and how much say the law has: the guard on the prior.

A hypothesis predicts with draws of all that it does not know, each an exact Gaussian process. The law and the plain
Gaussian process share the belief by their evidence: the probability of the values, each predicted from those before it,
so that a law that predicts worse than no law loses its say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.bayesian.physics_mean_hypothesis import Floats, Hypothesis, Rows
from agents.bayesian.physics_mean_sampling import Draws, after, before_any_value
from agents.protocol import AgentError

_FAR, _HALVINGS = 8.0, 40
"""Standard deviations within which quantiles are sought, and how often that range is halved."""
_DRAWS, _OPERATIONS, _FEWEST, _MOST = 256, 1e9, 8, 64


@dataclass(frozen=True)
class Rival:
    """A hypothesis with its share of the belief."""

    hypothesis: Hypothesis
    draws: Draws
    share: float


class Belief:
    """Hypotheses that share the belief, led from value to value; `before` are their probabilities before any."""

    def __init__(self, hypotheses: Sequence[Hypothesis], before: Sequence[float], seed: int) -> None:
        self._hypotheses, self._before, self._seed, self.known = tuple(hypotheses), tuple(before), seed, 0
        self._draws = [before_any_value(h, _DRAWS, self._generator(i)) for i, h in enumerate(self._hypotheses)]

    def learn(self, rows: Rows, values: Floats, ends: float = math.inf) -> None:
        """Follow to all of the values [n] at candidates `rows` [n], which begin with those known already.

        Raises LateError past the time `ends` (monotonic), and learns nothing then.
        """
        draws = [
            after(known, hypothesis, rows, values, self.known, self._generator(i, len(values)), ends)
            for i, (hypothesis, known) in enumerate(zip(self._hypotheses, self._draws, strict=True))
        ]
        self._draws, self.known = draws, len(values)

    def rivals(self) -> list[Rival]:
        """Every hypothesis with its share. Raises AgentError where none of them gives the values any probability."""
        logs = np.log(self._before) + np.array([draws.log_evidence for draws in self._draws])
        if not np.isfinite(logs).any() or np.isnan(logs).any():
            raise AgentError("neither a law nor a plain Gaussian process can be fitted to these values: check them")
        weights = np.exp(logs - logs.max())
        shares = weights / weights.sum()
        return [Rival(*each) for each in zip(self._hypotheses, self._draws, shares.tolist(), strict=True)]

    def _generator(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, 0x1A, *numbers])


def draws_for(values: int, candidates: int) -> int:
    """How many draws predict: as many as a second or so allows."""
    return int(np.clip(_OPERATIONS / max(1.0, float(values) ** 2 * candidates), _FEWEST, _MOST))


class Members:
    """Draws of one hypothesis that predict, from values [n] at candidates `rows` [n]; weights sum to its `share`."""

    def __init__(self, hypothesis: Hypothesis, u: Floats, share: float, rows: Rows, values: Floats) -> None:
        self._hypothesis, self._u, self.share = hypothesis, u, share
        self.weights = np.full(len(u), share / len(u))
        self._lengthscales, self._signal, self.noise = hypothesis.process(u)
        """Of noise: variance of a single measurement [K]."""
        self._condition(rows, values)

    @property
    def has_law(self) -> bool:
        """Whether it is that of a law."""
        return self._hypothesis.mean is not None

    def _condition(self, rows: Rows, values: Floats) -> None:
        self._rows, self._values = rows, values
        self._root = self._hypothesis.root(self._u, rows)
        self._solved = _solve(self._root, self._hypothesis.left(self._u, rows, values)[:, :, None])[:, :, 0]

    def ahead(self, rows: Rows, values: Floats) -> None:
        """Take candidates `rows` [m] to have brought `values` [m]: draws that expected other ones count for less."""
        for row, value in zip(rows, values, strict=True):
            mean, variance = self.at(np.array([row]))
            spread = variance[:, 0] + self.noise
            log = -0.5 * (np.square(value - mean[:, 0]) / spread + np.log(spread))
            weights = self.weights * np.exp(log - log.max())
            self.weights = weights * (self.share / weights.sum())
            self._condition(np.append(self._rows, row), np.append(self._values, value))

    def law_at(self, rows: Rows) -> Floats:
        """What the law says by itself [m], the mean of the draws."""
        return np.asarray(self.weights @ self._hypothesis.said(self._u, rows) / self.share)

    def at(self, rows: Rows) -> tuple[Floats, Floats]:
        """Mean and variance, without noise, at candidates `rows` by each draw, [K, m]."""
        solved = self.solved(rows)
        mean = self._hypothesis.said(self._u, rows) + np.einsum("kn,knm->km", self._solved, solved)
        variance = self._hypothesis.variance(self._signal)[:, None] - np.square(solved).sum(1)
        return mean, np.maximum(variance, 1e-12 * (self._signal + self.noise)[:, None])

    def solved(self, rows: Rows) -> Floats:
        """R^-1 k [K, n, m]."""
        return _solve(self._root, self._hypothesis.covariance(self._lengthscales, self._signal, self._rows, rows))

    def between(self, rows: Rows, columns: Rows) -> Floats:
        """Posterior covariance by each draw, [K, r, c]."""
        prior = self._hypothesis.covariance(self._lengthscales, self._signal, rows, columns)
        return np.asarray(prior - np.swapaxes(self.solved(rows), 1, 2) @ self.solved(columns))


def _solve(root: Floats, right: Floats) -> Floats:
    import torch

    return np.asarray(torch.linalg.solve_triangular(torch.from_numpy(root), torch.from_numpy(right), upper=False))


class Mixture:
    """The average over all draws of all hypotheses: differences between them count as variance."""

    def __init__(self, members: Sequence[Members]) -> None:
        self.members = tuple(members)

    @property
    def has_law(self) -> bool:
        """Whether a law has a say."""
        return any(member.has_law for member in self.members)

    @property
    def noise(self) -> float:
        """Variance of a single measurement."""
        return float(sum(m.weights @ m.noise for m in self.members))

    def law_at(self, rows: Rows) -> Floats:
        """What the law says by itself [m], the mean of the draws that hold one."""
        own = [member for member in self.members if member.has_law]
        return np.asarray(sum(m.share * m.law_at(rows) for m in own) / sum(m.share for m in own))

    def at(self, rows: Rows) -> tuple[Floats, Floats]:
        """Mean and variance [m] without noise."""
        mean, variance, weights = self.parts(rows)
        middle = weights @ mean
        return middle, np.asarray(weights @ (variance + np.square(mean - middle)))

    def parts(self, rows: Rows) -> tuple[Floats, Floats, Floats]:
        """Mean and variance of each draw [K, m], with its weight [K]."""
        found = [member.at(rows) for member in self.members]
        weights = np.concatenate([member.weights for member in self.members])
        return np.vstack([mean for mean, _ in found]), np.vstack([variance for _, variance in found]), weights

    def quantiles(self, rows: Rows, levels: Floats) -> Floats:
        """Of a new measurement at each of `rows`, noise included, [levels, m]."""
        from scipy.special import ndtr

        mean, variance, weights = self.parts(rows)
        spread = np.sqrt(variance + np.concatenate([member.noise for member in self.members])[:, None])
        low, high = (
            np.stack([end] * len(levels)) for end in ((mean - _FAR * spread).min(0), (mean + _FAR * spread).max(0))
        )
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            below = np.einsum("k,lkm->lm", weights, ndtr((middle[:, None] - mean) / spread))
            under = below < levels[:, None]
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return np.asarray(0.5 * (low + high))

    def gain(self, tested: Rows, rows: Rows) -> Floats:
        """By how much a measurement of each of `rows` [m] lowers the mean variance of the `tested`."""
        mean, variance, weights = self.parts(rows)
        at_tested = self.parts(tested)[0]
        within = sum(np.einsum("k,ktm->tm", member.weights, member.between(tested, rows)) for member in self.members)
        away, also = mean - weights @ mean, at_tested - weights @ at_tested
        covariance = within + (weights[:, None] * also).T @ away
        total = weights @ (variance + np.square(away)) + self.noise
        return np.asarray(np.square(covariance).mean(0) / total)

    def ahead(self, rows: Rows) -> Mixture:
        """Itself, once the candidates `rows` will have brought what is expected of them."""
        if len(rows):
            expected = self.at(rows)[0]
            for member in self.members:
                member.ahead(rows, expected)
        return self

"""Bayesian optimisation over words of bits with the lattice's own features: places and pairs of places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from agents.options import Box
from agents.protocol import AgentError, Decision, Observation, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds

Floats = NDArray[np.float64]


class PairRegression(Remembering):
    """Linear in spins and their products with a normal prior on the weights; Thompson sampling, then a local search.

    A draw of the weights is climbed by single flips from the best words measured and from `starts` random ones.
    """

    def __init__(
        self,
        seeds: Annotated[int, Bounds("values", 1, 10_000)] = 12,
        starts: Annotated[int, Bounds("", 1, 1000)] = 12,
        noise: Annotated[float, Bounds("", 0.0, open_low=True)] = 0.1,
    ) -> None:
        self._seeds, self._starts, self._noise = seeds, starts, noise

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        if not isinstance(self.options, Box):
            raise AgentError("pair_regression searches a box of bits: this problem lists candidates")

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        assert isinstance(self.options, Box)
        rng, axes = self.generator(pending), self.options.axes
        if self.usable.sum() < self._seeds:
            return self.options.decide(rng.integers(0, 2, axes).astype(float), "drawn at random, before the model")
        spins = self._spins()
        weights = self._draw(spins, self.values[self.usable], rng)
        leading = spins[np.argsort(-self.values[self.usable])[:3]]
        starts = np.concatenate([leading, rng.choice([-1.0, 1.0], (self._starts, axes))])
        known = {row.tobytes() for row in spins}
        climbed = [climb(start, weights) for start in starts]
        fresh = [word for word in climbed if word.tobytes() not in known]
        best = max(fresh or [self._changed(leading[0], rng)], key=lambda word: float(features(word[None])[0] @ weights))
        return self.options.decide((best + 1) / 2, f"top of a draw of the model, {len(fresh)} of {len(climbed)} new")

    def _draw(self, spins: Floats, values: Floats, rng: np.random.Generator) -> Floats:
        """Weights from the posterior, by a problem as small as the data (Bhattacharya et al., Biometrika 103, 985)."""
        x, scale = features(spins), max(float(values.std()), 1e-6)
        y = (values - values.mean()) / scale
        prior = np.full(x.shape[1], (x.shape[1]) ** -0.5)
        u = rng.normal(size=x.shape[1]) * prior
        v = x @ u + self._noise * rng.normal(size=len(x))
        gram = (x * prior**2) @ x.T + self._noise**2 * np.eye(len(x))
        return np.asarray(u + prior**2 * (x.T @ np.linalg.solve(gram, y - v)))

    def _spins(self) -> Floats:
        low, high = np.ravel(self.problem.low), np.ravel(self.problem.high)
        return np.where(self.actions[self.usable] > (low + high) / 2, 1.0, -1.0)

    def _changed(self, word: Floats, rng: np.random.Generator) -> Floats:
        changed = word.copy()
        flips = rng.choice(len(word), size=2, replace=False)
        changed[flips] = -changed[flips]
        return changed


def features(spins: Floats) -> Floats:
    """Spins and products of pairs, [m, n + n (n - 1) / 2]."""
    i, j = np.triu_indices(spins.shape[1], 1)
    return np.concatenate([spins, spins[:, i] * spins[:, j]], axis=1)


def climb(start: Floats, weights: Floats) -> Floats:
    """The word [n] where no single flip raises the draw any more."""
    n = len(start)
    pair = np.zeros((n, n))
    pair[np.triu_indices(n, 1)] = weights[n:]
    pair += pair.T
    word = start.copy()
    while True:
        gain = -2 * word * (weights[:n] + pair @ word)
        best = int(gain.argmax())
        if gain[best] <= 1e-12:
            return word
        word[best] = -word[best]

"""What is believed of rival hypotheses as values come in: draws of each, led from value to value, and its share.

Draws of the prior are tempered to the first values and then follow each value more; the product of their mean weights
is the evidence, unbiased also where the posterior has several modes, as that of a jump has (P. Del Moral, A. Doucet
and A. Jasra, J. R. Stat. Soc. B 68, 411, 2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from agents.bayesian.structured import Floats, Hypothesis, Rows, shares
from agents.bayesian.surrogate import location_and_scale
from agents.bayesian.tempering import Draws, led
from agents.protocol import AgentError
from physics_priors.laws.law import Law

MOST = 200
"""Values that hypotheses are compared with."""
_NUMBERS, _FEWEST, _OUTGROWN = 100_000, 128, 3.0
_OPERATIONS, _SHOWN = 1e9, (8, 64)


@dataclass(frozen=True)
class Candidates:
    """Where the candidates lie: in the unit cube [N, d], and in the units of the laws [N, d]."""

    unit: Floats
    x: Floats


class Members:
    """Equally likely draws of each hypothesis, from which it predicts."""

    def __init__(
        self, hypotheses: Sequence[Hypothesis], draws: Sequence[Floats], share: Floats, rows: Rows, values: Floats
    ) -> None:
        """draws [K, size] of each hypothesis, its `share` [H] of the belief, values [n] at candidates `rows` [n]."""
        self.hypotheses, self.draws, self.share = tuple(hypotheses), tuple(draws), share
        self.rows, self._values = rows, values

    def parts(self, at: Rows, say: Floats, ahead: Rows) -> tuple[Floats, Floats, Floats]:
        """Mean and variance [C, m] without noise by each draw at candidates `at` [m], and the draws' weights [C].

        Hypotheses have `say` [H]; candidates `ahead` [p] are taken to bring what is expected of them.
        """
        kept = [i for i in range(len(say)) if say[i] >= 1e-3]
        found = [self.hypotheses[i].moments(self.draws[i], self.rows, self._values, at, ahead) for i in kept]
        weight = np.concatenate([np.full(len(self.draws[i]), say[i] / len(self.draws[i])) for i in kept])
        return np.vstack([mean for mean, _ in found]), np.vstack([v for _, v in found]), weight / weight.sum()


class CompetingBelief:
    """Follows values one by one; a function of them, their order and the seed, whatever was followed before."""

    def __init__(self, rivals: Sequence[Law | None], candidates: Candidates, draws: int, first: int, seed: int) -> None:
        """Begins with `first` values at once and `draws` draws of each of the `rivals` (None: no law at all)."""
        self._rivals, self._candidates = tuple(rivals), candidates
        self._count, self._first, self._seed = draws, first, seed
        self._rows, self._values = np.zeros(0, np.int64), np.zeros(0)
        self._draws: list[Draws] = []
        self.hypotheses: tuple[Hypothesis, ...] = ()

    def follow(self, rows: Rows, values: Floats, ends: float = math.inf) -> None:
        """Bring it to values [n] at candidates `rows` [n], n no less than `first`.

        Raises LateError past the time `ends` (monotonic): it then stands where it had come to. Raises AgentError for
        more values than hypotheses are compared with, and where no hypothesis gives them any probability.
        """
        if len(values) > MOST:
            raise AgentError(
                f"laws are compared with up to {MOST} values, got {len(values)}: use agent=gaussian_process"
            )
        begins = self._beginnings(values)
        done = len(self._values)
        told = np.array_equal(rows[:done], self._rows) and np.array_equal(values[:done], self._values)
        if not told or done < begins:
            self._begin(values[:begins])
            self._learn(rows[:begins], values[:begins], ends)
        for known in range(len(self._values), len(values)):
            self._learn(rows[: known + 1], values[: known + 1], ends)
        if not np.isfinite(self.log_evidence).any():
            raise AgentError("no hypothesis gives these values any probability: add `none`, or check laws and units")

    @property
    def log_evidence(self) -> Floats:
        """Log probability [H] of the values under each hypothesis, in units of their spread."""
        return np.array([draws.log_evidence for draws in self._draws])

    @property
    def share(self) -> Floats:
        """Probability [H] of each hypothesis, all of them equally likely beforehand."""
        return shares(self.log_evidence)

    def even(self, hypothesis: int, count: int) -> Floats:
        """`count` equally likely draws [count, size] of a hypothesis."""
        return self._draws[hypothesis].even(count, self._generator(hypothesis, len(self._values), 1)).z

    def members(self, candidates: int) -> Members:
        """What predicts at so many candidates: as many draws as a second or so allows."""
        room = _OPERATIONS / (len(self._draws) * len(self._values) ** 2 * candidates)
        count = int(np.clip(room, *_SHOWN))
        draws = [self.even(i, count) for i in range(len(self._draws))]
        return Members(self.hypotheses, draws, self.share, self._rows, self._values)

    def _beginnings(self, values: Floats) -> int:
        """After how many values it last began: anew wherever they have outgrown, or shrunk to little of, their unit."""
        begun, unit = self._first, location_and_scale(values[: self._first])[1]
        for count in range(self._first + 1, len(values) + 1):
            scale = location_and_scale(values[:count])[1]
            if not unit / _OUTGROWN <= scale <= unit * _OUTGROWN:
                begun, unit = count, scale
        return begun

    def _begin(self, values: Floats) -> None:
        location, scale = location_and_scale(values)
        at = self._candidates
        self.hypotheses = tuple(Hypothesis(law, at.unit, at.x, location, scale) for law in self._rivals)
        self._draws = [Draws.of_prior(self._count, h.size, self._generator(i)) for i, h in enumerate(self.hypotheses)]
        self._rows, self._values = np.zeros(0, np.int64), np.zeros(0)

    def _learn(self, rows: Rows, values: Floats, ends: float) -> None:
        known, count = len(self._values), self._draws_for(len(values))
        learned = []
        for i, (draws, hypothesis) in enumerate(zip(self._draws, self.hypotheses, strict=True)):
            rng = self._generator(i, len(values))
            if not math.isfinite(draws.log_evidence):
                learned.append(draws)
                continue
            if 2 * count <= len(draws.z):
                draws = draws.even(count, rng)
            learned.append(led(draws, partial(_fit, hypothesis, rows, values, known), rng, ends))
        self._draws, self._rows, self._values = learned, rows.copy(), values.copy()

    def _draws_for(self, values: int) -> int:
        """Fewer draws for many values: time and memory for each grow with their square."""
        return min(self._count, max(_FEWEST, _NUMBERS // values**2))

    def _generator(self, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, 0xC0, *numbers])


def _fit(hypothesis: Hypothesis, rows: Rows, values: Floats, known: int, z: Floats) -> tuple[Floats, Floats]:
    found = hypothesis.log_densities(z, rows, values)
    return found[:, :known].sum(-1), found[:, known:].sum(-1)

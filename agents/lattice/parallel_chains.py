"""Parallel chains over words of bits: each is a Metropolis walk whose measurements are its energies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from agents.options import Box
from agents.protocol import AgentError, Decision, Observation, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds


class ParallelChains(Remembering):
    """`chains` walks in turn; a walk flips a bit or two of where it stands and stays there by Metropolis' rule.

    The temperature falls from `hot` to a tenth of it over `cooling` measurements, in units of the value.
    """

    def __init__(
        self,
        chains: Annotated[int, Bounds("chains", 1, 1000)] = 6,
        hot: Annotated[float, Bounds("", 0.0, open_low=True)] = 1.0,
        cooling: Annotated[int, Bounds("measurements", 1, 1_000_000)] = 150,
    ) -> None:
        self.chains, self._hot, self._cooling = chains, hot, cooling

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        if not isinstance(self.options, Box):
            raise AgentError("parallel_chains walks in a box of bits: this problem lists candidates")

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        assert isinstance(self.options, Box)
        number = self.told + len(pending)
        chain, rng = number % self.chains, self.generator(pending)
        here = self._place(chain)
        if here is None:
            return self.options.decide(rng.integers(0, 2, self.options.axes).astype(float), f"chain {chain} begins")
        flips = rng.choice(self.options.axes, size=1 + int(rng.random() < 0.3), replace=False)
        tried = here.copy()
        tried[flips] = 1 - tried[flips]
        return self.options.decide(tried, f"chain {chain} flips {len(flips)}")

    def _place(self, chain: int) -> NDArray[np.float64] | None:
        """Where a chain stands after all that was told: its accepted steps, replayed."""
        here: NDArray[np.float64] | None = None
        now = -np.inf
        for step in range(chain, self.told, self.chains):
            value = self.values[step]
            if not self.usable[step]:
                continue
            chance = np.random.default_rng([self.seed, step, 1]).random()
            if value >= now or chance < np.exp((value - now) / self._temperature(step)):
                here, now = self._bits(step), value
        return here

    def _temperature(self, step: int) -> float:
        return float(self._hot * 0.1 ** min(step / self._cooling, 1.0))

    def _bits(self, step: int) -> NDArray[np.float64]:
        low, high = np.ravel(self.problem.low), np.ravel(self.problem.high)
        return np.asarray(self.actions[step] > (low + high) / 2, np.float64)

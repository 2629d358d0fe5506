"""The oracle of moving silicon, and greedy policies that are told a part of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_plan import best
from agents.planning.hops import situation
from agents.planning.learning_hops import DWELLS
from agents.protocol import Decision, Observation, Problem
from agents.remembering import Remembering
from benchmarks.hop_scenarios import Sample
from instruments.twins.stem.world import AIM_X, AIM_Y, ANISO_X, ANISO_Y, FACTOR
from physics_priors.beam.hop import BOND_NM
from physics_priors.hops.laws import FluxHops, GaussianHops

Floats = NDArray[np.float64]
_DWELLS_S: Floats = 0.15 * 100.0 ** (0.5 * (DWELLS + 1.0))
_PROBE_NM = 0.0474
"""Standard deviation of the probe, FWHM 0.1115 nm: what stands in for the law's width where rates go with the flux."""


class HopOracle(Remembering):
    """Knows the law, its rate, the beam's offset and the lean: the best aim, dwell and neighbour at every step.

    With `greedy` it is told the rate only: it aims as the published law says, at the neighbour nearest to the target,
    and has the best dwell for it.
    """

    def __init__(self, sample: Sample, greedy: bool = False) -> None:
        self.sample, self.greedy = sample, greedy

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        self.theta = truth_of(self.sample)
        if self.greedy:
            self.theta[:, 3:] = 0.0

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        now = situation(observation)
        plan = best(now, self.theta, _DWELLS_S, 2.0 * self.sample.core.latency_s, True)
        beam = plan.beam_nm
        if self.greedy:
            beam = 0.85 * now.neighbours_nm[now.wanted]
        return Decision(now.action(beam, float(DWELLS[plan.dwell])), "told the truth")


def truth_of(sample: Sample) -> Floats:
    """The parameters [1, 7] of a sample, ordered as `hop_prior.NAMES`; without the sites' own rates."""
    hidden: Any = sample.instrument._world.hidden[0]
    law = sample.core.law
    if isinstance(law, GaussianHops):
        rate, aim, _, width = law.parts[0]
    else:
        assert isinstance(law, FluxHops)
        rate, aim, width = float(law.rates_per_s([0.0, 0.0], [[0.0, 0.0]])[0]), 1.0, _PROBE_NM / BOND_NM
    found = [rate * hidden[FACTOR], aim, width, hidden[AIM_X], hidden[AIM_Y], hidden[ANISO_X], hidden[ANISO_Y]]
    return np.array([found], dtype=np.float64)

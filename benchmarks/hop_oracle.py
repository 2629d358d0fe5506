"""The oracle of moving silicon, and greedy policies that are told a part of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_belief import PROBE_BONDS
from agents.planning.hop_lattice import bonds
from agents.planning.hop_plan import Clock, best, decide
from agents.planning.hop_routes import Surroundings
from agents.planning.hops import Situation, situation
from agents.planning.learning_hops import DWELLS
from agents.protocol import Decision, Observation, Problem
from agents.remembering import Remembering
from benchmarks.hop_scenarios import Sample
from instruments.twins.stem.world import AIM_X, AIM_Y, ANISO_X, ANISO_Y, EJECT, FACTOR, FOLD, JUMP, UNFOLD
from physics_priors.beam.flux import Probe
from physics_priors.hops.laws import FluxHops, GaussianHops

Floats = NDArray[np.float64]
_DWELLS_S: Floats = 0.15 * 100.0 ** (0.5 * (DWELLS + 1.0))


class HopOracle(Remembering):
    """Knows the law, its rate, the beam's offset and the lean, how often silicon becomes fourfold and threefold again,
    whether it is now, and where vacancies are: the best aim, dwell and neighbour at every step.

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
        clock = Clock(_DWELLS_S, 2.0 * self.sample.core.latency_s, True, *self._damage())
        if self.greedy:
            alone = Situation(now.wanted_nm[None], now.target_nm, now.reach_nm)
            dwell = best(alone, np.ones(1), np.zeros(1), self.theta, clock).dwell
            return Decision(now.action(0.85 * now.wanted_nm, float(DWELLS[dwell])), "told the rate")
        core, world = self.sample.core, self.sample.instrument._world
        silicon = int(np.flatnonzero(world.species[0] == 14)[0])
        place = core.positions_nm(world, 0)
        state = int(world.bonding[0, silicon])
        self.theta[:, 9] = float(state == 1)
        ways = bonds(place[core.sites.neighbours[silicon]] - place[silicon])
        vacant = place[world.species[0] == 0] - place[silicon]
        plan = decide(now, Surroundings(ways, vacant, state < 2), self.theta, clock)
        return Decision(now.action(plan.beam_nm, float(DWELLS[plan.dwell])), "told the truth")

    def _damage(self) -> tuple[float, float]:
        """How often the beam throws out a carbon that it stands on [1/s], and what it takes to fill a vacancy [s]."""
        if self.greedy:
            return 0.0, 60.0
        hidden: Any = self.sample.instrument._world.hidden[0]
        flux = flux_1_nm2_s(self.sample)
        return flux * float(hidden[EJECT]), min(1.0 / max(flux * float(hidden[JUMP]), 1e-6), 1e3)


def truth_of(sample: Sample) -> Floats:
    """The parameters [1, 10] of a sample, ordered as `hop_prior.NAMES`; without the sites' own rates. Threefold."""
    hidden: Any = sample.instrument._world.hidden[0]
    law = sample.core.law
    if isinstance(law, GaussianHops):
        rate, aim, _, width = law.parts[0]
    else:
        assert isinstance(law, FluxHops)
        rate, aim, width = float(law.rates_per_s([0.0, 0.0], [[0.0, 0.0]])[0]), 1.0, PROBE_BONDS
    found = [rate * hidden[FACTOR], aim, width, hidden[AIM_X], hidden[AIM_Y], hidden[ANISO_X], hidden[ANISO_Y]]
    flux = flux_1_nm2_s(sample)
    return np.array([[*found, flux * hidden[FOLD], flux * hidden[UNFOLD], 0.0]], dtype=np.float64)


def flux_1_nm2_s(sample: Sample) -> float:
    """Electrons per nm^2 and second on an atom under the beam."""
    core = sample.core
    return float(Probe(core.current_pA, 0.1115, core.tail_fraction, core.tail_fwhm_nm).flux_e_nm2_s(0.0))

"""Scenarios of the planning figures: what their files say is what is drawn."""

import numpy as np
import pytest

from agents.planning.hop_belief import factors, hits
from agents.planning.learning_hops import LearningHops
from benchmarks.episodes import begun
from benchmarks.hop_oracle import HopOracle, truth_of
from benchmarks.hop_scenarios import GOALS, hops_of, samples, tour
from benchmarks.planning_writing import picture
from environments.environment import Environment
from environments.patterns import drawn
from environments.tasks.move_dopant import MoveDopant
from experiments.config.sources import conf_dir
from instruments.twins.stem.event_readable import events
from instruments.twins.stem.microscope import StemMicroscope
from instruments.twins.stem.world import FOLDED, HOPPED
from physics_priors.beam.hop import BOND_NM, HopLaw
from physics_priors.hops.laws import FluxHops

NAMES = sorted(path.stem for path in (conf_dir() / "planning").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_file_makes_a_twin_in_its_scenario(name: str) -> None:
    hops = hops_of(name)
    core = StemMicroscope(law=hops.law(np.array([0.3, 0.7])), **hops.twin)
    assert core.latency_s == hops.twin["latency_s"]


def test_shifted_laws_reach_from_a_tenth_to_ten_times_and_from_near_to_far() -> None:
    shifted = hops_of("shifted")
    for uniforms, factor, aim in (((0.0, 0.0), 0.1, 0.4), ((1.0, 1.0), 10.0, 1.1)):
        rate = shifted.law(np.array(uniforms)).rates_per_s([aim * BOND_NM, 0.0], [[BOND_NM, 0.0]])[0]
        assert rate == pytest.approx(factor * HopLaw().largest_rate_s)


def test_misspecified_has_another_law_than_the_planner() -> None:
    assert isinstance(hops_of("misspecified").law(np.array([0.5, 0.5])), FluxHops)


def test_pictures_are_patterns_that_differ_and_leave_the_border_free() -> None:
    first, second = (drawn(picture(seed)) for seed in (1, 2))
    assert (first[1:-1, 1:-1] > 0).mean() == pytest.approx(0.4, abs=0.01)
    assert (first[[0, -1]] < 0).all()
    assert (first != second).any()


def test_what_the_oracle_is_told_are_the_rates_of_the_twin() -> None:
    sample = samples(hops_of("shifted"), 1, 95_000)[0]
    env = Environment(sample.instrument, MoveDopant(), scenario={"name": sample.scenario})
    begun(HopOracle(sample), env, sample.seed)
    core, world, theta = sample.core, sample.instrument._world, truth_of(sample)
    silicon = int(np.flatnonzero(world.species[0] == 14)[0])
    near = core.sites.neighbours[silicon]
    ways = core.positions_nm(world, 0)[near] - core.positions_nm(world, 0)[silicon]
    beam = 0.9 * ways[0]
    shape = theta[:, 1:9].copy()
    shape[:, 2:4] = 0.0  # the twin is asked for a beam that is where it is said to be
    told = theta[0, 0] * factors(shape, beam[None], ways[None])[0, 0]
    struck = hits(shape, beam[None], ways[None]).sum()
    place = core.positions_nm(world, 0)[silicon] + beam
    found = events(core, world, 0, world.species[0], world.bonding[0], place)
    hops = [event.rate for to in near for event in found if event.kind == HOPPED and event.to == to]
    np.testing.assert_allclose(hops, told, rtol=0.01)  # bonds of the sheet are 0.01 % longer
    folds = sum(event.rate for event in found if event.kind == FOLDED and event.site == silicon)
    assert folds == pytest.approx(theta[0, 7] * struck, rel=0.15)  # the twin's probe is no Gaussian


def test_the_oracle_and_the_planner_reach_their_goals_where_the_lattice_suffers() -> None:
    sample = samples(hops_of("matched_damaged"), 1, 95_001)[0]
    for make in (HopOracle, lambda sample: LearningHops(particles=90)):
        assert tour(make, sample).reached == GOALS

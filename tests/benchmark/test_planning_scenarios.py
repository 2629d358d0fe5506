"""Scenarios of the planning figures: what their files say is what is drawn."""

import numpy as np
import pytest

from benchmarks.hop_scenarios import hops_of
from benchmarks.planning_writing import picture
from environments.patterns import drawn
from experiments.config.sources import conf_dir
from instruments.twins.stem.microscope import StemMicroscope
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

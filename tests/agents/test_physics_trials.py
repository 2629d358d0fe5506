"""The worlds that a physics prior is tried in."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.physics_recordings import LAW, PLACES, THICKNESS_M, conduction, recording
from benchmarks.physics_worlds import SCENARIOS, switching
from benchmarks.physics_worth import ratio


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_recorded_world_brings_what_was_recorded(data_folder, monkeypatch, scenario):
    monkeypatch.setenv("PROBEWRIGHT_DATA", str(data_folder))
    world = conduction(scenario, np.random.default_rng(3))
    normal = np.random.default_rng(0).normal(size=(2, len(world.x)))
    np.testing.assert_array_equal(world.measured(normal), np.stack([world.recorded] * 2))
    assert len(np.unique(world.x[:, 0])) == PLACES
    left = world.recorded - world.truth
    assert 0.005 < left.std() < 0.1 * np.ptp(world.truth)
    assert (world.law == LAW) == (scenario != "shifted")


def test_the_law_of_the_recorded_world_is_known_without_it(data_folder, monkeypatch):
    """Slope and intercept of all curves lie within two standard deviations of what is believed beforehand."""
    monkeypatch.setenv("PROBEWRIGHT_DATA", str(data_folder))
    voltage, values = recording()
    slope, intercept = np.polyfit(np.sqrt(voltage), values.reshape(-1, 53).T, 1)
    for found, (middle, spread) in ((slope, LAW.slope), (intercept, LAW.intercept)):
        assert abs(np.median(found) - middle) < 2 * spread
    charge, permittivity, thermal_eV = 1.602e-19, 8.854e-12, 0.02585
    lowered_eV = np.sqrt(charge / (4 * np.pi * permittivity * 2.5**2 * THICKNESS_M))
    assert lowered_eV / thermal_eV == pytest.approx(LAW.slope[0], rel=0.02)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_something_switches_in_every_world_of_pulses(scenario):
    for seed in range(3):
        world = switching(scenario, np.random.default_rng(seed))
        assert np.ptp(world.truth) >= 0.5
        assert np.all((world.truth >= -1e-9) & (world.truth <= 1 + 1e-9))


def test_a_ratio_of_regrets_has_bounds_around_it():
    rng = np.random.default_rng(0)
    plain = rng.gamma(4.0, 1.0, 400)
    found = ratio(0.5 * plain * rng.gamma(25.0, 0.04, 400), plain)
    assert found["ratio_low"] < found["ratio"] < found["ratio_high"]
    assert found["ratio"] == pytest.approx(0.5, abs=0.05)
    assert found["ratio_high"] - found["ratio_low"] < 0.1


def test_repeats_tell_the_noise_to_a_quarter(data_folder, monkeypatch):
    monkeypatch.setenv("PROBEWRIGHT_DATA", str(data_folder))
    made, recorded = (
        switching("matched", np.random.default_rng(0)),
        conduction("misspecified", np.random.default_rng(3)),
    )
    told = [made.repeated(np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean(told) == pytest.approx(made.noise, rel=0.05)
    assert np.std(told) / made.noise == pytest.approx(0.24, abs=0.03)
    assert min(recorded.repeated(np.random.default_rng(seed)) for seed in range(100)) > 0.0

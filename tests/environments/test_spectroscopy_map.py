"""The spectroscopy map: what it asks for, how it values, rewards, ends, and what it refuses."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from environments.environment import Environment
from environments.outliers import Outliers
from environments.places import Places
from environments.scalarisers import LoopArea, ValueAt
from environments.survey import Survey
from environments.sweeps import BiasSweep, Spectrum
from environments.tasks.spectroscopy_map import SpectroscopyMap
from instruments.capabilities import Sites
from instruments.embedded import Embedded
from instruments.errors import DataInvalid, InvalidRequest, NotSupported, OutOfReach
from instruments.twins.flat import Flat


def make(core, **options) -> Environment:
    environment = Environment(Embedded(core), SpectroscopyMap(**{"scalariser": LoopArea(), "shape": (4, 4)} | options))
    environment.reset(seed=0)
    return environment


def test_an_action_means_the_nearest_candidate(small_film) -> None:
    environment = make(small_film())
    brief = environment.brief()
    for i in (0, 5, 15):
        (exact,) = environment.requests(brief.candidates[i])
        (near,) = environment.requests(np.clip(brief.candidates[i] + 0.2, -1, 1))
        assert exact == near
        assert exact.position_nm == pytest.approx(tuple(brief.positions_nm[i]))


def test_the_brief_speaks_of_the_field(small_film) -> None:
    brief = make(small_film(), shape=(2, 4), survey_image=Survey((10, 20))).brief()
    assert brief.positions_nm.tolist() == [[x, y] for y in (-25.0, 25.0) for x in (12.5, 37.5, 62.5, 87.5)]
    assert brief.pixels.tolist() == [[r, c] for r in (2, 7) for c in (2, 7, 12, 17)]
    assert brief.extent_nm == (0.0, 100.0, -50.0, 50.0)
    assert (brief.objective, brief.value_name, brief.value_unit) == ("maximise", "loop area", "V pm")
    assert brief.images["height"].shape == (10, 20)


def test_recorded_sites_are_the_candidates_and_the_recorded_sweep_is_taken(small_film) -> None:
    sites = np.array([[0.0, -50.0], [30.0, 0.0], [100.0, 50.0]])
    fixed = {"low_V": -4.0, "high_V": 4.0, "points": 24.0, "dwell_s": 0.5, "cycles": 2.0}
    known = replace(small_film().describe(), sites=Sites((1, 3), sites), settings={"BiasSpectroscopy": fixed})

    class Recorded(small_film):
        def describe(self):
            return known

    environment = make(Recorded())
    assert np.array_equal(environment.brief().positions_nm, sites)
    (request,) = environment.requests(np.array([0.7, 0.6]))
    assert request.position_nm == (100.0, 50.0)
    assert (request.low_V, request.high_V, request.points, request.dwell_s, request.cycles) == (-4.0, 4.0, 24, 0.5, 2)
    with pytest.raises(NotSupported, match=r"task\.sweep\.low_V to null"):
        make(Recorded(), sweep=BiasSweep(low_V=-5.0))
    assert make(Recorded(), sweep=BiasSweep(low_V=-4.0)).requests(np.zeros(2))


def test_places_are_the_nearest_for_grids_and_sites_alike(small_film) -> None:
    grid = Places.of(small_film().describe(), (5, 7))
    sites = replace(grid, regular=False)
    actions = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    assert np.array_equal(grid.nearest(actions), sites.nearest(actions))
    assert np.array_equal(grid.nearest(grid.actions), np.arange(35))
    assert np.allclose(sites.actions, grid.actions)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"sweep": Spectrum()}, NotSupported, "no PointSpectrum"),
        ({"sweep": BiasSweep(low_V=-11.0)}, OutOfReach, "low_V"),
        ({"sweep": BiasSweep(low_V=3.0, high_V=2.0)}, InvalidRequest, "not below"),
        ({"sweep": BiasSweep(dwell_s=-1.0)}, InvalidRequest, "dwell_s"),
        ({"channel": "current"}, NotSupported, "response"),
        ({"survey_image": Survey(channel="phase")}, NotSupported, "height"),
        ({"objective": "minimise"}, ValueError, "maximise or map"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_is_measured(small_film, options, error, said) -> None:
    with pytest.raises(error, match=said):
        make(small_film(), **options)


def test_another_unit_than_announced_is_an_error(small_film) -> None:
    with pytest.raises(DataInvalid, match="announced"):
        make(small_film(unit="nm")).step(np.zeros(2))
    with pytest.raises(DataInvalid, match="axis_unit"):
        make(small_film(), sweep=BiasSweep(axis_unit="mV")).step(np.zeros(2))


def test_the_reward_adds_up_to_the_gain_of_the_best(small_film) -> None:
    environment = make(small_film(noise=0.0))
    rewards, values = [], []
    for x in (-0.9, -0.4, 0.4, 0.9, -0.9):
        _, reward, _, _, info = environment.step(np.array([x, 0.0]))
        rewards.append(reward)
        values.append(info["value"])
    assert values == sorted(values[:4]) + values[:1]
    assert rewards[0] == 0.0
    assert all(r > 0 for r in rewards[1:4])
    assert rewards[4] == 0.0
    spread = np.abs(np.array(values[:2]) - np.mean(values[:2])).mean() * 1.4826
    assert rewards[1] == pytest.approx((values[1] - values[0]) / spread)


def test_the_map_reward_falls_as_places_are_covered(small_film) -> None:
    environment = make(small_film(), objective="map", shape=(3, 3))
    rewards = [environment.step(np.array(a))[1] for a in ([0.0, 0.0], [0.9, 0.9], [0.9, 0.9])]
    assert rewards[0] > rewards[1] > 0
    assert rewards[2] == 0.0
    distances = np.hypot(*np.meshgrid([-1, 0, 1], [-1, 0, 1])).ravel() * (100 / 3) / np.hypot(100, 100)
    assert rewards[0] == pytest.approx(1 - distances.mean())


def test_it_ends_when_every_candidate_was_asked(small_film) -> None:
    environment = make(small_film(), shape=(2, 2))
    ends = [environment.step(np.array(a))[2] for a in ([-1, -1], [-1, -1], [1, -1], [1, 1], [-1, 1])]
    assert ends == [False, False, False, False, True]


def test_a_candidate_measured_again_gets_the_mean_of_fresh_noise(small_film) -> None:
    environment = make(small_film(noise=0.3), scalariser=ValueAt(5.0))
    values = [environment.step(np.array([0.9, 0.9]))[4]["value"] for _ in range(4)]
    assert len(set(values)) == 4
    observation, *_ = environment.step(np.array([-0.9, -0.9]))
    values.append(environment._seen[-1][2])
    means = np.array([np.mean(values[:4]), values[4]])
    middle, spread = means.mean(), 1.4826 * np.abs(means - means.mean()).mean()
    shown = observation["value_map"].reshape(4, 4)
    assert shown[3, 3] == pytest.approx((means[0] - middle) / spread, rel=1e-5)
    assert shown[0, 0] == pytest.approx((means[1] - middle) / spread, rel=1e-5)


def test_an_outlier_that_stood_alone_is_unmasked_later_and_its_gain_taken_back(small_film) -> None:
    def garbage_at_the_right(loops):
        wild = 1e3 * np.random.default_rng(0).uniform(-1, 1, loops.shape)
        return np.where(loops[:, 16:17] > 1.8, wild, loops)

    environment = make(small_film(fault=garbage_at_the_right))
    said = []
    for i, x in enumerate((-0.9, 0.9, -0.4, 0.2, -0.9, -0.4)):
        (request,) = environment.requests(np.array([x, 0.0]))
        measured = environment.instrument.acquire(request, id=f"by hand {i}", stop=threading.Event())
        said.append(environment.update(np.array([x, 0.0]), [measured]))
    assert said[1].accepted.tolist() == [True, True]
    assert said[1].reward > 0
    assert said[-1].accepted.tolist() == [True, False, True, True, True, True]
    assert min(step.reward for step in said) < 0
    trusting = make(small_film(fault=garbage_at_the_right), outliers=None)
    assert all(trusting.step(np.array([x, 0.0]))[4]["accepted"] for x in (-0.9, 0.9, -0.4, 0.2, -0.9))


def test_nothing_is_scaled_with_what_was_not_measured(small_film) -> None:
    """Two worlds that agree where it was measured give the same observations, whatever lies elsewhere."""

    def rich(loops):
        return np.where(loops[:, 16:17] > 1.7, 1e4 * loops, loops)

    plain, other = make(small_film()), make(small_film(fault=rich))
    for x in (-0.9, -0.3, -0.9, 0.3):
        a, b = (e.step(np.array([x, 0.5])) for e in (plain, other))
        assert all(np.array_equal(a[0][k], b[0][k]) for k in a[0])
        assert a[1] == b[1]
    assert not np.array_equal(plain.step(np.array([0.9, 0]))[0]["last"], other.step(np.array([0.9, 0]))[0]["last"]) or (
        plain._seen[-1][2] != other._seen[-1][2]
    )


def test_the_observation_stays_in_its_space_whatever_happens(small_film) -> None:
    environment = make(small_film(noise=5.0), shape=(2, 3), outliers=Outliers(spikes=2.0, share=0.05))
    space = environment.observation_space
    for _ in range(60):
        observation, reward, terminated, _, _ = environment.step(environment.action_space.sample())
        assert space.contains(observation)
        assert np.isfinite(reward)
        if terminated:
            environment.reset()


def test_point_spectra_are_a_task_too() -> None:
    task = SpectroscopyMap(ValueAt(3.0), sweep=Spectrum(exposure_s=0.2), shape=(5, 5))
    environment = Environment(Embedded(Flat()), task)
    environment.reset(seed=0)
    assert environment.requests(np.zeros(2))[0].exposure_s == 0.2
    best = max(environment.step(a)[4]["value"] for a in environment.brief().candidates)
    assert 0.9 < best <= 1.0
    assert environment.brief().value_unit == "counts"

"""Bad actions measure nothing; partial and spoilt measurements are never used silently."""

import threading

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from environments.actions import checked, checked_rows
from environments.environment import Environment
from environments.scalarisers import LoopArea, ValueAt
from environments.tasks.spectroscopy_map import SpectroscopyMap
from instruments.embedded import Embedded

BOX = Box(-1.0, 1.0, (2,), np.float32)
odd = st.sampled_from([np.nan, np.inf, -np.inf, 1.01, -7.0, 1e300])


class Counting(Embedded):
    """An instrument that counts what it was asked to measure."""

    acquired = 0

    def acquire(self, request, *, id, stop):
        self.acquired += 1
        return super().acquire(request, id=id, stop=stop)


@given(good=st.floats(-1, 1), bad=odd, first=st.booleans())
def test_numbers_outside_the_space_are_refused(good, bad, first) -> None:
    with pytest.raises(ValueError, match=r"NaN or infinity|outside"):
        checked(BOX, [bad, good] if first else [good, bad])


@given(arrays(np.float64, array_shapes(min_dims=0, max_dims=3, max_side=4), elements=st.floats(-1, 1)))
def test_other_shapes_are_refused(action) -> None:
    if action.shape == (2,):
        assert np.array_equal(checked(BOX, action), action)
    else:
        with pytest.raises(ValueError, match="shape"):
            checked(BOX, action)


@pytest.mark.parametrize("action", [None, "left", [0.0, "x"], [[0.0], [0.0, 1.0]], {}, [None, 0.0]])
def test_what_is_no_array_of_numbers_is_refused(action) -> None:
    with pytest.raises(ValueError, match="action"):
        checked(BOX, action)


def test_whole_numbers_are_checked_too() -> None:
    assert checked(Discrete(3), 2) == 2
    assert checked(MultiDiscrete([2, 3]), [1, 2]).tolist() == [1, 2]
    for space, action in ((Discrete(3), 3), (Discrete(3), 0.5), (Discrete(3), np.nan), (MultiDiscrete([2, 3]), [2, 0])):
        with pytest.raises(ValueError, match="not in"):
            checked(space, action)


def test_rows_that_take_no_action_may_hold_anything() -> None:
    rows = np.array([[0.5, 0.5], [np.nan, 9.0]])
    assert checked_rows(BOX, rows, np.array([True, False]))[0].tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="NaN"):
        checked_rows(BOX, rows, np.array([False, True]))
    with pytest.raises(ValueError, match="shape"):
        checked_rows(BOX, rows[:1], np.array([True, True]))


@pytest.mark.parametrize("action", [[np.nan, 0.0], [0.0, np.inf], [0.0], [0.0, 0.0, 0.0], [2.0, 0.0], None])
def test_nothing_is_measured_for_a_bad_action_and_the_episode_goes_on(small_film, action) -> None:
    instrument = Counting(small_film())
    environment = Environment(instrument, SpectroscopyMap(LoopArea(), shape=(4, 4)))
    environment.reset(seed=0)
    before = instrument.acquired
    with pytest.raises(ValueError, match="action"):
        environment.step(action)
    assert instrument.acquired == before
    assert environment.step(np.zeros(2))[0]["progress"] == pytest.approx(1 / 16)


@settings(max_examples=30)
@given(gaps=st.lists(st.integers(0, 63), min_size=1, max_size=64))
def test_a_curve_with_gaps_gives_no_loop_area(small_film, gaps) -> None:
    def spoil(loops):
        loops = loops.copy()
        loops[:, gaps] = np.nan
        return loops

    environment = Environment(Embedded(small_film(fault=spoil)), SpectroscopyMap(LoopArea(), shape=(2, 2)))
    environment.reset(seed=0)
    observation, reward, _, _, info = environment.step(np.zeros(2))
    assert "value" not in info
    assert not info["accepted"]
    assert reward == 0.0
    assert environment.observation_space.contains(observation)
    assert not observation["value_map"].any()


@pytest.mark.parametrize("spoilt", [np.inf, -np.inf, 1e308])
def test_infinite_and_absurd_samples_do_no_harm(small_film, spoilt) -> None:
    def spoil(loops):
        loops = loops.copy()
        loops[:, 5] = spoilt
        return loops

    environment = Environment(Embedded(small_film(fault=spoil)), SpectroscopyMap(LoopArea(), shape=(2, 2)))
    environment.reset(seed=0)
    observation, _, _, _, info = environment.step(np.zeros(2))
    assert not info["accepted"]
    assert environment.observation_space.contains(observation)


@pytest.mark.parametrize(("place", "usable"), [(7.1, True), (1.0, False), (-4.0, False)])
def test_a_partial_measurement_counts_only_where_what_is_needed_was_reached(small_film, place, usable) -> None:
    class HalfWay(threading.Event):
        asked = 0

        def is_set(self):
            self.asked += 1
            return self.asked > 15

    twin = Embedded(small_film())
    task = SpectroscopyMap(ValueAt(place), shape=(2, 2))
    environment = Environment(twin, task)
    environment.open(0)
    environment.surveyed([None])
    (request,) = environment.requests(np.zeros(2))
    partial = twin.acquire(request, id="a", stop=HalfWay())
    assert not partial.complete
    assert 0 < np.isfinite(partial.channels["response"].values).sum() < 64
    step = environment.update(np.zeros(2), [partial])
    assert np.isfinite(step.value) == usable
    assert step.accepted.tolist() == [usable]
    area = Environment(twin, SpectroscopyMap(LoopArea(), shape=(2, 2)))
    area.open(0)
    area.surveyed([None])
    assert np.isnan(area.update(np.zeros(2), [partial]).value)

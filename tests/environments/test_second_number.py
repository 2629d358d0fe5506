"""A task may read a second number of each curve; the first alone makes reward, observation and what stands."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from environments.environment import Environment
from environments.scalarisers import CoerciveVoltage, LoopArea, ValueAt
from environments.tasks.spectroscopy_map import SpectroscopyMap
from environments.vector import VectorEnvironment
from instruments.embedded import Embedded


def task(**options: Any) -> SpectroscopyMap:
    return SpectroscopyMap(scalariser=LoopArea(), shape=(4, 4), **options)


def steps_of(environment: Environment, actions: list[int]) -> list[Any]:
    """Steps taken by asking and telling; the measurements are the instrument's own."""
    survey = environment.open(3)
    environment.surveyed([environment.instrument.acquire(r, id="s", stop=threading.Event()) for r in survey])
    found = []
    for number, row in enumerate(actions):
        candidates = environment.brief().candidates
        assert candidates is not None
        action = candidates[row]
        came = [
            environment.instrument.acquire(request, id=f"{number}", stop=threading.Event())
            for request in environment.requests(action)
        ]
        found.append((environment.update(action, came), came))
    return found


def test_each_step_brings_both_numbers_of_the_same_curve(small_film: Any) -> None:
    environment = Environment(Embedded(small_film()), task(also=CoerciveVoltage()))
    environment.reset(seed=0)
    for step, (curve,) in steps_of(environment, [0, 5, 15]):
        (channel,) = curve.channels.values()
        axis, values = channel.axes[0].values, np.asarray(channel.values, dtype=np.float64)[None]
        assert step.value == pytest.approx(LoopArea()(values, axis)[0])
        assert step.also == pytest.approx(CoerciveVoltage()(values, axis)[0])
    brief = environment.brief()
    assert (brief.also_name, brief.also_unit) == ("coercive voltage", "V")


def test_the_first_number_is_what_it_would_be_alone(small_film: Any) -> None:
    both, alone = (Environment(Embedded(small_film()), made) for made in (task(also=CoerciveVoltage()), task()))
    for environment in (both, alone):
        environment.reset(seed=0)
    for (one, _), (other, _) in zip(steps_of(both, [1, 2, 3]), steps_of(alone, [1, 2, 3]), strict=True):
        assert one.value == other.value
        assert one.reward == other.reward
        assert all(np.array_equal(one.observation[name], other.observation[name]) for name in one.observation)
        assert np.isnan(other.also)
    assert alone.brief().also_name == ""


def test_a_curve_without_the_second_number_keeps_the_first(small_film: Any) -> None:
    made = task(also=CoerciveVoltage(), outliers=None)
    environment = Environment(Embedded(small_film(fault=np.ones_like)), made)
    environment.reset(seed=0)
    for step, _ in steps_of(environment, [0, 1]):
        assert np.isfinite(step.value)
        assert np.isnan(step.also)


def test_many_rows_at_once_take_it_along(small_film: Any) -> None:
    made = VectorEnvironment(small_film(), task(also=ValueAt(0.0)), 3)
    made.reset(seed=0)
    actions = np.zeros((3, 2), np.float32)
    one = VectorEnvironment(small_film(), task(), 3)
    one.reset(seed=0)
    assert np.array_equal(made.step(actions)[1], one.step(actions)[1])

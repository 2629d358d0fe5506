"""The trivial task on the trivial twin."""

import numpy as np
import pytest

from environments.environment import Environment
from environments.tasks.find_peak import FindPeak
from instruments.embedded import Embedded
from instruments.errors import NotSupported
from instruments.twins.flat import Flat


def test_the_value_is_the_twins_and_the_reward_its_gain() -> None:
    twin = Embedded(Flat())
    environment = Environment(twin, FindPeak(tries=3))
    environment.reset(seed=1)
    optimum = np.asarray(twin.truth()["optimum_nm"]) / 500.0
    steps = [environment.step(a) for a in (np.array([-1.0, -1.0]), optimum, np.array([1.0, 1.0]))]
    values = [step[4]["value"] for step in steps]
    assert values[1] == pytest.approx(1.0)
    assert [step[1] for step in steps] == pytest.approx([0.0, 1.0 - values[0], 0.0])
    assert [step[2] for step in steps] == [False, False, True]
    assert steps[2][0]["last_and_best"] == pytest.approx([values[2], 1.0])


def test_any_action_is_taken_as_it_is_and_candidates_are_a_grid() -> None:
    environment = Environment(Embedded(Flat()), FindPeak(shape=(3, 3)))
    environment.reset(seed=0)
    assert environment.requests(np.array([0.123, -0.456]))[0].position_nm == pytest.approx((61.5, -228.0))
    assert environment.brief().candidates.shape == (9, 2)
    assert environment.brief().value_unit == "counts"


def test_a_failed_try_counts_and_has_no_value() -> None:
    environment = Environment(Embedded(Flat()), FindPeak(tries=2))
    environment.open(0)
    step = environment.update(np.zeros(2), [None])
    assert np.isnan(step.value)
    assert step.accepted.tolist() == [False]
    assert environment.update(np.zeros(2), [None]).terminated


def test_an_instrument_without_spectra_is_refused(small_film) -> None:
    with pytest.raises(NotSupported, match="PointSpectrum"):
        Environment(Embedded(small_film()), FindPeak())

"""The environment: its halves, ends, refusals and pictures."""

import gymnasium
import numpy as np
import pytest

from environments.environment import Environment
from environments.scalarisers import LoopArea
from environments.tasks.find_peak import FindPeak
from environments.tasks.spectroscopy_map import SpectroscopyMap
from instruments.embedded import Embedded
from instruments.errors import (
    CalibrationUnknown,
    HardwareFault,
    InvalidRequest,
    NotSupported,
    OutOfReach,
    Refused,
)
from instruments.guard import Limits, Zone
from instruments.requests import BiasSpectroscopy
from instruments.twins.flat import Flat


class Broken:
    """An instrument whose acquisitions fail from a given one on; the rest is a twin's."""

    def __init__(self, core, error: Exception, after: int = 1) -> None:
        self._inner, self._error, self._left = Embedded(core), error, after

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def acquire(self, request, *, id, stop):
        self._left -= 1
        if self._left < 0:
            raise self._error
        return self._inner.acquire(request, id=id, stop=stop)


def make(core, **options) -> Environment:
    return Environment(Embedded(core), SpectroscopyMap(LoopArea(), shape=(4, 4)), **options)


def equal(a, b) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_same_seed_same_episode_and_another_seed_another(small_film) -> None:
    runs = []
    for seed in (3, 3, 4):
        environment = make(small_film())
        first, _ = environment.reset(seed=seed)
        runs.append((first, environment.step(np.array([0.4, -0.2]))))
    assert equal(runs[0][0], runs[1][0])
    assert equal(runs[0][1][0], runs[1][1][0])
    assert runs[0][1][1:] == runs[1][1][1:]
    assert runs[0][1][4]["value"] != runs[2][1][4]["value"]


def test_the_halves_replayed_with_measurements_give_the_episode_again(small_film) -> None:
    environment, twin, stop = make(small_film()), Embedded(small_film()), __import__("threading").Event()
    twin.reset(5, {})
    log, n = [], 0

    def acquire(requests):
        nonlocal n
        done = []
        for request in requests:
            done.append(twin.acquire(request, id=str(n), stop=stop))
            n += 1
        return done

    survey = acquire(environment.open(5))
    first = environment.surveyed(survey)
    for action in np.linspace(-0.9, 0.9, 6):
        a = np.array([action, -action])
        measured = acquire(environment.requests(a))
        log.append((a, measured, environment.update(a, measured)))
    again = make(small_film())
    again.open(5)
    assert equal(again.surveyed(survey), first)
    for a, measured, step in log:
        repeated = again.update(a, measured)
        assert equal(repeated.observation, step.observation)
        assert (repeated.value, repeated.reward) == (step.value, step.reward)
        assert np.array_equal(repeated.accepted, step.accepted)
    gym = make(small_film())
    assert equal(gym.reset(seed=5)[0], first)
    assert equal(gym.step(log[0][0])[0], log[0][2].observation)


def test_open_does_not_touch_the_instrument(small_film) -> None:
    environment = Environment(Broken(small_film(), AssertionError("touched"), 0), SpectroscopyMap(LoopArea()))
    assert [r.kind for r in environment.open(0)] == ["ScanImage"]
    environment.surveyed([None])
    (request,) = environment.requests(np.zeros(2))
    assert isinstance(request, BiasSpectroscopy)


def test_a_failed_survey_leaves_no_image_and_the_task_goes_on(small_film) -> None:
    environment = make(small_film())
    environment.open(0)
    assert not environment.surveyed([None])["image"].any()
    assert environment.brief().images == {}


def test_the_wrong_number_of_measurements_is_said(small_film) -> None:
    environment = make(small_film())
    environment.open(0)
    with pytest.raises(ValueError, match="2 measurements for 1 requests"):
        environment.surveyed([None, None])


@pytest.mark.parametrize("error", [HardwareFault("stage stuck"), OutOfReach("moved away")])
def test_a_failed_acquisition_is_a_step_without_a_value(small_film, error) -> None:
    environment = Environment(Broken(small_film(), error), SpectroscopyMap(LoopArea(), shape=(4, 4)))
    environment.reset(seed=0)
    observation, reward, terminated, truncated, info = environment.step(np.zeros(2))
    assert info == {"seconds": 0.0, "electrons": 0.0, "refused": False, "failed": True, "accepted": False}
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert observation["measured"].sum() == 1
    assert not observation["value_map"].any()


def test_errors_that_no_campaign_survives_come_through(small_film) -> None:
    environment = Environment(Broken(small_film(), NotSupported("no such thing")), SpectroscopyMap(LoopArea()))
    environment.reset(seed=0)
    with pytest.raises(NotSupported):
        environment.step(np.zeros(2))


def test_a_refused_request_is_not_sent(small_film) -> None:
    guard = Limits(exclude=(Zone((12.5, -37.5), 5.0),))
    task = SpectroscopyMap(LoopArea(), shape=(4, 4))
    environment = Environment(Embedded(small_film(images=False)), task, guard=guard)
    environment.reset(seed=0)
    _, _, _, _, refused = environment.step(np.array([-0.9, -0.9]))
    _, _, _, _, allowed = environment.step(np.array([0.9, 0.9]))
    assert refused["refused"]
    assert "value" not in refused
    assert refused["seconds"] == 0.0
    assert not allowed["refused"]
    assert allowed["accepted"]


def test_the_account_is_kept_over_an_episode_and_fresh_in_the_next(small_film) -> None:
    environment = make(small_film(), guard=Limits(seconds=5.0))
    for _ in range(2):
        environment.reset(seed=0)
        said = [environment.step(np.array([x, 0.0]))[4]["refused"] for x in (-0.5, 0.0, 0.5)]
        assert said == [False, True, True]


def test_a_refused_survey_says_so(small_film) -> None:
    with pytest.raises(Refused, match="survey"):
        make(small_film(), guard=Limits(seconds=1.0)).reset(seed=0)


def test_dose_limits_want_a_known_current() -> None:
    from dataclasses import replace

    from instruments.capabilities import Calibration

    class Unknown(Flat):
        def describe(self):
            return replace(super().describe(), calibration=Calibration())

    with pytest.raises(CalibrationUnknown, match="current"):
        Environment(Embedded(Unknown()), FindPeak(), guard=Limits(electrons=1e9))


def test_max_steps_truncates_and_the_task_terminates(small_film) -> None:
    short = make(small_film(), max_steps=2)
    short.reset(seed=0)
    ends = [short.step(np.array([x, 0.0]))[2:4] for x in (-0.5, 0.5)]
    assert ends == [(False, False), (False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        short.step(np.zeros(2))
    whole = Environment(Embedded(small_film()), SpectroscopyMap(LoopArea(), shape=(1, 2)), max_steps=2)
    whole.reset(seed=0)
    ends = [whole.step(np.array([x, 0.0]))[2:4] for x in (-0.5, 0.5)]
    assert ends == [(False, False), (True, False)]
    assert all(type(flag) is bool for pair in ends for flag in pair)


def test_an_instrument_without_episodes_is_reset_once_and_has_no_scenario(small_film) -> None:
    class Real(Broken):
        def describe(self):
            from dataclasses import replace

            return replace(self._inner.describe(), episodes=False)

    task = SpectroscopyMap(LoopArea(), shape=(4, 4))
    environment = Environment(Real(small_film(), AssertionError(), 100), task)
    environment.reset(seed=0)
    with pytest.raises(NotSupported, match="new campaign"):
        environment.reset(seed=1)
    with pytest.raises(NotSupported, match="no twin"):
        Environment(Real(small_film(), AssertionError(), 100), task, scenario={"name": "shifted"}).reset(seed=0)


def test_the_picture_shows_points_where_they_were_measured(small_film) -> None:
    environment = make(small_film(), render_mode="rgb_array")
    environment.reset(seed=0)
    empty = environment.render()
    environment.step(np.array([0.5, 0.5]))
    filled = environment.render()
    assert empty.shape == filled.shape
    assert empty.dtype == np.uint8
    assert not np.array_equal(empty, filled)
    assert make(small_film()).render() is None
    with pytest.raises(ValueError, match="rgb_array"):
        make(small_film(), render_mode="human")


def test_close_closes_the_instrument(small_film) -> None:
    from instruments.errors import Closed

    environment = make(small_film())
    environment.close()
    with pytest.raises(Closed):
        environment.reset(seed=0)


def test_an_environment_without_limits_gives_bit_for_bit_what_a_guarded_one_gives(small_film) -> None:
    """Where nothing is limited a twin is asked the short way; limits that are never reached change nothing."""
    episodes = []
    for guard in (None, Limits(seconds=1e9, electrons=1e9)):
        environment = make(small_film(noise=0.2), guard=guard)
        first, _ = environment.reset(seed=5)
        steps = [environment.step(np.array([x, -x])) for x in (-0.9, 0.9, 0.2, -0.9)]
        episodes.append([(first, 0.0, False, False, {}), *steps])
    for short, guarded in zip(*episodes, strict=True):
        assert equal(short[0], guarded[0])
        assert short[1:] == guarded[1:]


def test_the_first_requests_of_an_episode_are_validated_though_nothing_is_limited() -> None:
    environment = Environment(Embedded(Flat()), FindPeak(exposure_s=0.1))
    environment.reset(seed=0)
    object.__setattr__(environment.task, "exposure_s", -1.0)
    with pytest.raises(InvalidRequest, match="exposure_s"):
        environment.step(np.array([0.1, 0.1]))

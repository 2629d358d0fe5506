"""The task of tuning a scan: what presses too hard or blurs is worth less."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from environments.environment import Environment
from environments.tasks.tune_scan import Range, TuneScan
from environments.vector import VectorEnvironment
from instruments.embedded import Embedded
from instruments.errors import NotSupported, OutOfReach
from instruments.twins.flat import Flat
from instruments.twins.spm.scanning_probe import ScanningProbe

CORE = ScanningProbe(grid=48, field_nm=600.0, roughness_nm=8.0)


def environment(**arguments: Any) -> Environment:
    return Environment(Embedded(CORE), TuneScan(**arguments))


def played(env: Environment, setpoint: float, proportional: float, integral: float, rate: float) -> dict[str, float]:
    """What settings in [-1, 1] bring."""
    seen, _, _, _, info = env.step(np.array([setpoint, proportional, integral, rate]))
    found = {"value": info["value"], "correlation": float(seen["correlation"][0]), "force": float(seen["force"][0])}
    return found | {"seconds": info["seconds"]}


def test_a_faster_scan_of_the_same_loop_agrees_less_and_presses_harder() -> None:
    env = environment()
    env.reset(seed=1)
    slow, fast = (played(env, -0.5, 0.0, 0.5, rate) for rate in (0.9, -0.6))
    assert slow["correlation"] > 0.97 > fast["correlation"]
    assert slow["force"] < fast["force"]
    assert slow["seconds"] > 10 * fast["seconds"]


def test_pressing_harder_than_allowed_costs_in_proportion() -> None:
    values = []
    for allowed_nN in (1000.0, 20.0):
        env = environment(allowed_nN=allowed_nN)
        env.reset(seed=1)
        found = played(env, 0.0, 0.0, 0.5, 0.3)
        values.append(found["value"])
    excess = found["force"] - 1.0
    assert 0.0 < excess < 1.0
    assert values[0] - values[1] == pytest.approx(5.0 * excess, rel=1e-5)


def test_gains_that_make_the_loop_oscillate_are_worth_less_than_none() -> None:
    env = environment()
    env.reset(seed=1)
    assert played(env, 0.0, 1.0, 1.0, 0.5)["value"] < -5.0 < played(env, -0.5, 0.0, 0.5, 0.5)["value"]


def test_the_value_is_the_bits_beyond_the_least_correlation_per_second() -> None:
    env = environment(allowed_nN=1e6)
    env.reset(seed=2)
    found = played(env, -0.5, 0.0, 0.5, 0.9)
    bits = -0.5 * np.log2((1.0 - found["correlation"]) / 0.1)
    assert found["value"] == pytest.approx(bits * 24 * 64 / found["seconds"] / 1e3, rel=2e-3)


def test_a_tip_that_flies_over_the_valleys_earns_little() -> None:
    values = {}
    for setpoint in (-1.0, 0.6):
        env = environment(allowed_nN=1e6)
        env.reset(seed=1)
        values[setpoint] = played(env, setpoint, -0.5, -0.2, -0.2)
    pressed, flying = values[0.6], values[-1.0]
    assert flying["force"] < pressed["force"]
    assert flying["value"] < 0.5 * max(pressed["value"], 0.0)


def test_the_reward_adds_up_to_the_best_value() -> None:
    env = environment(tries=5)
    env.reset(seed=3)
    values, rewards, ended = [], [], []
    for action in np.random.default_rng(1).uniform(-1, 1, (5, 4)):
        _, reward, end, _, info = env.step(action)
        values, rewards, ended = [*values, info["value"]], [*rewards, reward], [*ended, end]
    assert rewards[0] == 0.0
    assert sum(rewards) == pytest.approx(max(values) - values[0])
    assert ended == [False] * 4 + [True]


def test_the_vector_form_equals_single_ones_bit_for_bit() -> None:
    many, ones = VectorEnvironment(CORE, TuneScan(), 3), [environment() for _ in range(3)]
    many.reset(seed=5)
    for i, one in enumerate(ones):
        one.reset(seed=5 + i)
    for action in np.random.default_rng(0).uniform(-1, 0.5, (3, 3, 4)):
        seen, rewards, *_ = many.step(action)
        for i, one in enumerate(ones):
            own, reward, *_ = one.step(action[i])
            assert reward == rewards[i]
            for name, array in own.items():
                np.testing.assert_array_equal(array, seen[name][i], err_msg=name)


def test_gymnasium_finds_it_and_its_checker_has_nothing_to_say() -> None:
    check_env(gymnasium.make("environments:TuneScan-v0", disable_env_checker=True).unwrapped, skip_render_check=True)


def test_what_an_instrument_cannot_do_is_said_before_the_start() -> None:
    with pytest.raises(NotSupported, match="SetFeedback"):
        Environment(Embedded(Flat()), TuneScan())
    with pytest.raises(OutOfReach, match="setpoint_nN"):
        environment(setpoint_nN=Range(1.0, 1e5))
    with pytest.raises(OutOfReach, match="frame"):
        environment(size_nm=5000.0)
    with pytest.raises(ValueError, match="low"):
        Range(2.0, 1.0)

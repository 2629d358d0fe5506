"""The task of writing domains, and the agents that write."""

import copy
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from agents.baselines.random_search import RandomSearch
from agents.protocol import Agent, AgentError, Problem, Transition
from agents.writing.adaptive_writing import AdaptiveWriting
from agents.writing.raster_writing import RasterWriting
from agents.writing.strokes import runs
from environments.environment import Environment
from environments.patterns import drawn, on_pixels
from environments.tasks.write_domains import Prices, WriteDomains
from environments.vector import VectorEnvironment
from experiments.campaign.problem import problem_of
from instruments.embedded import Embedded
from instruments.errors import NotSupported, OutOfReach
from instruments.twins.flat import Flat
from instruments.twins.spm.scanning_probe import ScanningProbe

BAR = ("......", ".####.", ".####.", "......")
CORE = ScanningProbe(grid=48, field_nm=480.0)
FREE = Prices(0.0, 0.0, 0.0)


def task(**arguments: Any) -> WriteDomains:
    given: dict[str, Any] = {"pattern": BAR, "size_nm": 360.0, "shape": (20, 20), "goal": 1.0}
    return WriteDomains(**(given | arguments))


def environment(**arguments: Any) -> Environment:
    return Environment(Embedded(CORE), task(**arguments))


def play(agent: Agent, steps: int, seed: int, **arguments: Any) -> tuple[list[float], list[Transition]]:
    env = environment(**arguments)
    observation, _ = env.reset(seed=seed)
    agent.begin(problem_of(env.brief(), env.action_space), seed)
    told: list[Transition] = []
    for step in range(steps):
        decision = agent.act(observation)
        observation, reward, ended, _, info = env.step(decision.action)
        value = float(info.get("value", np.nan))
        told.append(Transition(step + 1, decision, value, np.ones(step + 1, bool), float(reward), observation))
        agent.tell(told[-1])
        if ended:
            break
    return [t.value for t in told], told


def test_the_pattern_lands_on_the_pixels_where_its_text_says() -> None:
    image = on_pixels(drawn(("#.", "..")), (4, 6))
    np.testing.assert_array_equal(image[:2, :3], 1.0)
    assert image.sum() == 6 - 18


@pytest.mark.parametrize("pattern", [(), ("..", "."), ("..", ".x"), ("..", ".."), ("##",)])
def test_a_pattern_that_is_none_is_refused(pattern: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="pattern"):
        task(pattern=pattern)


def test_an_untouched_surface_is_worth_one_half_and_writing_the_target_nearly_one() -> None:
    env = environment()
    observation, _ = env.reset(seed=1)
    assert observation["agreement"][0] == pytest.approx(0.5, abs=0.06)
    for y in (-0.33, -0.1, 0.1, 0.33):
        observation, *_ = env.step(np.array([-0.52, y, 0.52, y, 0.85, 0.0]))
    assert observation["agreement"][0] > 0.85
    wrong = observation["wrong"]
    assert np.all((wrong == 0) | (wrong == observation["target"]))


def test_a_stroke_of_the_other_sign_erases() -> None:
    env = environment()
    env.reset(seed=1)
    line = np.array([-0.5, 0.0, 0.5, 0.0])
    written, *_ = env.step(np.array([*line, 0.9, -0.5]))
    erased, *_ = env.step(np.array([*line, -0.9, -1.0]))
    assert written["agreement"][0] > erased["agreement"][0] + 0.1


def test_the_reward_is_the_gain_less_the_prices() -> None:
    action = np.array([-0.5, 0.0, 0.5, 0.0, 0.9, -0.5])
    rewards, values = {}, {}
    for name, prices in (("free", FREE), ("dear", Prices(1e-3, 1e-3, 1e-6))):
        env = environment(prices=prices)
        first, _ = env.reset(seed=3)
        _, rewards[name], _, _, info = env.step(action)
        values[name] = info["value"] - float(first["agreement"][0])
    assert rewards["free"] == pytest.approx(values["free"], abs=1e-6)
    path_s, frame_s = 180.0 / (100.0 * 10.0**0.5), 2 * 400 * 5e-4
    assert rewards["free"] - rewards["dear"] > 1e-3 * (path_s + frame_s) + 1e-3 * 8.1 * path_s


def test_it_ends_at_the_goal_and_after_the_tries() -> None:
    assert len(play(AdaptiveWriting(), 30, 1, goal=0.8)[0]) < 30
    assert len(play(RandomSearch(), 30, 1, tries=4)[0]) == 4


def test_the_vector_form_equals_single_ones_bit_for_bit() -> None:
    many = VectorEnvironment(CORE, task(tool="pulse"), 3)
    ones = [environment(tool="pulse") for _ in range(3)]
    first, _ = many.reset(seed=5)
    for i, one in enumerate(ones):
        np.testing.assert_array_equal(first["image"][i], one.reset(seed=5 + i)[0]["image"])
    actions = np.random.default_rng(0).uniform(-1, 1, (3, 3, 4))
    for action in actions:
        seen, rewards, *_ = many.step(action)
        for i, one in enumerate(ones):
            own, reward, *_ = one.step(action[i])
            assert reward == rewards[i]
            for name, array in own.items():
                np.testing.assert_array_equal(array, seen[name][i], err_msg=name)


def test_gymnasium_finds_it_and_its_checker_has_nothing_to_say() -> None:
    env = gymnasium.make("environments:WriteDomains-v0", disable_env_checker=True)
    check_env(env.unwrapped, skip_render_check=True)


def test_what_an_instrument_cannot_do_is_said_before_the_start() -> None:
    with pytest.raises(NotSupported, match="ScanImage"):
        Environment(Embedded(Flat()), task())
    with pytest.raises(OutOfReach, match="square"):
        environment(size_nm=2000.0)
    with pytest.raises(OutOfReach, match="bias_V"):
        environment(bias_V=30.0)
    with pytest.raises(NotSupported, match="current"):
        environment(channel="current")
    with pytest.raises(ValueError, match="tool"):
        task(tool="pen")


@pytest.mark.parametrize("tool", ["path", "pulse"])
def test_agents_that_know_the_target_write_it_and_looking_pays(tool: str) -> None:
    best = {}
    for name, make in (("random", RandomSearch), ("raster", RasterWriting), ("adaptive", AdaptiveWriting)):
        best[name] = [max(play(make(), 14, seed, tool=tool)[0]) for seed in (1, 2)]
    assert np.mean(best["raster"]) > 0.8
    assert np.mean(best["adaptive"]) > np.mean(best["random"]) + 0.1
    assert np.mean(best["adaptive"]) > np.mean(best["raster"]) - 0.03


def test_the_adaptive_agent_goes_on_from_its_state_as_if_nothing_had_happened() -> None:
    agent = AdaptiveWriting()
    _, told = play(agent, 6, 4)
    env = environment()
    env.reset(seed=4)
    other = AdaptiveWriting()
    other.begin(problem_of(env.brief(), env.action_space), 4)
    other.restore(copy.deepcopy(agent.state()))
    last = told[-1].observation
    np.testing.assert_array_equal(agent.act(last).action, other.act(last).action)
    assert agent.beliefs()["reach_nm"] == other.beliefs()["reach_nm"] != AdaptiveWriting().reach_nm


def test_the_raster_covers_the_target_and_nothing_else() -> None:
    env = environment()
    env.reset(seed=1)
    agent = RasterWriting(pitch_nm=40.0, inset_nm=20.0)
    agent.begin(problem_of(env.brief(), env.action_space), 1)
    target = drawn(BAR)
    for stroke in agent._strokes:
        for x, y in (stroke.first, stroke.last):
            assert target[int((y + 0.5) / 20 * 4), int((x + 0.5) / 20 * 6)] > 0
    assert len({stroke.first[1] for stroke in agent._strokes}) == round(180 / 40) + 1


def test_writing_agents_refuse_a_problem_without_a_target() -> None:
    for agent in (RasterWriting(), AdaptiveWriting()):
        with pytest.raises(AgentError, match="target"):
            agent.begin(Problem(np.full(6, -1.0), np.ones(6), "maximise", "height", "nm"), 0)


def test_runs_are_found_at_both_ends_and_in_the_middle() -> None:
    assert runs(np.array([True, False, True, True, False, True])) == [(0, 0), (2, 3), (5, 5)]
    assert runs(np.zeros(3, bool)) == []


def test_rows_that_end_begin_anew_on_fresh_samples() -> None:
    many = VectorEnvironment(CORE, task(tries=2, tool="pulse"), 2)
    first, _ = many.reset(seed=5)
    action = np.array([[0.0, 0.0, 1.0, 0.5], [0.3, 0.3, -1.0, 0.0]])
    ended = [many.step(action)[2].tolist() for _ in range(2)]
    fresh, rewards, again, *_ = many.step(action)
    assert ended == [[False, False], [True, True]]
    assert not again.any()
    assert np.all(rewards == 0.0)
    assert np.all(fresh["progress"] == 0.0)
    assert not np.array_equal(fresh["image"], first["image"])

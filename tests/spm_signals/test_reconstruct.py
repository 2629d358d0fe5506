"""Sparse paths: the image is rebuilt, and errors are as large as predicted."""

import threading

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_for_sb3

from agents.adaptive.uncertain_path import UncertainPath
from agents.baselines.spiral import Serpentine, Spiral
from agents.protocol import AgentError, Problem, Transition
from environments.environment import Environment
from environments.reconstruction import Track, covariance, rebuilt, roughness
from environments.tasks.reconstruct import Reconstruct
from environments.vector import VectorEnvironment
from instruments.embedded import Embedded
from instruments.errors import NotSupported
from instruments.requests import ScanImage
from instruments.twins.ferroelectric_film import FerroelectricFilm
from instruments.twins.flat import Flat

FILM = FerroelectricFilm(grid=32)
SMALL = Reconstruct("piezoresponse", shape=(12, 12), points=12, strokes=24)


def problem(env: Environment) -> Problem:
    brief, space = env.brief(), env.action_space
    return Problem(
        space.low, space.high, brief.objective, brief.value_name, brief.value_unit, candidates=brief.candidates
    )


def walked(agent, task: Reconstruct, seed: int) -> tuple[Environment, dict, float]:
    """An episode: the environment, the last observation, and the sum of rewards."""
    env = Environment(Embedded(FILM), task)
    observation, _ = env.reset(seed=seed)
    agent.begin(problem(env), seed)
    total = 0.0
    for step in range(task.strokes):
        decision = agent.act(observation)
        observation, reward, *_ = env.step(decision.action)
        total += reward
        agent.tell(Transition(step, decision, 0.0, np.ones(step + 1, bool), reward, observation))
    return env, observation, total


def image(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """The film as it is, without noise, at the grid's places."""
    instrument = Embedded(FILM.flawless())
    instrument.reset(seed, {})
    asked = ScanImage((0.0, 0.0), (2000.0, 2000.0), shape, 1e-3)
    return instrument.acquire(asked, id="a", stop=threading.Event()).channels["piezoresponse"].values.ravel()


def test_single_and_vector_environments_agree_and_the_checkers_are_content():
    task = Reconstruct("piezoresponse", shape=(6, 6), points=8, strokes=8)
    single, vector = Environment(Embedded(FILM), task), VectorEnvironment(FILM, task, 2)
    check_env(single, skip_render_check=True)
    check_for_sb3(single)
    vector.reset(seed=[3, 4])
    single.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(8):
        actions = rng.uniform(-1, 1, (2, 2)).astype(np.float32)
        many, reward, terminated, *_ = vector.step(actions)
        one, alone, *_ = single.step(actions[1])
        assert alone == reward[1]
        assert all(np.array_equal(one[name], many[name][1]) for name in one)
    assert terminated.all()


def test_strokes_are_no_longer_than_allowed_and_end_where_they_should():
    env = Environment(Embedded(FILM), SMALL)
    env.reset(seed=0)
    observation, *_ = env.step(np.array([1.0, 0.0], np.float32))
    assert observation["position"] == pytest.approx([0.7, 0.0], abs=1e-6)
    observation, *_ = env.step(np.array([1.0, 0.0], np.float32))
    assert observation["position"] == pytest.approx([1.0, 0.0], abs=1e-6)


def test_rewards_add_up_and_errors_are_as_large_as_predicted():
    ratios = []
    for seed in range(2):
        env, observation, total = walked(UncertainPath(), SMALL, seed)
        assert total == pytest.approx(1.0 - observation["uncertainty"].mean(), abs=1e-5)
        state = env._state
        deviation = max(float(state.track[0].values.std()), state.known[0].deviation)
        away = state.mean[0] - image(seed, SMALL.shape)
        ratios.append(np.mean(np.square(away / (state.spread[0] * deviation))))
    assert np.sqrt(np.mean(ratios)) == pytest.approx(1.0, abs=0.35)


def test_rough_places_are_less_certain():
    x = np.linspace(0, 100, 401)
    places, values = np.column_stack([x, np.zeros(401)]), np.where(x > 50, np.sin(x * 3), np.sin(x / 20))
    track = Track.empty().extended(places, values, 0)
    known = covariance(track, 100.0)
    rough = roughness(track, known, np.array([[25.0, 3.0], [75.0, 3.0]]))
    assert rough[1] > 3 * rough[0]
    mean, spread = rebuilt(track, known, places[:180:7])
    assert np.abs(mean - values[:180:7]).max() < 0.1
    assert (spread > 0).all()
    assert (roughness(Track.empty(), known, places[:3]) == 1).all()


def test_paths_are_what_they_say():
    spiral = Spiral(400, 10.0).path()
    assert np.linalg.norm(spiral - 0.5, axis=1).max() <= 0.5
    ways = np.linalg.norm(np.diff(spiral, axis=0), axis=1)[20:]
    assert ways.std() < 0.05 * ways.mean()
    lines = Serpentine(3, 2).path()
    assert lines.tolist() == [[0, 1 / 6], [1, 1 / 6], [1, 0.5], [0, 0.5], [0, 5 / 6], [1, 5 / 6]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(NotSupported, match="LineScan"):
        Reconstruct().check(Flat().describe())
    with pytest.raises(NotSupported, match="choose one of"):
        Reconstruct("colour").check(FILM.describe())
    agent = UncertainPath()
    agent.begin(Problem(np.full(2, -1.0), np.ones(2), "map", "x", "", candidates=np.zeros((4, 2))), 0)
    with pytest.raises(AgentError, match="task=reconstruct"):
        agent.act({"uncertainty": np.zeros(4)})

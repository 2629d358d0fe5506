"""Recognition: classes are found, told apart from whole spectra, and carried over the field; batches change nothing."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_for_sb3

from agents.adaptive.most_uncertain import MostUncertain
from agents.protocol import AgentError, Problem, Transition
from environments.environment import Environment
from environments.recognition.groups import find
from environments.recognition.network import train
from environments.recognition.recogniser import Recogniser, doubt
from environments.sweeps import Spectrum
from environments.tasks.recognise import Recognise
from environments.vector import VectorEnvironment
from instruments.embedded import Embedded
from instruments.errors import NotSupported
from instruments.replay.replay import Replay
from instruments.twins.ferroelectric_film import FerroelectricFilm
from instruments.twins.flat import Flat

SMALL = Recogniser(classes=2, hidden=8, members=2, rounds=60)


def peaks(rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy spectra [rows, 40] with a peak that lies elsewhere in every class, and the classes."""
    rng = np.random.default_rng(seed)
    label = rng.integers(classes, size=rows)
    x = np.arange(40)
    centre = 8 + 24 * label / (classes - 1)
    height = 1.0 + label
    clean = height[:, None] * np.exp(-(((x - centre[:, None]) / 4) ** 2))
    return clean + 0.15 * rng.normal(size=(rows, 40)), label


def film(**own) -> FerroelectricFilm:
    return FerroelectricFilm(grid=32, **own)


def problem(env: Environment) -> Problem:
    brief, space = env.brief(), env.action_space
    return Problem(
        space.low, space.high, brief.objective, brief.value_name, brief.value_unit, candidates=brief.candidates
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_groups_are_the_classes_weak_signals_first(classes: int):
    spectra, label = peaks(120, classes)
    groups = find(spectra, classes, 5)
    assert (groups.of(spectra) == label).mean() > 0.98
    again, other = peaks(60, classes, seed=1)
    assert (groups.of(again) == other).mean() > 0.97


def test_the_network_learns_from_whole_spectra_and_says_how_sure_it_is():
    spectra, label = peaks(60, 3)
    network = train(spectra, label, 3, hidden=12, members=3, rounds=120, seed=0)
    fresh, true = peaks(300, 3, seed=5)
    found = network.probabilities(fresh)
    assert found.sum(axis=1) == pytest.approx(np.ones(300))
    assert (found.argmax(axis=1) == true).mean() > 0.97
    between = (fresh[true == 0][:20] + fresh[true == 1][:20]) / 2
    assert doubt(network.probabilities(between)).mean() > 2 * doubt(found).mean()
    again = train(spectra, label, 3, hidden=12, members=3, rounds=120, seed=0)
    assert np.array_equal(again.first, network.first)


def test_classes_are_carried_over_the_field_and_doubt_grows_with_distance_and_at_borders():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 100, (80, 2))
    spectra, _ = peaks(80, 2)
    left = places[:, 0] < 50
    spectra = np.where(left[:, None], peaks(400, 2)[0][peaks(400, 2)[1] == 0][:80], spectra)
    spectra[~left] = peaks(400, 2)[0][peaks(400, 2)[1] == 1][: (~left).sum()]
    learned = SMALL.learn(spectra, places, 100.0)
    targets = np.array([[15.0, 50.0], [85.0, 50.0], [50.0, 50.0], [500.0, 500.0]])
    found = SMALL.everywhere(learned, spectra, places, targets)
    assert found[0].argmax() == 0
    assert found[1].argmax() == 1
    assert doubt(found)[2] > 2 * doubt(found)[:2].max()
    assert found[3] == pytest.approx(learned.share, abs=0.02)


def test_single_and_vector_environments_agree_and_the_checkers_are_content():
    task = Recognise(SMALL, seeds=6, shape=(5, 5))
    single = Environment(Embedded(film()), task)
    check_env(single, skip_render_check=True)
    check_for_sb3(single)
    vector = VectorEnvironment(film(), task, 2)
    vector.reset(seed=[3, 4])
    single.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(14):
        actions = rng.uniform(-1, 1, (2, 2)).astype(np.float32)
        many, reward, *_ = vector.step(actions)
        one, alone, *_ = single.step(actions[1])
        assert alone == reward[1]
        assert all(np.array_equal(one[name], many[name][1]) for name in one)
    assert many["uncertainty"].max() <= 1.0
    assert np.ptp(many["class_map"]) > 0


def test_rewards_add_up_to_the_doubt_that_went():
    env = Environment(Embedded(film()), Recognise(SMALL, seeds=6, shape=(5, 5)))
    observation, _ = env.reset(seed=1)
    assert observation["uncertainty"] == pytest.approx(np.ones(25))
    total = 0.0
    for action in env.brief().candidates[:16]:
        observation, reward, *_ = env.step(action)
        total += reward
    assert total == pytest.approx(1.0 - observation["uncertainty"].mean(), abs=1e-5)


def test_an_instrument_without_such_spectra_is_refused():
    with pytest.raises(NotSupported, match="BiasSpectroscopy"):
        Recognise().check(Flat().describe())
    with pytest.raises(ValueError, match="must be more"):
        Recognise(seeds=4, recogniser=Recogniser(classes=4))


def walked(env: Environment, adaptive: bool, seed: int, steps: int) -> tuple[dict, object]:
    """Take `steps` spectra: the adaptive agent, or places drawn at random; the last observation and the final state."""
    observation, _ = env.reset(seed=seed)
    agent = MostUncertain(seeds=24)
    agent.begin(problem(env), seed)
    candidates, rng = env.brief().candidates, np.random.default_rng(seed)
    order = rng.permutation(len(candidates))
    for step in range(steps):
        decision = agent.act(observation)
        action = decision.action if adaptive else candidates[order[step]]
        observation, reward, *_ = env.step(action)
        agent.tell(Transition(step, decision, 0.0, np.ones(step + 1, bool), reward, observation))
    return observation, agent


def test_the_most_uncertain_places_teach_more_than_random_ones(data_folder: Path):
    core = Replay(str(data_folder / "be-spectra-32x32" / "bepfm_test_data.npy"), value_name="amplitude", unit_nm=10.0)
    task = Recognise(Recogniser(classes=2), sweep=Spectrum(axis_unit=""), outliers=None)
    wrong = {}
    for adaptive in (True, False):
        env = Environment(Embedded(core), task)
        observation, _ = walked(env, adaptive, 1, 80)
        every = np.asarray(core.recording.spectra.values, dtype=float).reshape(1024, -1)
        true = task.verdicts(env._state, 0, every)
        wrong[adaptive] = np.mean((observation["class_map"] > 0.5) != true)
    assert wrong[True] < 0.06
    assert wrong[True] < 0.8 * wrong[False]


def test_the_agent_goes_on_from_its_state_and_names_what_it_needs():
    env = Environment(Embedded(film()), Recognise(SMALL, seeds=6, shape=(5, 5)))
    observation, _ = env.reset(seed=2)
    agent, twin = MostUncertain(seeds=4), MostUncertain(seeds=4)
    for one in (agent, twin):
        one.begin(problem(env), 5)
    for step in range(9):
        decision = agent.act(observation)
        observation, reward, *_ = env.step(decision.action)
        agent.tell(Transition(step, decision, 1.0, np.ones(step + 1, bool), reward, observation))
    twin.restore(agent.state())
    assert np.array_equal(twin.act(observation).action, agent.act(observation).action)
    assert set(twin.beliefs()) == {"class_map", "uncertainty"}
    with pytest.raises(AgentError, match="task=recognise"):
        agent.act({"position": np.zeros(2)})
    free = Problem(np.full(2, -1.0), np.full(2, 1.0), "map", "x", "")
    with pytest.raises(AgentError, match="agent=sobol"):
        agent.begin(free, 0)


def test_rows_that_end_at_different_times_start_anew():
    task = Recognise(Recogniser(classes=2, hidden=4, members=1, rounds=5), shape=(2, 3), seeds=4)
    vector = VectorEnvironment(film(), task, 3, max_steps=9)
    vector.reset(seed=0)
    rng, ends = np.random.default_rng(1), []
    for _ in range(24):
        observation, reward, terminated, truncated, _ = vector.step(rng.uniform(-1, 1, (3, 2)).astype(np.float32))
        assert vector.observation_space.contains(observation)
        assert np.isfinite(reward).all()
        ends.append(terminated | truncated)
    assert (np.sum(ends, axis=0) >= 2).all()
    assert len({tuple(np.flatnonzero(row)) for row in np.transpose(ends)}) > 1

"""The space of words of bits, its task, and two searches that beat drawing at random."""

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from agents.baselines.random_search import RandomSearch
from agents.check import trivial_problem
from agents.lattice.pair_regression import PairRegression, climb, features
from agents.lattice.parallel_chains import ParallelChains
from agents.protocol import AgentError, Transition
from environments.environment import Environment
from environments.tasks.search_composition import SearchComposition
from environments.vector import VectorEnvironment
from experiments.campaign.problem import problem_of
from instruments.check import check
from instruments.embedded import Embedded
from instruments.errors import NotSupported, OutOfReach
from instruments.requests import SetSample
from instruments.twins.flat import Flat
from instruments.twins.library.composition_space import CompositionSpace

SPACE, TASK = CompositionSpace(sites=14), SearchComposition(sites=14, tries=60)


def environment(scenario: str = "matched") -> Environment:
    return Environment(Embedded(SPACE), TASK, scenario={"name": scenario})


def best_of(agent: Any, seed: int) -> float:
    world = environment()
    observation, _ = world.reset(seed=seed)
    agent.begin(problem_of(world.brief(), world.action_space), seed)
    values: list[float] = []
    for step in range(60):
        decision = agent.act(observation)
        observation, reward, ended, _, info = world.step(decision.action)
        values.append(info["value"])
        agent.tell(Transition(step, decision, values[-1], np.ones(step + 1, bool), reward, observation, ended))
    assert ended
    assert observation["last_and_best"][1] == pytest.approx(max(values), abs=1e-5)
    return max(values)


def test_the_twin_passes_the_conformance_suite_and_the_environment_is_one() -> None:
    check(Embedded(SPACE)).raise_for_failures()
    check_env(environment(), skip_render_check=True)


def test_the_property_has_unit_variance_and_a_rare_motif_raises_it() -> None:
    from instruments import keys

    members = np.random.default_rng(0).choice([-1, 1], (4000, 14)).astype(np.int8)
    world = SPACE.begin(keys.keys(3), {})
    values = np.array([SPACE.value(world, m[None])[0] for m in members])
    assert values.std() == pytest.approx(1.0, rel=0.05)
    rare = SPACE.begin(keys.keys(3), {"name": "misspecified"})
    raised = np.array([SPACE.value(rare, m[None])[0] for m in members]) - values
    assert set(np.round(raised, 9)) == {0.0, 4.0}
    assert (raised > 0).mean() == pytest.approx(2**-6, rel=0.5)


def test_searches_beat_drawing_at_random() -> None:
    drawn = np.mean([best_of(RandomSearch(), seed) for seed in range(5)])
    assert np.mean([best_of(ParallelChains(chains=3, cooling=60), seed) for seed in range(5)]) > drawn + 0.1
    assert np.mean([best_of(PairRegression(), seed) for seed in range(5)]) > drawn + 0.3


def test_a_draw_is_climbed_to_where_no_flip_helps() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=14 + 91)
    top = climb(rng.choice([-1.0, 1.0], 14), weights)
    flipped = np.repeat(top[None], 14, 0)
    flipped[np.diag_indices(14)] *= -1
    assert np.all(features(flipped) @ weights <= features(top[None]) @ weights)


@pytest.mark.parametrize("agent", [ParallelChains(chains=3), PairRegression(seeds=4)])
def test_agents_resume(agent: Any) -> None:
    best_of(agent, 1)
    other = type(agent)(*([3] if isinstance(agent, ParallelChains) else [4]))
    other.begin(agent.problem, 1)
    other.restore(agent.state())
    np.testing.assert_array_equal(other.act({}).action, agent.act({}).action)
    with pytest.raises(AgentError, match="lists candidates"):
        other.begin(trivial_problem(), 0)


def test_a_vector_environment_is_as_many_single_ones() -> None:
    vector = VectorEnvironment(SPACE, TASK, 2)
    vector.reset(seed=[1, 2])
    actions = np.random.default_rng(0).uniform(size=(5, 2, 14)).astype(np.float32)
    rewards = [vector.step(action)[1] for action in actions]
    for row, seed in enumerate((1, 2)):
        single = environment()
        single.reset(seed=seed)
        np.testing.assert_allclose([single.step(a[row])[1] for a in actions], [r[row] for r in rewards])


def test_what_is_no_member_is_refused() -> None:
    with pytest.raises(OutOfReach, match="word of 14 bits"):
        Embedded(SPACE).price(SetSample(member="0110"))
    with pytest.raises(NotSupported, match="temperature_K"):
        Embedded(SPACE).price(SetSample(temperature_K=300.0))
    with pytest.raises(NotSupported, match="SetSample"):
        Environment(Embedded(Flat()), TASK)

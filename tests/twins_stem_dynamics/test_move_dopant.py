"""Moving a dopant: the task follows it, agents bring it where it is wanted, and learn the law meanwhile."""

import dataclasses
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import environments  # noqa: F401
from agents.planning.greedy_hops import GreedyHops
from agents.planning.hops import situation
from agents.planning.learning_hops import LearningHops
from agents.protocol import AgentError, Problem, Transition
from environments.dopant_kernel import LOST, MOVED, NUMBERS, forgive
from environments.environment import Environment
from environments.tasks.move_dopant import Looks, MoveDopant
from environments.vector import VectorEnvironment
from instruments.embedded import Embedded
from instruments.errors import NotSupported, OutOfReach
from instruments.twins.flat import Flat
from instruments.twins.stem.microscope import ALL_KNOWN, StemMicroscope
from instruments.twins.stem.samples import Graphene
from physics_priors.beam.hop import HopLaw
from physics_priors.hops.laws import FluxHops

SMALL = Graphene(3.0, 3.0, silicon=1)
PROBLEM = Problem(-np.ones(3), np.ones(3), "minimise", "distance to the target", "bonds")


def calm(**options: Any) -> StemMicroscope:
    return StemMicroscope(**{"sample": SMALL, **ALL_KNOWN, **options})


def played(core: StemMicroscope, task: MoveDopant, agent: Any, seed: int) -> tuple[float, int, bool, Any]:
    """Seconds, steps, whether the last goal was reached, and the environment."""
    env = Environment(Embedded(core), task)
    observation, info = env.reset(seed=seed)
    agent.begin(PROBLEM, seed)
    seconds, accepted = 0.0, np.zeros(0, dtype=bool)
    for step in range(task.tries):
        decision = agent.act(observation)
        observation, reward, terminated, _, info = env.step(decision.action.astype(np.float32))
        seconds += info["seconds"]
        accepted = np.append(accepted, info["accepted"])
        value = float(info.get("value", np.nan))
        cost = info["seconds"], info["electrons"]
        agent.tell(Transition(step, decision, value, accepted, reward, observation, terminated, *cost))
        if terminated:
            break
    return seconds, step + 1, bool(observation["progress"][1] >= 1.0), env


def test_greedy_brings_silicon_to_its_target() -> None:
    ends = [played(calm(), MoveDopant(), GreedyHops(), seed) for seed in range(8)]
    assert sum(end[2] for end in ends) >= 7
    assert np.mean([end[0] for end in ends]) < 60.0


def test_the_dopant_and_its_target_are_followed_while_the_sample_drifts() -> None:
    core = calm(drift_nm_s=0.003)
    task = MoveDopant(goals=3)
    for seed in range(4):
        _, _, reached, env = played(core, task, GreedyHops(), seed)
        state, truth = env._state, env.instrument.truth()
        silicon = truth["positions_nm"][int(truth["silicon"][0])]
        seen = silicon + truth["drift_nm"]
        np.testing.assert_allclose(state.dopant_nm[0], seen, atol=0.02)
        assert reached


def test_hops_are_rewarded_less_the_later_they_come() -> None:
    task = MoveDopant(price_per_s=0.0)
    env = Environment(Embedded(calm()), task)
    observation, _ = env.reset(seed=1)
    agent = GreedyHops()
    agent.begin(PROBLEM, 0)
    seconds, reward, terminated = 0.0, 0.0, False
    while not terminated:
        assert reward == 0.0
        observation, reward, terminated, _, info = env.step(agent.act(observation).action.astype(np.float32))
        seconds += info["seconds"]
    assert reward == pytest.approx(task.discount_per_s**seconds)


def test_a_dopant_that_is_not_found_ends_the_episode() -> None:
    env = Environment(Embedded(calm(sample=Graphene(3.0, 3.0, silicon=0, nitrogen=1))), MoveDopant())
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(np.zeros(3, np.float32))
    assert terminated
    assert reward < -0.9
    assert "value" not in info


def test_a_level_that_ended_a_dwell_in_vain_goes_up_until_something_moves() -> None:
    """Beside the silicon the trace is up from the beginning, and nothing hops while the beam is on its other side."""
    env = Environment(Embedded(calm(law=FluxHops(barn=1e-9))), MoveDopant(longest_s=2.0, samples=20))
    env.reset(seed=1)
    on_it, levels = np.array([0.0, 0.0, 1.0], np.float32), []
    for _ in range(30):
        _, _, _, _, info = env.step(on_it)
        levels.append(float(env._state.bands[0, 1]))
    ended = np.diff(levels) > 0.0
    assert ended[:8].all()
    np.testing.assert_allclose(np.diff(np.log(levels[:8])), np.log(1.05), rtol=1e-6)
    assert not ended[-1]  # the level lies above the silicon's own: a dwell lasts
    assert info["seconds"] >= 2.0


def test_a_level_is_the_surveys_again_after_a_move() -> None:
    numbers = np.zeros((4, NUMBERS))
    numbers[0, MOVED] = numbers[3, LOST] = 1.0
    rise, bands = np.full(4, 10.0), np.tile([0.0, 12.0, 1.0], (4, 1))
    dwell_s, actions = np.array([0.5, 0.5, 2.0, 0.5]), np.tile([0.0, 0.0, 1.0], (4, 1))
    assert forgive(actions, 0.15, 2.0, dwell_s, numbers, rise, bands)
    np.testing.assert_allclose(bands[:, 1], [10.0, 12.6, 12.0, 12.0])
    numbers[:, MOVED], bands[:, 1] = 1.0, rise
    assert not forgive(actions, 0.15, 2.0, dwell_s, numbers, rise, bands)


@pytest.mark.parametrize(("copies", "threads"), [(4, 1), (80, 2)])
def test_working_in_place_on_samples_made_ahead_changes_no_number(copies: int, threads: int) -> None:
    core, task = StemMicroscope(sample=SMALL, channels=30.0), MoveDopant(tries=4)
    quick = dataclasses.replace(core, in_place=True, threads=threads)
    assert "landed" in quick.editable
    assert not core.editable
    both = [
        VectorEnvironment(c, t, copies, autoreset_mode=AutoresetMode.SAME_STEP, ahead=ahead)
        for c, t, ahead in ((core, task, False), (quick, dataclasses.replace(task, threads=threads), True))
    ]
    for many in both:
        many.reset(seed=3)
        many.step(np.zeros((copies, 3), np.float32))
        many.reset(options={"reset_mask": np.arange(copies) % 2 == 0})
    rng, ends = np.random.default_rng(0), 0
    for _ in range(12):
        actions = rng.uniform(-1, 1, (copies, 3)).astype(np.float32)
        one, other = (many.step(actions) for many in both)
        for name, values in one[0].items():
            np.testing.assert_array_equal(values, other[0][name])
        np.testing.assert_array_equal(one[1], other[1])
        ends += int(one[2].sum() not in (0, copies))
    assert ends > 3
    assert both[0]._world.log.any()
    for name, values in vars(both[0]._world).items():
        np.testing.assert_array_equal(values, getattr(both[1]._world, name), err_msg=name)


def test_vector_and_single_environments_agree_bit_for_bit() -> None:
    core, task = StemMicroscope(sample=SMALL), MoveDopant(tries=6, goals=2, atoms_shown=12)
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (5, 4, 3)).astype(np.float32)
    many = VectorEnvironment(dataclasses.replace(core, in_place=True), task, 4)
    together = [many.reset(seed=10)[0]]
    rewards: list[np.ndarray] = []
    for action in actions:
        observation, reward, *_ = many.step(action)
        together.append(observation)
        rewards.append(reward)
    for row in range(4):
        one = Environment(Embedded(core), task)
        alone = [one.reset(seed=10 + row)[0]]
        for step in range(5):
            observation, alone_reward, *_ = one.step(actions[step, row])
            assert alone_reward == rewards[step][row]
            alone.append(observation)
        for a, b in zip(alone, together, strict=True):
            for name in a:
                np.testing.assert_array_equal(a[name], b[name][row])


def test_atoms_that_are_shown_are_those_of_the_frame() -> None:
    env = Environment(Embedded(calm(hop_spread=0.0)), MoveDopant(atoms_shown=20, tries=40))
    observation, _ = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    assert np.abs(observation["atoms"].reshape(20, 2)).max(1).all(), "the survey has more than are shown"
    centers = []
    for step in range(12):
        observation = env.step(np.array([0.6, 0.2 * (-1) ** step, 0.5], np.float32))[0]
        assert env.observation_space.contains(observation)
        atoms, (x0, x1, y0, y1) = observation["atoms"].reshape(20, 2), observation["frame"]
        atoms = atoms[np.abs(atoms).max(1) > 0.0]
        world, core = env.instrument._world, env.instrument.core
        place = core.positions_nm(world, 0) / 0.142
        dopant = place[int(np.flatnonzero(world.species[0] == 14)[0])]
        true = place[world.species[0] > 0] - dopant
        true = true[np.hypot(*true.T) > 0.1]
        inside = (true > [x0, y0]).all(1) & (true < [x1, y1]).all(1)
        assert abs(len(atoms) - inside.sum()) <= 3, "but for those at the edge"
        away = np.hypot(*np.moveaxis(atoms[:, None] - true, -1, 0)).min(1)
        assert away.max() < 0.35
        np.testing.assert_allclose([x1 - x0, y1 - y0], 0.6 / 0.142, rtol=1e-3)
        centers.append([x0 + x1, y0 + y1])
    hops = np.hypot(*np.array(centers).T) > 1.0
    assert 0 < hops.sum() < 12, "a look is where the silicon was before the dwell"


def test_a_target_that_drifts_out_of_the_field_is_drawn_anew() -> None:
    core = calm(law=FluxHops(barn=1e-9), drift_nm_s=0.01)
    changed, half = 0, np.array([3.0, 3.0]) / 2
    for seed in range(6):
        env = Environment(Embedded(core), MoveDopant(price_per_s=0.0, tries=60))
        half = 0.5 * np.array(core.describe().field.size_nm)
        observation, _ = env.reset(seed=seed)
        before = observation["target"]
        for _ in range(59):
            observation, reward, terminated, *_ = env.step(np.array([-1.0, -1.0, 0.5], np.float32))
            if terminated:
                break
            assert reward == 0.0
            assert observation["progress"][1] == 0.0
            if np.hypot(*(observation["target"] - before)) > 0.7:
                changed += 1
                place = observation["dopant"] * half + 0.142 * observation["target"]
                assert (np.abs(place) <= half + 0.05).all(), "the new one is in the field"
            before = observation["target"]
    assert changed >= 2


def test_it_is_registered_with_gymnasium() -> None:
    from gymnasium.utils.env_checker import check_env

    env = gymnasium.make("environments:MoveDopant-v0")
    check_env(env.unwrapped, skip_render_check=True)


def test_the_greedy_agent_aims_short_of_the_neighbour_nearest_to_the_target() -> None:
    ways = np.array([[0.71, 0.0], [-0.355, 0.615], [-0.355, -0.615]])
    observation = {"neighbours": ways.ravel(), "target": np.array([-1.0, 3.0]), "last": np.zeros(2)}
    agent = GreedyHops()
    agent.begin(PROBLEM, 0)
    np.testing.assert_allclose(agent.act(observation).action[:2], 0.85 * ways[1], rtol=1e-9)
    assert situation(observation).reach_nm == pytest.approx(0.2, rel=1e-3)
    with pytest.raises(AgentError, match="neighbours"):
        agent.act({"target": np.zeros(2)})


def test_the_learning_agent_finds_the_rate_and_how_far_the_beam_may_be_off() -> None:
    rate, within = HopLaw().largest_rate_s, []
    for seed in range(4):
        agent, core = LearningHops(trust=0.2), dataclasses.replace(calm(), aim_nm=0.03)
        _, steps, _, env = played(core, MoveDopant(goals=12, tries=80), agent, seed)
        truth, beliefs = env.instrument.truth(), agent.beliefs()
        interval = dict(zip(beliefs["names"], np.array(beliefs["interval_95"]), strict=True))
        assert steps > 20
        assert 0.5 * interval["largest_rate_s"][0] < rate < 2.0 * interval["largest_rate_s"][1]
        assert np.diff(interval["largest_rate_s"])[0] < 1.0
        for axis, name in enumerate(("offset_x_nm", "offset_y_nm")):
            low, high = interval[name]
            within.append(low - 0.015 < truth["aim_nm"][axis] < high + 0.015)
    assert sum(within) >= 6  # offsets are drawn wider than they are believed to be


def test_the_learning_agent_survives_save_and_restore() -> None:
    agent, again = LearningHops(particles=200), LearningHops(particles=200)
    _, _, _, env = played(calm(), MoveDopant(tries=8), agent, 2)
    again.begin(PROBLEM, 2)
    again.restore(agent.state())
    observation = env._observation()
    np.testing.assert_array_equal(agent.act(observation).action, again.act(observation).action)
    np.testing.assert_array_equal(agent.beliefs()["mean"], again.beliefs()["mean"])


def test_what_cannot_serve_is_refused() -> None:
    with pytest.raises(NotSupported, match="which move_dopant needs"):
        MoveDopant().check(Flat().describe())
    with pytest.raises(OutOfReach, match="margin"):
        MoveDopant(margin_nm=3.0).check(calm().describe())
    with pytest.raises(ValueError, match="no neighbours"):
        MoveDopant(looks=Looks(size_nm=0.2))


def test_check_75_a_hop_every_ten_seconds_and_to_the_neighbour_aimed_at() -> None:
    from benchmarks.dopant import _published_hops

    hops, wrong, seconds = _published_hops(rows=150, steps=25)
    assert hops > 900
    assert seconds / hops == pytest.approx(10.2, rel=0.10)
    assert wrong <= 4

"""Arranging dopants: the task follows them all, pays targets once, looks for what is out of sight; agents fill all."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from agents.planning.arranging_hops import ArrangingHops
from agents.planning.arranging_in_order import ArrangingInOrder
from agents.protocol import Problem, Transition
from environments.dopants import Dopants, Look, followed, found, shortest
from environments.environment import Environment
from environments.tasks.arrange_dopants import ArrangeDopants
from environments.vector import VectorEnvironment
from instruments.embedded import Embedded
from instruments.errors import NotSupported, OutOfReach
from instruments.twins.flat import Flat
from instruments.twins.stem.microscope import ALL_KNOWN, StemMicroscope
from instruments.twins.stem.samples import Graphene

SHEET = Graphene(5.0, 5.0, silicon=3)


def calm(**options: Any) -> StemMicroscope:
    return StemMicroscope(**{"sample": SHEET, **ALL_KNOWN, **options})


@dataclasses.dataclass
class Played:
    env: Environment
    seconds: float = 0.0
    rewards: list[float] = dataclasses.field(default_factory=list)
    spent: list[float] = dataclasses.field(default_factory=list)
    filled: list[float] = dataclasses.field(default_factory=list)
    values: list[float] = dataclasses.field(default_factory=list)
    ended: bool = False


def played(core: StemMicroscope, task: ArrangeDopants, agent: Any, seed: int) -> Played:
    out = Played(Environment(Embedded(core), task))
    observation, _ = out.env.reset(seed=seed)
    extent = out.env.brief().extent_nm
    agent.begin(Problem(-np.ones(4), np.ones(4), "minimise", "d", "bonds", extent_nm=extent), seed)
    accepted = np.zeros(0, dtype=bool)
    for step in range(task.tries):
        decision = agent.act(observation)
        observation, reward, out.ended, _, info = out.env.step(decision.action.astype(np.float32))
        accepted, value = np.append(accepted, info["accepted"]), float(info.get("value", np.nan))
        cost = info["seconds"], info["electrons"]
        agent.tell(Transition(step, decision, value, accepted, reward, observation, out.ended, *cost))
        out.rewards.append(reward)
        out.spent.append(info["seconds"])
        out.filled.append(float(observation["progress"][1]))
        out.values.append(value)
        if out.ended:
            break
    out.seconds = sum(out.spent)
    return out


def test_the_planner_fills_all_targets() -> None:
    ends = [played(StemMicroscope(sample=SHEET), ArrangeDopants(), ArrangingHops(particles=150), s) for s in range(2)]
    assert all(end.filled[-1] == 1.0 for end in ends)
    assert all(end.values[-1] < 1.5 for end in ends)
    for end in ends:
        truth, state = end.env.instrument.truth(), end.env._state
        places = truth["positions_nm"][truth["silicon"]] + truth["drift_nm"]
        targets = state.targets_nm[0] + state.dopants.home_nm[0]
        away = np.linalg.norm(targets[:, None] - places, axis=-1).min(1)
        assert (away < 0.06).all()


def test_a_person_fills_all_targets_where_nothing_is_in_the_way() -> None:
    ends = [played(calm(), ArrangeDopants(), ArrangingInOrder(), seed) for seed in range(4)]
    assert sum(end.filled[-1] == 1.0 for end in ends) >= 3


def test_dopants_are_followed_while_the_sample_drifts() -> None:
    end = played(calm(drift_nm_s=0.003), ArrangeDopants(tries=20, survey_every=5), ArrangingInOrder(), 1)
    truth, known = end.env.instrument.truth(), end.env._state.dopants.now_nm[0]
    silicon = truth["positions_nm"][truth["silicon"]] + truth["drift_nm"]
    away = np.linalg.norm(known[:, None] - silicon, axis=-1)
    assert end.seconds > 15.0
    assert (away.min(1) < 0.03).all()
    assert len(set(away.argmin(1).tolist())) == 3


def test_each_target_is_rewarded_once_and_less_the_later() -> None:
    task = ArrangeDopants(price_per_s=0.0)
    end = played(calm(), task, ArrangingInOrder(), 2)
    assert end.ended
    most, since, before = 0.0, 0.0, np.append(0.0, end.filled[:-1])
    for reward, spent, filled, _ in zip(end.rewards, end.spent, end.filled, before, strict=True):
        since += spent
        more = max(round(3 * (filled - most)), 0)
        assert reward == pytest.approx(more * task.discount_per_s**since)
        if more:
            most, since = filled, 0.0
    assert sum(reward > 0.0 for reward in end.rewards) <= 3


def test_an_action_costs_its_seconds_and_a_survey_costs_more_than_a_look() -> None:
    task = ArrangeDopants(survey_every=3, price_per_s=0.01, discount_per_s=1.0)
    env = Environment(Embedded(calm()), task)
    env.reset(seed=0)
    action = np.array([-1.0, 1.0, 1.0, -1.0], np.float32)
    spent = []
    for _ in range(6):
        _, reward, _, _, info = env.step(action)
        assert reward == pytest.approx(-0.01 * info["seconds"])
        spent.append(info["seconds"])
    assert min(spent[2], spent[5]) > max(spent[:2] + spent[3:5]) + 0.05


def test_a_dopant_out_of_sight_is_looked_for_by_a_survey_and_nothing_else() -> None:
    env = Environment(Embedded(calm()), ArrangeDopants())
    env.reset(seed=0)
    known = env._state.dopants
    wrong = known.ground_nm.copy()
    wrong[0, 0] += [1.0, -0.7]  # where there is no silicon
    env._state = dataclasses.replace(env._state, dopants=dataclasses.replace(known, ground_nm=wrong))
    action = np.array([-1.0, 1.0, 1.0, -1.0], np.float32)
    observation, _, ended, _, info = env.step(action)
    assert observation["last"][3] == 1.0
    assert "value" not in info
    assert not ended
    observation, _, ended, _, info = env.step(action)
    assert observation["last"][0] == observation["last"][3] == 0.0
    assert info["value"] > 0.0
    np.testing.assert_allclose(env._state.dopants.ground_nm, known.ground_nm, atol=0.02)


def test_too_few_dopants_end_the_episode() -> None:
    env = Environment(Embedded(calm(sample=Graphene(5.0, 5.0, silicon=2))), ArrangeDopants())
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(np.zeros(4, np.float32))
    assert terminated
    assert reward < -0.9
    assert "value" not in info


@pytest.mark.parametrize("in_place", [False, True])
def test_vector_and_single_environments_agree_bit_for_bit(in_place: bool) -> None:
    core, task = StemMicroscope(sample=SHEET), ArrangeDopants(tries=12, survey_every=4)
    actions = np.random.default_rng(0).uniform(-1, 1, (10, 3, 4)).astype(np.float32)
    many = VectorEnvironment(dataclasses.replace(core, in_place=in_place), task, 3)
    together = [many.reset(seed=10)[0]]
    rewards: list[np.ndarray] = []
    unsure = 0
    for step, action in enumerate(actions):
        if step == 5:  # one row asks for a survey alone
            many._state.unsure[1] = True
        observation, reward, *_ = many.step(action)
        unsure += int(observation["last"][1, 0] == 0.0)
        together.append(observation)
        rewards.append(reward)
    assert unsure == 1
    for row in range(3):
        one = Environment(Embedded(core), task)
        alone = [one.reset(seed=10 + row)[0]]
        for step in range(10):
            if step == 5 and row == 1:
                one._state.unsure[0] = True
                one._asked = None
            observation, alone_reward, *_ = one.step(actions[step, row])
            assert alone_reward == rewards[step][row]
            alone.append(observation)
        for a, b in zip(alone, together, strict=True):
            for name in a:
                np.testing.assert_array_equal(a[name], b[name][row])


def test_targets_at_random_are_apart_deep_and_not_farther_than_wanted() -> None:
    task = ArrangeDopants()
    many = VectorEnvironment(calm(), task, 12)
    many.reset(seed=0)
    state = many._state
    own = np.linalg.norm(state.targets_nm - state.dopants.ground_nm, axis=-1) / task.bond_nm
    assert ((own >= task.nearest_bonds) & (own <= task.farthest_bonds)).all()
    between = np.linalg.norm(state.targets_nm[:, :, None] - state.targets_nm[:, None], axis=-1)
    assert (between[:, ~np.eye(3, dtype=bool)] >= task.apart_bonds * task.bond_nm).all()
    assert (np.abs(state.targets_nm) <= 0.5 * 5.0 - task.margin_nm + 0.1).all()
    assert len(np.unique(state.targets_nm[:, 0].round(6), axis=0)) > 6


def test_a_pattern_that_is_given_is_taken_from_the_sites_next_to_it() -> None:
    points = ((-0.5, 0.0), (0.5, 0.0), (0.0, 0.8))
    env = Environment(Embedded(calm()), ArrangeDopants(points_nm=points))
    env.reset(seed=3)
    targets = env._state.targets_nm[0]
    assert (np.linalg.norm(targets - np.array(points), axis=-1) < 0.1).all()
    nearest = np.linalg.norm(env._state.lattice_nm[0][:, None] - targets, axis=-1)
    np.testing.assert_array_equal(np.nanmin(nearest, axis=0), 0.0)
    with pytest.raises(ValueError, match="2 places for 3 dopants"):
        ArrangeDopants(points_nm=points[:2])
    with pytest.raises(OutOfReach, match="points_nm"):
        ArrangeDopants(points_nm=((9.0, 0.0), *points[1:])).check(calm().describe())


def test_dopants_are_told_apart_by_the_shortest_ways() -> None:
    lattice = 0.142 * np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), -1).reshape(1, -1, 2)
    species = np.full(lattice.shape[:2], 6.0)
    species[0, [14, 16, 100]] = 14.0
    before, enough = found(lattice, species, 14, lattice[0, 15], 3)
    assert enough.all()
    every = np.ones((1, 3), dtype=bool)
    known = Dopants(before, np.full((1, 3, 3, 2), np.nan), np.zeros((1, 2)))
    after = np.full_like(species, 6.0)
    after[0, [16, 17, 101]] = 14.0  # the first takes the place that the second leaves
    shift = np.array([0.02, -0.01])
    look = Look(lattice + shift, after, np.ones(1, dtype=bool), every, every)
    seen, missing = followed(known, look, lattice, 14, 0.142)
    assert not missing.any()
    np.testing.assert_allclose(seen.home_nm[0], shift, atol=1e-12)
    ways = np.linalg.norm(seen.ground_nm - before, axis=-1)[0] / 0.142
    assert ways.sum() == pytest.approx(4.0)
    gone = dataclasses.replace(look, species=np.where(np.arange(144) == 101, 6.0, after))
    np.testing.assert_array_equal(followed(known, gone, lattice, 14, 0.142)[1].sum(), 1)


def test_the_value_is_that_of_the_best_assignment() -> None:
    np.testing.assert_allclose(shortest(np.array([[[1.0, 2.0], [0.5, 4.0]], [[0.0, 9.0], [9.0, 0.0]]])), [2.5, 0.0])


def test_what_cannot_serve_is_refused() -> None:
    with pytest.raises(NotSupported, match="which arrange_dopants needs"):
        ArrangeDopants().check(Flat().describe())
    with pytest.raises(OutOfReach, match="margin"):
        ArrangeDopants(margin_nm=3.0).check(calm().describe())

"""What physics puts into a policy: outputs become actions that make sense, masks hold, shaping adds up to nothing."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from agents.planning.greedy_hops import GreedyHops
from agents.protocol import AgentError, Problem
from agents.reinforcement import hop_actions
from agents.reinforcement.physics import Physics
from agents.reinforcement.policy import Policy, Signature, load
from environments.tasks.move_dopant import MoveDopant
from environments.vector import VectorEnvironment
from experiments.config import ConfigError
from experiments.training.environments import Copies, signature_of
from experiments.training.settings import build_training, compose_training
from instruments.twins.stem.microscope import StemMicroscope

LOW, HIGH = -np.ones(3), np.ones(3)


@pytest.fixture(scope="module")
def environment() -> VectorEnvironment:
    return VectorEnvironment(StemMicroscope(), MoveDopant(tries=6), 8, autoreset_mode=AutoresetMode.SAME_STEP)


def seen(environment: VectorEnvironment) -> dict[str, np.ndarray]:
    return environment.reset(seed=3)[0]


def test_a_residual_of_nothing_is_the_greedy_agent_in_every_row(environment) -> None:
    observation = seen(environment)
    own = Physics("residual").actions(observation, np.zeros((8, 3)), LOW, HIGH)
    agent = GreedyHops()
    agent.begin(Problem(LOW, HIGH, "minimise", "distance", "bonds"), 0)
    for row in range(8):
        decision = agent.act({name: values[row] for name, values in observation.items()})
        assert own[row] == pytest.approx(decision.action, abs=1e-6)
    moved = Physics("residual", scale=0.5).actions(observation, np.full((8, 3), -0.2), LOW, HIGH)
    assert moved == pytest.approx(np.clip(own - 0.1, -1, 1))


def test_allowed_choices_aim_at_a_neighbour_that_is_nearer_to_the_target(environment) -> None:
    observation = seen(environment)
    allowed = Physics("hops", mask=True).allowed(observation)
    assert allowed.shape == (8, 9)
    assert not allowed.all()
    away = np.hypot(*observation["target"].T)
    for choice in range(9):
        action = Physics("hops").actions(observation, np.full(8, choice), LOW, HIGH)
        left = np.hypot(*(observation["target"] - action[:, :2] / hop_actions.AIM * 0.2 / 0.142).T)
        assert np.array_equal(allowed[:, choice], left < away)
    observation["neighbours"] = observation["neighbours"] * np.array([1, 1, 0, 0, 0, 0])
    assert Physics("hops", mask=True).allowed(observation).sum(1).max() == 3


def test_shaping_adds_up_to_what_there_was_to_begin_with(environment) -> None:
    gamma, gap, first = 0.9, np.zeros(8), None
    copies = {weight: Copies(environment, 5, Physics("residual", potential=weight), gamma) for weight in (0.0, 2.0)}
    rewards = {}
    for weight, one in copies.items():
        one.reset()
        first = one.physics.shaping(one._seen)
        rewards[weight], over = [], np.zeros(8, bool)
        for _ in range(6):
            one.step_async(np.zeros((8, 3), np.float32))
            _, reward, ended, _ = one.step_wait()
            rewards[weight].append(np.where(over, 0.0, reward))
            over |= ended
        assert over.all()
    discounts = gamma ** np.arange(6)
    gap = discounts @ (np.array(rewards[2.0]) - np.array(rewards[0.0]))
    assert gap == pytest.approx(-first, abs=1e-4)


def test_a_grid_reaches_every_corner_and_only_bounded_actions() -> None:
    physics = Physics("grid", levels=3)
    assert physics.outputs(LOW[:2], HIGH[:2], None)[2] == 9
    actions = physics.actions({}, np.arange(9), LOW[:2], HIGH[:2])
    assert {tuple(row) for row in actions.tolist()} == {(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)}
    with pytest.raises(AgentError, match="bounded"):
        physics.outputs(np.zeros(1), np.ones(1), 2)
    with pytest.raises(AgentError, match=r"levels=100 makes"):
        Physics("grid", levels=100).outputs(LOW, HIGH, None)
    with pytest.raises(AgentError, match="move_dopant"):
        Physics("residual").outputs(LOW[:2], HIGH[:2], None)


def test_a_policy_keeps_its_physics_in_its_file(environment, tmp_path) -> None:
    rng = np.random.default_rng(0)
    signature: Signature = signature_of(environment)
    layers = ((rng.normal(size=(9, 14)), rng.normal(size=9)),)
    physics = Physics("hops", mask=True)
    policy = Policy(signature, layers, np.zeros(14), np.ones(14), 10.0, {}, "relu", True, physics)
    policy.save(tmp_path / "policy.npz")
    again = load(str(tmp_path / "policy.npz"))
    assert (again.physics, again.between, again.squashed) == (physics, "relu", True)
    observation = seen(environment)
    assert np.array_equal(again.act(observation), policy.act(observation))
    by_choice = np.stack([physics.actions(observation, np.full(8, choice), LOW, HIGH) for choice in range(9)], axis=1)
    same = (by_choice == policy.act(observation)[:, None]).all(-1)
    assert (same & physics.allowed(observation)).any(1).all()


def test_a_mask_that_nobody_heeds_is_refused() -> None:
    with pytest.raises(ConfigError, match="trainer=masked_ppo"):
        build_training(compose_training(["training=move_dopant", "trainer=ppo"]))
    with pytest.raises(ConfigError, match="trainer=masked_ppo"):
        build_training(compose_training(["training=move_dopant", "physics.mask=false"]))

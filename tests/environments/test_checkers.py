"""Gymnasium's and Stable-Baselines3's own checkers find nothing; warnings are errors in this suite."""

import contextlib
import pickle
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as check_for_sb3

import environments
from environments.environment import Environment
from environments.registration import PRESETS
from environments.scalarisers import LoopArea
from environments.tasks.spectroscopy_map import SpectroscopyMap
from environments.vector import VectorEnvironment
from instruments.embedded import Embedded

IDS = tuple(PRESETS)
ADVICE = {"SearchComposition-v0": "symmetric and normalized Box", "TuneAberrations-v0": "unconventional shape"}
"""What Stable-Baselines3 would rather have: compositions are fractions in 0..1, and a camera frame stays a frame."""


@pytest.mark.parametrize("id", IDS)
def test_gymnasium_finds_nothing(id: str) -> None:
    check_env(gymnasium.make(f"environments:{id}").unwrapped)


@pytest.mark.parametrize("id", IDS)
def test_stable_baselines_finds_nothing_but_advice(id: str) -> None:
    environment = gymnasium.make(f"environments:{id}", render_mode="rgb_array")
    with pytest.warns(UserWarning, match=ADVICE[id]) if id in ADVICE else contextlib.nullcontext():
        check_for_sb3(environment)


@pytest.mark.parametrize("objective", ["maximise", "map"])
@pytest.mark.parametrize("images", [True, False])
def test_both_are_content_without_images_and_with_either_objective(small_film, objective, images) -> None:
    task = SpectroscopyMap(LoopArea(), shape=(4, 4), objective=objective)
    environment = Environment(Embedded(small_film(images=images)), task)
    check_env(environment, skip_render_check=True)
    check_for_sb3(environment)
    assert ("image" in environment.observation_space.spaces) == images


@pytest.mark.parametrize("id", IDS)
def test_the_vector_entry_point_is_the_batched_environment(id: str) -> None:
    vector = gymnasium.make_vec(f"environments:{id}", num_envs=2, autoreset_mode=AutoresetMode.SAME_STEP)
    assert isinstance(vector, VectorEnvironment)
    assert vector.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    observation, _ = vector.reset(seed=0)
    assert vector.observation_space.contains(observation)


def test_the_policy_of_stable_baselines_learns_on_it(small_film) -> None:
    from stable_baselines3 import PPO

    environment = Environment(Embedded(small_film()), SpectroscopyMap(LoopArea(), shape=(3, 3)), max_steps=8)
    model = PPO("MultiInputPolicy", environment, n_steps=16, batch_size=16, n_epochs=1, seed=0, device="cpu")
    before = [p.detach().numpy().copy() for p in model.policy.parameters()]
    model.learn(16)
    assert any(
        not np.array_equal(a, b.detach().numpy()) for a, b in zip(before, model.policy.parameters(), strict=True)
    )


@pytest.mark.parametrize("id", IDS)
def test_a_task_that_was_used_can_be_sent_to_another_process(id: str) -> None:
    environment = gymnasium.make(f"environments:{id}").unwrapped
    environment.reset(seed=0)
    environment.step(environment.action_space.sample())
    assert pickle.loads(pickle.dumps(environment.task)) == environment.task


def test_registering_again_does_no_harm() -> None:
    environments.register()
    assert "FindPeak-v0" in gymnasium.registry
    assert "environments.registration" in sys.modules

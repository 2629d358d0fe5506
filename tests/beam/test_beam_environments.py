"""The registered environments of the beam's tasks: both checkers, and the vector form."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_for_sb3

IDS = ("WriteVacancies-v0", "ImageWithinDose-v0")


@pytest.mark.parametrize("id", IDS)
def test_the_checkers_find_nothing(id: str) -> None:
    environment = gymnasium.make(f"environments:{id}", render_mode="rgb_array")
    check_env(environment.unwrapped, skip_render_check=True)
    check_for_sb3(environment)


@pytest.mark.parametrize("id", IDS)
def test_the_vector_form_goes_on_after_an_end(id: str) -> None:
    vector = gymnasium.make_vec(f"environments:{id}", num_envs=2, max_steps=2)
    observation, _ = vector.reset(seed=0)
    assert vector.observation_space.contains(observation)
    rng = np.random.default_rng(0)
    for _ in range(4):
        observation, *_ = vector.step(rng.uniform(-1, 1, (2, 4)) * 0.5)
        assert vector.observation_space.contains(observation)
    truth = vector.core.truth(vector._world, 0)
    for values in observation.values():
        assert not np.isin(truth["loss_barn"][truth["loss_barn"] > 0].astype(np.float32), values).any()

"""What a law favours is what an untrained network chooses by; training, checkpoints and files keep to it."""

from __future__ import annotations

import numpy as np
import pytest

from agents.protocol import AgentError
from agents.reinforcement.beliefs import Beliefs
from agents.reinforcement.policy import load
from experiments.training import session
from experiments.training.settings import TrainSettings, build_training, compose_training

HOPS = ("training=move_dopant", "copies=16", "trainer.rollout=16", "trainer.batch_size=64", "tracking.enabled=false")


def settings(*overrides: str) -> TrainSettings:
    return compose_training([*HOPS, "physics.action=choices", "physics.prior=1.5", "physics.belief=true", *overrides])


@pytest.mark.parametrize("masked", [True, False])
def test_an_untrained_network_chooses_by_the_law(masked) -> None:
    import torch

    own = () if masked else ("trainer=ppo", "trainer.rollout=16", "trainer.batch_size=64", "physics.mask=false")
    wanted = settings(*own)
    parts = build_training(wanted)
    copies = session._copies(wanted, parts)
    parts.trainer.begin(copies, 0)
    flat = copies.reset()
    model = parts.trainer._model
    seen = torch.as_tensor(model.get_env().normalize_obs(flat))
    asked = {"action_masks": copies.action_masks()} if masked else {}
    found = model.policy.get_distribution(seen, **asked).distribution.probs.detach().numpy()
    favoured = wanted.physics.favoured(copies._seen)
    wish = np.exp(favoured) * (copies.action_masks() if masked else 1.0)
    assert np.abs(found - wish / wish.sum(1, keepdims=True)).max() < 0.02
    assert found.max(1).min() > 0.2


def test_the_numbers_act_as_the_library_does_and_a_checkpoint_goes_on(tmp_path) -> None:
    wanted = settings()
    parts = build_training(wanted)
    copies = session._copies(wanted, parts)
    parts.trainer.begin(copies, 1)
    parts.trainer.learn(1024)
    policy = parts.trainer.policy(copies.signature, {}, wanted.physics)
    policy.save(tmp_path / "policy.npz")
    assert load(str(tmp_path / "policy.npz")).physics == wanted.physics
    beliefs = Beliefs(wanted.physics)
    observation = beliefs.begin(copies.environment.reset(seed=4)[0])
    flat = parts.trainer._model.get_env().normalize_obs(copies._flat(observation))
    allowed = wanted.physics.allowed(observation)
    theirs = parts.trainer._model.predict(flat, deterministic=True, action_masks=allowed)[0]
    actions = wanted.physics.actions(observation, theirs, *copies._bounds)
    assert load(str(tmp_path / "policy.npz")).act(observation) == pytest.approx(actions, abs=1e-4)
    parts.trainer.save(tmp_path)
    again = build_training(wanted)
    others = session._copies(wanted, again)
    again.trainer.restore(others, tmp_path)
    assert again.trainer.policy(others.signature, {}, wanted.physics).act(observation) == pytest.approx(
        actions, abs=1e-4
    )
    again.trainer.learn(256)
    assert again.trainer.steps == 1024 + 256


def test_learners_that_heed_no_prior_refuse_it() -> None:
    own = ("trainer=dqn", "physics.mask=false")
    wanted = compose_training([*HOPS[:2], *own, "physics.action=choices", "physics.prior=1.0"])
    parts = build_training(wanted)
    with pytest.raises(AgentError, match=r"physics.prior is for trainer=ppo and masked_ppo, DQN"):
        parts.trainer.begin(session._copies(wanted, parts), 0)

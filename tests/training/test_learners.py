"""Every learner learns the trivial task, is put down and taken up with what it saw, and leaves numbers that act."""

from __future__ import annotations

import numpy as np
import pytest

from agents.protocol import AgentError
from agents.reinforcement.policy import load
from experiments.training import folder as places
from experiments.training import session
from experiments.training.evaluation import evaluate
from experiments.training.settings import TrainSettings, build_training, compose_training

LEARNERS = {
    "sac": ("trainer=sac",),
    "tqc": ("trainer=tqc",),
    "dqn": ("trainer=dqn", "physics.action=grid", "physics.levels=7"),
}


def settings(*overrides: str) -> TrainSettings:
    small = ("steps=6400", "evaluate_every=3200", "copies=32", "episodes=60", "tracking.enabled=false")
    return compose_training([*small, *overrides])


@pytest.mark.parametrize("name", LEARNERS)
def test_it_learns_and_is_taken_up_with_what_it_saw(name, tmp_path) -> None:
    wanted = settings(*LEARNERS[name], f"runs={tmp_path}")
    parts = build_training(wanted)
    parts.trainer.begin(session._copies(wanted, parts), 0)
    before = evaluate(parts.trainer.policy(session._copies(wanted, parts).signature, {}, wanted.physics), wanted, parts)

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    stopped = session.train(wanted, stop)
    with np.load(places.last_checkpoint(stopped.folder) / "replay.npz", allow_pickle=False) as stored:
        assert int(stored["pos"]) * wanted.copies == stopped.steps
    trained = session.resume(stopped.folder, lambda line: None)
    assert trained.finished
    assert trained.last["return"] > before.returns.mean() + 3 * before.standard_error
    with np.load(places.last_checkpoint(stopped.folder) / "replay.npz", allow_pickle=False) as stored:
        assert int(stored["pos"]) * wanted.copies == trained.steps


@pytest.mark.parametrize("name", LEARNERS)
def test_the_numbers_act_as_the_library_does(name, tmp_path) -> None:
    wanted = settings(*LEARNERS[name])
    parts = build_training(wanted)
    copies = session._copies(wanted, parts)
    parts.trainer.begin(copies, 1)
    parts.trainer.learn(1200)
    policy = parts.trainer.policy(copies.signature, {}, wanted.physics)
    policy.save(tmp_path / "policy.npz")
    observation, _ = copies.environment.reset(seed=4)
    flat = parts.trainer._model.get_env().normalize_obs(copies.signature.flat(observation).astype(np.float32))
    theirs = wanted.physics.actions(
        observation, parts.trainer._model.predict(flat, deterministic=True)[0], *copies._bounds
    )
    assert load(str(tmp_path / "policy.npz")).act(observation) == pytest.approx(theirs, abs=1e-4)


def test_outputs_of_the_wrong_kind_are_refused(tmp_path) -> None:
    with pytest.raises(AgentError, match=r"physics.action=grid"):
        session.train(settings("trainer=dqn", f"runs={tmp_path}"), print)
    with pytest.raises(AgentError, match="not choices"):
        session.train(settings("trainer=sac", "physics.action=grid", f"runs={tmp_path}"), print)

"""A learner with a memory learns what needs one; its memory is numbers, and is put down and taken up with the rest."""

from __future__ import annotations

import dataclasses

import gymnasium
import numpy as np
import pytest

from agents.protocol import AgentError, Decision, Transition
from agents.reinforcement.lstm import Lstm
from agents.reinforcement.policy import load
from agents.reinforcement.trained import TrainedPolicy
from environments.tasks.find_peak import FindPeak
from experiments.campaign.problem import problem_of
from experiments.cli.app import main
from experiments.training import folder as places
from experiments.training import session
from experiments.training.evaluation import HELD_OUT, evaluate
from experiments.training.settings import build_training, compose_training
from instruments.keys import uniform

SMALL = ("trainer=recurrent_ppo", "copies=32", "episodes=60", "tracking.enabled=false")


class Recall(FindPeak):
    """A sign is shown before the first action, and is to be told by the last one: -(x - 0.7 sign)^2."""

    def observation_space(self, capabilities):
        return gymnasium.spaces.Dict({"hint": gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)})

    def start(self, keys, capabilities):
        sign = np.where(uniform(keys, 1)[:, 0] < 0.5, -1.0, 1.0)
        return dataclasses.replace(super().start(keys, capabilities), best=sign)

    def observation(self, state):
        return {"hint": np.where(state.tries == 0, state.best, 0.0).astype(np.float32)[:, None]}

    def update(self, state, actions, results):
        after, outcome = super().update(state, actions, results)
        told = np.where(outcome.terminated, -((actions[:, 0] - 0.7 * state.best) ** 2), 0.0)
        return dataclasses.replace(after, best=state.best), dataclasses.replace(outcome, reward=told)


def settings(*overrides):
    return compose_training([*SMALL, *overrides])


@pytest.fixture(scope="module")
def learned():
    """What learned the task above, and the copies that it learned from."""
    wanted = settings("trainer.cells=16", "trainer.layers=[]", "trainer.learning_rate=0.01", "trainer.rollout=24")
    wanted = dataclasses.replace(wanted, trainer={**wanted.trainer, "batch_size": 192})
    parts = dataclasses.replace(build_training(wanted), task=Recall(tries=3))
    copies = session._copies(wanted, parts)
    parts.trainer.begin(copies, 0)
    parts.trainer.learn(20_000)
    return wanted, parts, copies


def policy_of(learned):
    wanted, parts, copies = learned
    return parts.trainer.policy(copies.signature, {}, wanted.physics)


def test_it_learns_what_no_policy_without_a_memory_can(learned) -> None:
    wanted, parts, _ = learned
    found = evaluate(policy_of(learned), wanted, parts)
    assert (found.lengths == 3).all()
    assert found.returns.mean() > -0.2, "-0.49 is the most without a memory"


def test_the_numbers_remember_as_the_library_does(learned, tmp_path) -> None:
    _, parts, copies = learned
    model, theirs, ours = parts.trainer._model, None, None
    policy_of(learned).save(tmp_path / "policy.npz")
    policy, starts = load(str(tmp_path / "policy.npz")), np.ones(32, bool)
    rng = np.random.default_rng(3)
    for _ in range(12):
        seen = {"hint": rng.normal(size=(32, 1)).astype(np.float32)}
        flat = model.get_env().normalize_obs(copies.signature.flat(seen))
        expected, theirs = model.predict(flat, state=theirs, episode_start=starts, deterministic=True)
        found, ours = policy.step(seen, ours)
        starts = np.zeros(32, bool)
        assert found == pytest.approx(np.clip(expected, -1.0, 1.0), abs=2e-6)
        assert ours.hidden == pytest.approx(theirs[0][0], abs=2e-6)
        assert ours.cells == pytest.approx(theirs[1][0], abs=2e-6)
    assert np.abs(found).std() > 0


def test_one_step_is_that_of_torch_in_double_precision() -> None:
    import torch

    rng, theirs = np.random.default_rng(0), torch.nn.LSTM(5, 7).double()
    own = [p.detach().numpy() for p in theirs.parameters()]
    lstm = Lstm(own[0], own[1], own[2] + own[3])
    memory, state = lstm.fresh(4), None
    for _ in range(6):
        values = 30.0 * rng.normal(size=(4, 5))
        memory = lstm.step(values, memory)
        _, state = theirs(torch.from_numpy(values)[None], state)
        assert memory.hidden == pytest.approx(state[0][0].detach().numpy(), abs=1e-12)
        assert memory.cells == pytest.approx(state[1][0].detach().numpy(), abs=1e-12)


def test_the_agent_remembers_what_it_was_told_and_only_that(learned, tmp_path) -> None:
    policy = policy_of(learned)
    policy.save(tmp_path / "policy.npz")
    agent, told = begun(tmp_path), []
    memory = None
    for step, hint in enumerate([1.0, 0.0, 0.0, -1.0], start=1):
        seen = {"hint": np.array([hint], np.float32)}
        agent.act(seen)  # to ask twice is not to see twice
        decision = agent.act(seen)
        expected, memory = policy.step({"hint": seen["hint"][None]}, memory)
        assert np.array_equal(decision.action, expected[0])
        told.append(Transition(step, decision, 0.0, np.ones(step, bool), 0.0, {}, before=seen))
        agent.tell(told[-1])
    resumed = begun(tmp_path)
    for transition in told[:2]:
        resumed.tell(transition)  # a resumed campaign tells without asking
    again = begun(tmp_path)
    again.restore(resumed.state())
    for transition in told[2:]:
        again.tell(transition)
    assert np.array_equal(again.act(seen).action, agent.act(seen).action)
    assert not np.array_equal(begun(tmp_path).act(seen).action, agent.act(seen).action)
    agent.begin(problem_of_recall(), 0)
    assert np.array_equal(agent.act(seen).action, begun(tmp_path).act(seen).action)


def test_who_does_not_say_what_was_seen_is_told(learned, tmp_path) -> None:
    policy_of(learned).save(tmp_path / "policy.npz")
    with pytest.raises(AgentError, match=r"Transition.before is empty"):
        begun(tmp_path).tell(Transition(1, Decision(np.zeros(2), ""), 0.0, np.ones(1, bool), 0.0, {}))
    with pytest.raises(AgentError, match="remembers"):
        policy_of(learned).act({"hint": np.zeros((1, 1))})


def test_a_stopped_training_goes_on_and_its_policy_runs_a_campaign(tmp_path, capsys) -> None:
    wanted = settings("steps=9000", "evaluate_every=4096", f"runs={tmp_path}")

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    stopped = session.train(wanted, stop)
    parts = build_training(wanted)
    copies = session._copies(wanted, parts)
    parts.trainer.restore(copies, places.last_checkpoint(stopped.folder))
    kept, now = load(str(stopped.folder / "policy.npz")), parts.trainer.policy(copies.signature, {}, wanted.physics)
    assert np.array_equal(kept.lstm.back, now.lstm.back)
    assert parts.trainer.steps == stopped.steps
    trained = session.resume(stopped.folder, lambda line: None)
    assert trained.finished
    assert trained.last["return"] > evaluate(kept, wanted, parts).returns.mean()
    run = ["run", "campaign=find_peak", "task.tries=10", "scenario=shifted", "tracking=off", f"runs={tmp_path}"]
    assert main([*run, "agent=trained", f"agent.policy={trained.folder / 'policy.npz'}"]) == 0
    assert "finished" in capsys.readouterr().out


def begun(folder) -> TrainedPolicy:
    agent = TrainedPolicy(str(folder / "policy.npz"))
    agent.begin(problem_of_recall(), 0)
    return agent


def problem_of_recall():
    from environments.environment import Environment
    from instruments.embedded import Embedded
    from instruments.twins.flat import Flat

    env = Environment(Embedded(Flat()), Recall(tries=3))
    env.reset(seed=HELD_OUT)
    return problem_of(env.brief(), env.action_space)

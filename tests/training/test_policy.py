"""A policy file holds numbers and a description; whoever acts by it refuses what does not fit."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from agents.protocol import AgentError, Problem
from agents.reinforcement.policy import Policy, Signature, load
from agents.reinforcement.trained import TrainedPolicy

SIGNATURE = Signature((("place", (2,)), ("image", (2, 3))), (-1.0, -1.0), (1.0, 1.0))
ABOUT = {"task": "find_peak", "algorithm": "PPO", "steps": 10}


def policy(signature: Signature = SIGNATURE, scale: float = 1.0) -> Policy:
    rng = np.random.default_rng(0)
    outputs = signature.choices or len(signature.low)
    layers = tuple((scale * rng.normal(size=(o, i)), rng.normal(size=o)) for i, o in ((8, 5), (5, outputs)))
    return Policy(signature, layers, rng.normal(size=8), 1.0 + rng.uniform(size=8), 10.0, ABOUT)


def seen(rows: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {"image": rng.normal(size=(rows, 2, 3)), "place": rng.normal(size=(rows, 2)), "more": np.zeros((rows, 9))}


def problem(low: float = -1.0, choices: int | None = None) -> Problem:
    return Problem(np.full(2, low), np.ones(2), "maximise", "height", "nm", choices=choices)


def test_what_is_written_is_read_back_and_acts_the_same(tmp_path: Path) -> None:
    policy().save(tmp_path / "policy.npz")
    again = load(str(tmp_path / "policy.npz"))
    assert np.array_equal(again.act(seen()), policy().act(seen()))
    assert again.about == ABOUT
    assert again.signature == SIGNATURE
    assert [path.name for path in tmp_path.iterdir()] == ["policy.npz"]


def test_actions_stay_within_their_bounds_and_choices_are_whole() -> None:
    wild = policy(scale=100.0).act(seen(50))
    assert np.abs(wild).max() == 1.0
    chosen = policy(Signature(SIGNATURE.observation, (0.0,), (2.0,), 3)).act(seen(50))
    assert set(chosen.tolist()) <= {0, 1, 2}
    assert len(set(chosen.tolist())) > 1


def test_a_row_does_not_depend_on_its_batch() -> None:
    whole, one = policy().act(seen()), policy().act({name: values[2:3] for name, values in seen().items()})
    assert one[0] == pytest.approx(whole[2], abs=1e-12)


def test_the_agent_acts_as_the_policy_and_learns_nothing(tmp_path: Path) -> None:
    policy().save(tmp_path / "policy.npz")
    agent = TrainedPolicy(str(tmp_path / "policy.npz"))
    agent.begin(problem(), 0)
    observation = {name: values[0] for name, values in seen().items()}
    decision = agent.act(observation)
    assert decision.action == pytest.approx(policy().act(seen())[0])
    assert "PPO" in decision.reason
    state = agent.state()
    agent.restore(state)
    with pytest.raises(AgentError, match="not of TrainedPolicy"):
        agent.restore({"agent": "Sobol"})


def test_tasks_that_do_not_fit_are_refused_with_both_sides_named(tmp_path: Path) -> None:
    policy().save(tmp_path / "policy.npz")
    agent = TrainedPolicy(str(tmp_path / "policy.npz"))
    with pytest.raises(AgentError, match=r"\[-1.0, -1.0\].*\[-2.0, -2.0\]"):
        agent.begin(problem(low=-2.0), 0)
    agent.begin(problem(), 0)
    with pytest.raises(AgentError, match="'image'"):
        agent.act({"place": np.zeros(2)})
    with pytest.raises(AgentError, match=r"\(2, 3\)"):
        agent.act({"place": np.zeros(2), "image": np.zeros((3, 3))})


def test_foreign_files_are_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    class Loud:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "unpickled",))

    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Loud()))
    np.savez(tmp_path / "b.npz", said=np.array([Loud()], dtype=object))
    np.savez(tmp_path / "c.npz", weights=np.zeros(3))
    for name in ("a.pkl", "b.npz", "c.npz"):
        with pytest.raises(AgentError, match="no policy of ours"):
            load(str(tmp_path / name))
    assert not (tmp_path / "unpickled").exists()
    with pytest.raises(AgentError, match="probewright train"):
        load(str(tmp_path / "nothing.npz"))


def test_an_agent_without_a_policy_says_what_to_give() -> None:
    with pytest.raises(AgentError, match=r"agent\.policy=FILE"):
        TrainedPolicy().begin(problem(), 0)

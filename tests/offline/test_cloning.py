"""A clone does what it was shown: it learns in seconds, goes on bit for bit, and never sees what is held back."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from agents.protocol import AgentError
from agents.reinforcement.cloning import Cloning
from agents.reinforcement.hop_actions import DWELLS
from agents.reinforcement.lessons import Lessons
from agents.reinforcement.physics import Physics
from agents.reinforcement.policy import Signature, load
from experiments.cli.app import main
from experiments.config import ConfigError
from experiments.training import folder as places
from experiments.training import session
from experiments.training.evaluation import evaluate
from experiments.training.settings import TrainSettings, build_training, compose_training

PLACE = Signature((("place", (2,)),), (-1.0, 0.0), (1.0, 10.0))


def settings(taught, *overrides: str) -> TrainSettings:
    quiet = (f"data={taught}", "runs=runs", "tracking.enabled=false", "episodes=60", "evaluate_every=20000")
    return compose_training(["training=clone", *quiet, *overrides])


def silent(line: str) -> None:
    pass


def untrained(wanted: TrainSettings) -> float:
    """Return of the same network before it has learned."""
    parts = build_training(wanted)
    lessons, _ = session.recorded_lessons(wanted, parts)
    parts.trainer.begin(lessons, wanted.seed)
    return float(evaluate(parts.trainer.policy(lessons.signature, {}, wanted.physics), wanted, parts).returns.mean())


@pytest.mark.parametrize("overrides", [(), ("physics.action=grid", "physics.levels=15")], ids=["numbers", "choices"])
def test_the_trivial_task_is_learned_from_a_good_agent(taught, overrides, capsys) -> None:
    wanted = settings(taught, *overrides)
    parts = build_training(wanted)
    assert parts.task.tries == 10
    assert wanted.scenario["name"] == "shifted"
    teacher = float(evaluate(load("shipped:find_peak"), wanted, parts).returns.mean())
    bar = 0.8 * teacher
    trained = session.train(wanted, silent)
    assert untrained(wanted) < bar / 2
    assert trained.last["return"] > bar
    assert {"policy.npz", "curve.png", "progress.csv", "summary.json", "config.yaml"} <= {
        path.name for path in trained.folder.iterdir()
    }
    assert trained.steps < wanted.steps
    run = ["run", "campaign=find_peak", "task.tries=10", "scenario=shifted", "tracking=off", "runs=runs"]
    assert main([*run, "agent=trained", f"agent.policy={trained.folder / 'policy.npz'}"]) == 0


def test_a_stopped_training_goes_on_bit_for_bit_without_its_data(taught, tmp_path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(taught, moved)
    wanted = settings(moved, "steps=12000", "evaluate_every=4000")
    whole = session.train(wanted, silent)

    def stop(line: str) -> None:
        if "recorded episodes" not in line:
            raise KeyboardInterrupt

    stopped = session.train(wanted, stop)
    assert 0 < stopped.steps < whole.steps
    shutil.rmtree(moved)
    resumed = session.resume(stopped.folder, silent)
    assert resumed.finished
    one, other = (load(str(folder / "policy.npz")) for folder in (whole.folder, resumed.folder))
    for a, b in zip(one.layers, other.layers, strict=True):
        assert np.array_equal(a[0], b[0])
        assert np.array_equal(a[1], b[1])
    names = ("steps", "return", "loss", "validation_loss")
    curves = [[[row[name] for name in names] for row in places.rows(t.folder)] for t in (whole, resumed)]
    assert curves[0] == curves[1]


def lessons(rows: int = 60, physics: Physics | None = None, shift: float = 0.0) -> Lessons:
    """Ten episodes in which what is done follows from what is seen; `shift` moves the last episode's observations."""
    rng = np.random.default_rng(0)
    seen, episode = rng.uniform(-1, 1, (rows, 2)), np.repeat(np.arange(10), rows // 10)
    done = np.column_stack([seen[:, 0], 5.0 + 5.0 * np.tanh(seen[:, 1])])
    return Lessons(PLACE, physics or Physics(), {"place": seen + shift * (episode == 9)[:, None]}, done, episode)


def test_whole_episodes_are_held_back_and_never_looked_at() -> None:
    clone = Cloning(validation=0.3)
    clone.begin(lessons(), 4)
    held = set(lessons().episode[clone._held].tolist())
    assert len(held) == clone.held_back == 3
    assert held.isdisjoint(lessons().episode[clone._own].tolist())
    first, other = Cloning(validation=0.1), Cloning(validation=0.1)
    seed = next(s for s in range(100) if np.random.default_rng(s).permutation(10)[0] == 9)
    first.begin(lessons(), seed)
    other.begin(lessons(shift=50.0), seed)
    first.learn(60)
    other.learn(60)
    assert all(np.array_equal(a, b) for a, b in zip(first._weights(), other._weights(), strict=True))
    assert np.array_equal(first._mean, other._mean)
    assert first._held_loss() != other._held_loss()


def test_the_policy_is_that_of_the_epoch_with_the_lowest_held_back_loss() -> None:
    clone = Cloning(learning_rate=0.3, patience=5, batch_size=8)
    clone.begin(lessons(), 0)
    said = clone.learn(100_000)
    assert clone.done
    assert clone.steps < 100_000
    policy, data = clone.policy(PLACE, {}, Physics()), lessons()
    values = (policy.act(data.observation) - data.action) / np.array([1.0, 5.0])
    found = np.square(values[clone._held]).mean()
    assert found <= said["validation_loss"] + 1e-4  # the policy's outputs are clipped to the bounds
    assert clone._held_loss() > said["validation_loss"]


def test_numbers_are_learned_in_their_own_range() -> None:
    clone = Cloning(patience=200)
    clone.begin(lessons(600), 0)
    clone.learn(120_000)
    policy, data = clone.policy(PLACE, {}, Physics()), lessons(600)
    assert np.abs(policy.act(data.observation) - data.action).mean(0) == pytest.approx([0.0, 0.0], abs=0.15)


def around() -> dict[str, np.ndarray]:
    """A dopant with three neighbours a bond of 0.7 reach away, the target to the right."""
    turns = np.deg2rad([0.0, 120.0, 240.0])
    neighbours = 0.7 * np.column_stack([np.cos(turns), np.sin(turns)])
    return {"neighbours": neighbours.reshape(1, 6), "target": np.array([[3.0, 0.1]])}


def moving(action: list[float], physics: Physics) -> Lessons:
    seen = (("neighbours", (6,)), ("target", (2,)))
    signature = Signature(seen, (-1.0,) * 3, (1.0,) * 3)
    return Lessons(signature, physics, around(), np.array([action]), np.zeros(1, np.int64))


def test_hops_are_the_nearest_choice_to_what_was_done() -> None:
    hops = Physics(action="hops")
    assert moving([0.6, 0.05, 0.9], hops).targets().tolist() == [2]  # the nearest neighbour, the longest dwell
    assert moving([0.5, 0.0, 0.4], hops).targets().tolist() == [1]
    second = moving([-0.3, 0.5, -0.4], hops)
    assert second.targets().tolist() == [3]
    for choice in range(9):
        (action,) = hops.actions(around(), np.array([choice]), -np.ones(3), np.ones(3))
        assert moving(action.tolist(), hops).targets().tolist() == [choice]
    assert len(DWELLS) == 3
    masked = Physics(action="hops", mask=True)
    assert moving([-0.3, -0.5, 1.0], hops).targets().tolist() == [8]
    assert moving([-0.3, -0.5, 1.0], masked).targets()[0] < 3  # the neighbours behind are not allowed


def test_residuals_are_what_the_greedy_action_lacks() -> None:
    physics = Physics(action="residual", scale=0.5)
    (wanted,) = moving([0.7, 0.1, 0.8], physics).targets()
    (acted,) = physics.actions(around(), wanted[None], -np.ones(3), np.ones(3))
    assert acted == pytest.approx([0.7, 0.1, 0.8])
    with pytest.raises(AgentError, match="nothing to clone"):
        moving([0.0, 0.0, 0.0], Physics(action="residual", scale=0.0)).targets()


def test_a_mask_is_heeded_in_the_fit() -> None:
    one = moving([0.6, 0.0, 1.0], Physics(action="hops", mask=True))
    seen = {name: np.repeat(values, 4, axis=0) for name, values in one.observation.items()}
    data = Lessons(one.signature, one.physics, seen, np.repeat(one.action, 4, axis=0), np.array([0, 0, 1, 1]))
    clone = Cloning()
    clone.begin(data, 0)
    said = clone.learn(4)
    assert said["loss"] < np.log(3) + 0.5  # of three that are allowed, not of nine
    policy = clone.policy(data.signature, {}, one.physics)
    assert policy.act(around()).shape == (1, 3)


def test_one_episode_and_what_is_not_finite_are_refused() -> None:
    data = lessons()
    alone = Lessons(data.signature, data.physics, data.observation, data.action, np.zeros(60, np.int64))
    with pytest.raises(AgentError, match="1 episode cannot be split"):
        Cloning().begin(alone, 0)
    broken = Lessons(data.signature, data.physics, {"place": np.full((60, 2), np.nan)}, data.action, data.episode)
    with pytest.raises(AgentError, match="not finite"):
        Cloning().begin(broken, 0)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["training=clone"], "give data=runs/NAME"),
        (["training=find_peak", "trainer=clone"], "give data=runs/NAME"),
        (["training=find_peak", "data={taught}"], "PPO learns on a twin and not from data"),
        (["training=clone", "data={taught}", "physics.potential=1"], "leave it at 0"),
        (["training=clone", "data={taught}", "task=move_dopant", "instrument=stem_graphene"], "do not fit the task"),
        (["training=clone", "data={taught}", "lessons.tries=5"], "as they are"),
        (["training=clone", "data=nowhere"], "there is no campaign"),
        (["training=clone", "data={taught}", "trainer.validation=1.5"], "validation"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(overrides, said, taught, tmp_path, capsys) -> None:
    given = [text.format(taught=taught) for text in overrides]
    assert main(["train", *given, f"runs={tmp_path / 'none'}", "tracking=off"]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
    assert not (tmp_path / "none").exists()


def test_a_key_of_the_task_changes_what_the_campaigns_say(taught) -> None:
    wanted = settings(taught, "task.tries=7", "scenario=matched")
    assert wanted.task["tries"] == 7
    assert wanted.task["_target_"].endswith("FindPeak")
    assert wanted.scenario["name"] == "matched"
    with pytest.raises(ConfigError, match="triess"):
        settings(taught, "task.triess=7")


def test_what_was_learned_from_is_kept(taught) -> None:
    trained = session.train(settings(taught, "steps=400"), silent)
    with np.load(trained.folder / "lessons.npz", allow_pickle=False) as stored:
        assert json.loads(str(stored["sources"])) == sorted(path.name for path in taught.glob("find_peak*"))
        assert stored["action"].shape == (400, 2)


@pytest.mark.parametrize("physics", [Physics(belief=True), Physics("choices", prior=1.0)], ids=["belief", "prior"])
def test_a_belief_and_a_prior_are_refused(physics) -> None:
    with pytest.raises(AgentError, match=r"heeds neither physics.belief nor physics.prior"):
        Cloning().begin(lessons(physics=physics), 0)

"""Training on a twin: the trivial task is learned in seconds, a stopped training goes on, MLflow holds the policy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from agents.protocol import AgentError
from agents.reinforcement.policy import load
from environments.tasks.find_peak import FindPeak
from environments.vector import VectorEnvironment
from experiments.cli.app import main
from experiments.config import ConfigError
from experiments.config.composing import to_plain
from experiments.tracking import address
from experiments.tracking.rows import flatten
from experiments.tracking.store import connect
from experiments.training import folder as places
from experiments.training import session, telling
from experiments.training.environments import Copies
from experiments.training.evaluation import HELD_OUT, environment_of, evaluate
from experiments.training.settings import TrainSettings, build_training, compose_training
from instruments.twins.flat import Flat

SMALL = ("steps=16000", "evaluate_every=8000", "copies=32", "episodes=60", "tracking.enabled=false")


def settings(*overrides: str) -> TrainSettings:
    return compose_training([*SMALL, *overrides])


def silent(line: str) -> None:
    pass


def test_the_trivial_task_is_learned_and_the_policy_runs_a_campaign(tmp_path, capsys) -> None:
    wanted = settings(f"runs={tmp_path}")
    trained = session.train(wanted, silent)
    assert trained.finished
    rows = places.rows(trained.folder)
    assert [row["steps"] for row in rows] == sorted(row["steps"] for row in rows)
    untrained = build_training(wanted)
    untrained.trainer.begin(session._copies(wanted, untrained), 0)
    before = evaluate(untrained.trainer.policy(_signature(wanted), {}, wanted.physics), wanted, untrained)
    assert rows[-1]["return"] > before.returns.mean() + 3 * before.standard_error
    assert json.loads((trained.folder / "summary.json").read_text())["return"] == pytest.approx(rows[-1]["return"])
    assert (trained.folder / "curve.png").stat().st_size > 5000
    policy = trained.folder / "policy.npz"
    run = ["run", "campaign=find_peak", "task.tries=10", "scenario=shifted", "tracking=off", f"runs={tmp_path}"]
    assert main([*run, "agent=trained", f"agent.policy={policy}"]) == 0
    assert "finished" in capsys.readouterr().out


def _signature(wanted: TrainSettings):
    return session._copies(wanted, build_training(wanted)).signature


def test_the_same_seed_gives_the_same_policy(tmp_path) -> None:
    kept = [session.train(settings("steps=4000", f"runs={tmp_path}"), silent).folder for _ in range(2)]
    first, second = (load(str(folder / "policy.npz")) for folder in kept)
    pairs = zip(first.layers, second.layers, strict=True)
    assert all(np.array_equal(one[i], two[i]) for one, two in pairs for i in (0, 1))


def test_a_stopped_training_goes_on_from_its_checkpoint(tmp_path, monkeypatch) -> None:
    wanted, stopping = settings(f"runs={tmp_path}"), []

    def stop(line: str) -> None:
        stopping.append(line)
        raise KeyboardInterrupt

    stopped = session.train(wanted, stop)
    assert not stopped.finished
    assert 0 < stopped.steps < wanted.steps
    with (stopped.folder / "progress.csv").open("a") as file:
        file.write("30000,1.0")  # a line that a kill cut short
    said: list[str] = []
    trained = session.resume(stopped.folder, said.append)
    assert trained.finished
    assert trained.steps >= wanted.steps
    assert said[0] == f"going on after {stopped.steps} steps"
    steps = [row["steps"] for row in places.rows(trained.folder)]
    assert steps[0] == stopped.steps
    assert len(set(steps)) == len(steps)
    assert len(places.checkpoints(trained.folder)) <= places.KEPT
    before = {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*")}
    again = session.resume(trained.folder, said.append)
    assert again.finished
    assert again.steps == trained.steps
    assert "left as it is" in said[-1]
    assert {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*")} == before


def test_a_checkpoint_is_whole_or_not_there(tmp_path) -> None:
    def broken(folder: Path) -> None:
        (folder / "model.zip").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        places.write_checkpoint(tmp_path, 5, broken)
    assert places.checkpoints(tmp_path) == []
    with pytest.raises(ConfigError, match="no checkpoint"):
        places.last_checkpoint(tmp_path)


def test_copies_tell_the_learner_what_the_environment_did() -> None:
    environment = VectorEnvironment(Flat(), FindPeak(tries=3), 2, autoreset_mode=AutoresetMode.SAME_STEP)
    copies = Copies(environment, 5)
    assert copies.reset().shape == (2, 4)
    actions = np.array([[0.1, 0.2], [-0.3, 0.4]], np.float32)
    for step in range(3):
        copies.step_async(actions * (step + 1) / 4)
        observation, reward, dones, infos = copies.step_wait()
        assert dones.tolist() == [step == 2] * 2
        assert reward.dtype == np.float32
    assert observation[:, 2:].tolist() == [[0.0, 0.0]] * 2
    assert infos[0]["terminal_observation"][2:] == pytest.approx(actions[0] * 0.75)
    assert [info["TimeLimit.truncated"] for info in infos] == [False, False]
    assert infos[0]["terminal_observation"].shape == (4,)
    assert len(copies.finished) == 2
    assert all(length == 3 and complete for _, length, complete in copies.finished)
    with pytest.raises(ValueError, match="SAME_STEP"):
        Copies(VectorEnvironment(Flat(), FindPeak(), 2), 0)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["stepps=3"], "steps"),
        (["trainer=pppo"], "ppo"),
        (["trainer.gamma=1.5"], "gamma"),
        (["resume=nowhere"], "no training"),
    ],
)
def test_what_cannot_be_trained_is_one_line(overrides, said, tmp_path, capsys) -> None:
    assert main(["train", *overrides]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


# MLflow 3.17 loads runs with what SQLAlchemy 2.1 deprecates.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
def test_mlflow_is_told_once_however_often(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(telling, "METRICS_PER_BATCH", 5)
    monkeypatch.setattr(telling, "PARAMETERS_PER_BATCH", 7)
    wanted = settings("steps=3000", "evaluate_every=2048", f"runs={tmp_path}", "tracking.enabled=true")
    trained = session.train(wanted, silent)
    said = [telling.tell(wanted, trained) for _ in range(2)]
    assert said[0] == said[1]
    assert said[0].endswith("models:/train_find_peak/1")
    uri = address.resolve(wanted.tracking, tmp_path / wanted.name)
    store = connect(uri, wanted.tracking.experiment, tmp_path)
    (run,) = store.search(f"tags.`probewright.training` = '{trained.folder.name}'")
    assert set(run.data.params) == set(flatten(to_plain(wanted)))
    history = store.client.get_metric_history(run.info.run_id, "return")
    assert [m.step for m in history] == [int(row["steps"]) for row in places.rows(trained.folder)]


def test_a_batch_that_no_rollout_fills_is_refused_and_leaves_nothing(tmp_path) -> None:
    with pytest.raises(AgentError, match=r"trainer.batch_size=129 is more than the 128 steps"):
        session.train(settings("copies=2", "trainer.batch_size=129", f"runs={tmp_path}"), silent)
    assert not list(tmp_path.iterdir())


def test_lessons_hold_while_it_is_learned_and_never_in_evaluations() -> None:
    wanted = settings(
        "training=move_dopant", "lessons={tries:3}", "task.tries=5", "episodes=4", "trainer=ppo", "physics.mask=false"
    )
    parts = build_training(wanted)
    copies = session._copies(wanted, parts)
    assert copies.environment.task.tries == 3
    parts.trainer.begin(copies, 0)
    assert (evaluate(parts.trainer.policy(copies.signature, {}, wanted.physics), wanted, parts).lengths <= 5).all()
    assert evaluate(parts.trainer.policy(copies.signature, {}, wanted.physics), wanted, parts).lengths.max() > 3
    with pytest.raises(ConfigError, match=r"lessons.triess.*tries"):
        build_training(settings("lessons={triess:3}"))


def test_held_out_seeds_are_never_drawn_in_training() -> None:
    wanted = settings()
    parts = build_training(wanted)
    environment = environment_of(wanted, parts, 4, AutoresetMode.SAME_STEP, parts.task)
    environment.reset(seed=2**31 - 1)
    drawn = [environment._seed(row, None) for row in range(4) for _ in range(2000)]
    assert max(drawn) < 2**31 + wanted.copies < HELD_OUT
    environment.reset(seed=HELD_OUT)

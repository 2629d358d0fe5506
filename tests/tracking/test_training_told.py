"""MLflow holds a training's curve, and its policy as a model version that an agent can load."""

from __future__ import annotations

from agents.reinforcement.policy import load
from experiments.cli.app import main


def test_a_policy_is_registered_and_loaded_by_its_name(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["steps=4000", "evaluate_every=2000", "copies=16", "episodes=10"]
    assert main(["train", *small]) == 0
    said = capsys.readouterr()
    assert "models:/train_find_peak/1" in said.err
    folder = said.out.strip().splitlines()[-1]
    registered = load("models:/train_find_peak/1")
    assert registered.about == load(f"{folder}/policy.npz").about
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    version = client.get_model_version("train_find_peak", "1")
    history = client.get_metric_history(version.run_id, "return")
    assert [point.step for point in history] == sorted({point.step for point in history})
    assert len(history) == 2

"""A policy of MLflow's registry runs a campaign by one command, on the twin and through the bridge, if it fits."""

from __future__ import annotations

import os
import threading

import pytest

from experiments.cli.app import main
from instruments.bridge.server import Server
from instruments.bridge.settings import ServerSettings
from instruments.embedded import Embedded
from instruments.twins.flat import Flat

# MLflow 3.17 loads runs with what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
POLICY = "agent.policy=models:/train_find_peak/1"


def test_a_registered_policy_runs_on_the_twin_and_through_the_bridge_and_nowhere_else(capsys) -> None:
    small = ["steps=4000", "evaluate_every=4000", "copies=16", "episodes=10"]
    assert main(["train", *small]) == 0
    run = ["run", "agent=trained", POLICY, "tracking=off"]
    find = [*run, "campaign=find_peak", "task.tries=10", "scenario=shifted", "seed=5"]
    assert main(find) == 0
    server = Server(Embedded(Flat()), ServerSettings(address="tcp://127.0.0.1:*"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert main([*find, "instrument=remote_twin", f"instrument.address={server.address}"]) == 0
    finally:
        server.stop()
        thread.join()
    best = [line for line in capsys.readouterr().out.splitlines() if line.startswith("1 ") or "best" in line]
    assert len(best) >= 2
    assert best[: len(best) // 2] == best[len(best) // 2 :]
    assert main([*run, "campaign=si_atom_move"]) != 0
    error = capsys.readouterr().err.strip().splitlines()
    (said,) = [line for line in error if "was trained for" in line]
    assert "models:/train_find_peak/1 was trained for actions in 2 numbers" in said
    assert "this task has 3 numbers" in said
    assert "MLFLOW_TRACKING_URI" not in os.environ  # looking a policy up leaves the process as it was


def test_a_version_that_is_not_there_is_one_line(capsys) -> None:
    assert main(["run", "campaign=find_peak", "agent=trained", POLICY, "tracking=off"]) != 0
    error = capsys.readouterr().err.strip()
    assert "models:/train_find_peak/1 is not in the registry" in error
    assert main(["run", "campaign=find_peak", "agent=trained", "agent.policy=models:/mine", "tracking=off"]) != 0
    assert "models:/NAME/VERSION" in capsys.readouterr().err

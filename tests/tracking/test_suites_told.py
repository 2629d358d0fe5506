"""MLflow's view of a suite: nested runs, told once, brought up to date."""

from __future__ import annotations

from collections import Counter

import pytest

from experiments.benchmark import telling
from experiments.benchmark.cell import Row
from experiments.benchmark.claims import claims
from experiments.benchmark.engine import Finished
from experiments.benchmark.plan import Plan
from experiments.benchmark.report import Facts
from experiments.benchmark.scores import collect
from experiments.benchmark.suite import Suite
from experiments.benchmark.tables import tables
from experiments.config import Tracking

PARENT, KIND = "mlflow.parentRunId", "probewright.kind"


def row(policy, seed, regret=(), status="ok"):
    costs = {"seconds": [1.0] * len(regret), "electrons": [0.0] * len(regret)}
    return Row(f"{policy}{seed}", policy, "film", "matched", seed, status, regret=list(regret), **costs)


@pytest.fixture
def facts(runs):
    """A suite by hand: two policies and the oracle, three seeds, one failed run if `broken`."""

    def make(broken=False):
        folder = runs / "benchmarks" / "by_hand-1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "table.md").write_text("| a table |")
        levels = {"random": 0.8, "other": 0.4, "oracle": 0.0}
        rows = [row(policy, seed, [level, level]) for policy, level in levels.items() for seed in range(3)]
        if broken:
            rows[4] = row("other", 1, status="failed")
        suite = Suite("by_hand", {"random": [], "other": []}, {})
        scores = collect(rows, "random", 0.5)
        return Facts(Finished(folder, Plan(suite, [], {}), rows), scores, tables(scores, draws=50), claims(scores))

    return make


def by_id(store):
    return {run.info.run_id: run for run in store.search("", limit=1000)}


def test_runs_are_nested_told_once_and_brought_up_to_date(runs, store, facts):
    said = telling.tell(facts(broken=True), Tracking(), runs)
    assert said.startswith("MLflow: mlflow ui --backend-store-uri ")
    told = by_id(store)
    kinds = Counter((run.data.tags[KIND], run.info.status) for run in told.values())
    assert kinds == {
        ("benchmark suite", "FINISHED"): 1,
        ("benchmark group", "FINISHED"): 3,
        ("benchmark cell", "FINISHED"): 8,
        ("benchmark cell", "FAILED"): 1,
    }
    (suite,) = [run for run in told.values() if run.data.tags[KIND] == "benchmark suite"]
    assert suite.data.metrics["other/failed"] == 1
    assert [a.path for a in store.client.list_artifacts(suite.info.run_id)] == ["table.md"]
    for run in told.values():
        if run is not suite:
            above = told[run.data.tags[PARENT]].data.tags[KIND]
            assert (run.data.tags[KIND], above) in {
                ("benchmark group", "benchmark suite"),
                ("benchmark cell", "benchmark group"),
            }
    telling.tell(facts(), Tracking(), runs)
    again = by_id(store)
    assert Counter(run.info.status for run in again.values()) == {"FINISHED": 13}
    assert again[suite.info.run_id].data.metrics["other/failed"] == 0


def test_beyond_the_limit_cells_are_not_told_one_by_one(runs, store, facts, monkeypatch):
    monkeypatch.setattr(telling, "MOST_CELLS", 8)
    telling.tell(facts(), Tracking(), runs)
    assert Counter(run.data.tags[KIND] for run in by_id(store).values()) == {
        "benchmark suite": 1,
        "benchmark group": 3,
    }


def test_an_mlflow_out_of_reach_is_said_and_nothing_else(runs, facts):
    said = telling.tell(facts(), Tracking(uri="http://127.0.0.1:9"), runs)
    assert said.startswith("MLflow was not told (")
    assert "\n" not in said

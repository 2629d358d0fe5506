"""One campaign's run in MLflow, from its journal: complete, once, and truthful about how it ended."""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest

from experiments.config.settings import Tracking
from experiments.tracking import address, state
from experiments.tracking.errors import TrackingError
from experiments.tracking.projector import Projector
from experiments.tracking.store import connect


def project(campaign, store, *, live=False, at=lambda name: None):
    projector = Projector(campaign.folder, store.uri, Tracking.experiment, store=store, at=at)
    sent = projector.catch_up(live=live)
    if not live:
        projector.upload()
    return projector.state, sent


def only_run(store):
    (run,) = store.search("")
    return run


def test_everything_arrives(recorded, store, points, runs):
    campaign = recorded()
    (campaign.folder / "summary.json").write_text("{}")
    (campaign.folder / "config.yaml").write_text("seed: 3")
    campaign.decide(std=0.25, **{"acq σ": 2.0})
    campaign.journal.add("housekeeping", [("housekeeping", 1, {"what": "register", "figures": {"drift_nm": 1.5}})])
    campaign.outcome(4.0)
    campaign.decide()
    campaign.outcome(math.nan)
    campaign.end()
    known, sent = project(campaign, store)

    run = only_run(store)
    found = points(store, run.info.run_id)
    assert sent == sum(map(len, found.values())) == 17
    assert found["best_value"] == [(1, 9.0), (2, 9.0)]
    assert found["accepted"] == [(1, 1.0), (2, 0.0)]
    assert found["agent/std"] == [(1, 0.25)]
    assert found["agent/acq _"] == [(1, 2.0)]
    assert found["housekeeping/register/drift_nm"] == [(1, 1.5)]
    assert found["decide_ms"] == [(1, 4.0), (2, 4.0)]
    assert found["value"][0] == (1, 4.0)
    assert math.isnan(found["value"][1][1])

    assert run.data.params["budget.steps"] == "5"
    assert run.data.params["budget.seconds"] == "null"
    assert run.data.params["instrument.core._target_"] == "instruments.twins.film.Film"
    tags = run.data.tags
    assert tags["mlflow.source.git.commit"] == "0123abc"
    assert tags["probewright.git.dirty"] == "True"
    assert tags["probewright.version.torch"] == "2.13.0"
    assert (tags["probewright.config_sha"], tags["probewright.seed"]) == ("abc123", "3")
    assert (tags["probewright.status"], tags["probewright.ended_by"]) == ("finished", "steps")
    assert "Best value 9 pm at step 1 of 2." in tags["mlflow.note.content"]
    assert (run.info.status, run.info.run_name, run.info.start_time) == (
        "FINISHED",
        campaign.folder.name,
        1700000000250,
    )

    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("Film", "seed-3")
    names = {a.path for a in store.client.list_artifacts(run.info.run_id)}
    assert names == {"summary.json", "config.yaml", "journal.sqlite"}
    kept = Path(store.client.download_artifacts(run.info.run_id, "journal.sqlite", str(runs)))
    assert sqlite3.connect(kept).execute("SELECT count(*) FROM events").fetchone() == (8,)
    assert known.high_water == known.in_flight > 0
    assert not list(campaign.folder.glob("*.tmp"))


def test_times_are_those_of_the_journal(recorded, store):
    campaign = recorded().steps(2).end()
    project(campaign, store)
    with sqlite3.connect(campaign.folder / "journal.sqlite") as journal:
        t = dict(journal.execute("SELECT kind, t FROM events WHERE step = 2"))
    run = only_run(store)
    last = store.client.get_metric_history(run.info.run_id, "value")[-1]
    assert last.timestamp == round(1000 * t["outcome"])
    assert run.info.end_time == round(1000 * t["closed"])


def test_infinity_becomes_the_largest_number(recorded, store, points):
    campaign = recorded()
    campaign.decide(gain=math.inf, loss=-math.inf)
    campaign.outcome(1.0)
    project(campaign.end(), store)
    found = points(store, only_run(store).info.run_id)
    assert found["agent/gain"] == [(1, sys.float_info.max)]
    assert found["agent/loss"] == [(1, -sys.float_info.max)]


def test_a_second_projection_sends_nothing(recorded, store, points):
    campaign = recorded().steps(3).end()
    first, _ = project(campaign, store)
    before = points(store, first.run_id)
    again, sent = project(campaign, store)
    assert sent == 0
    assert again == first
    assert points(store, first.run_id) == before


def test_a_lost_state_file_leads_to_the_same_run_and_no_second_point(recorded, store, points):
    campaign = recorded().steps(3).end()
    first, _ = project(campaign, store)
    before = points(store, first.run_id)
    (campaign.folder / state.NAME).unlink()
    again, sent = project(campaign, store)
    assert (again.run_id, sent) == (first.run_id, 0)
    assert points(store, first.run_id) == before


def test_a_decision_waits_for_its_outcome(recorded, store, points):
    campaign = recorded().steps(1)
    campaign.decide(std=5.0)
    known, _ = project(campaign, store, live=True)
    assert points(store, known.run_id)["agent/std"] == [(1, 0.0)]
    campaign.outcome(2.0)
    project(campaign, store, live=True)
    assert points(store, known.run_id)["agent/std"] == [(1, 0.0), (2, 5.0)]


def test_more_metrics_than_fit_a_batch(recorded, store, points):
    campaign = recorded()
    for _ in range(3):
        campaign.decide(**{f"f{i}": float(i) for i in range(700)})
        campaign.outcome(1.0)
    campaign.decide(**{f"f{i}": float(i) for i in range(1200)})
    campaign.outcome(1.0)
    known, sent = project(campaign.end(), store)
    assert sent == 3 * 707 + 1207
    assert sum(map(len, points(store, known.run_id).values())) == sent


@pytest.mark.parametrize(
    ("status", "expected"),
    [("finished", "FINISHED"), ("interrupted", "KILLED"), ("failed", "FAILED"), ("refused", "FAILED")],
)
def test_the_run_ends_as_the_campaign_did(recorded, store, status, expected):
    project(recorded().steps(1).end(status, "guard"), store)
    run = only_run(store)
    assert run.info.status == expected
    assert run.data.tags["probewright.status"] == status


def test_running_killed_running_finished(recorded, store, points):
    campaign = recorded().steps(1)
    assert only_status(campaign, store, live=True) == "RUNNING"
    campaign.steps(1).journal.close()
    assert only_status(campaign, store, live=False) == "KILLED"
    campaign.resume()
    assert only_status(campaign, store, live=True) == "RUNNING"
    campaign.steps(1).end()
    assert only_status(campaign, store, live=False) == "FINISHED"
    assert Counter(step for step, _ in points(store, only_run(store).info.run_id)["value"]) == {1: 1, 2: 1, 3: 1}


def only_status(campaign, store, *, live):
    project(campaign, store, live=live)
    return only_run(store).info.status


def test_a_status_changed_by_hand_is_put_right(recorded, store):
    campaign = recorded().steps(1).end()
    known, _ = project(campaign, store)
    store.client.update_run(known.run_id, status="RUNNING")
    assert only_status(campaign, store, live=False) == "FINISHED"


def test_a_report_made_again_is_uploaded_again(recorded, store, runs):
    campaign = recorded().steps(1).end()
    report = campaign.folder / "report.html"
    report.write_text("first")
    known, _ = project(campaign, store)
    report.write_text("the second")
    project(campaign, store)
    kept = store.client.download_artifacts(known.run_id, "report.html", str(runs))
    assert Path(kept).read_text() == "the second"


def test_a_lost_database_is_projected_anew(recorded, store, runs, points):
    campaign = recorded().steps(2).end()
    first, _ = project(campaign, store)
    elsewhere = connect(store.uri, "other", campaign.folder)
    with sqlite3.connect(runs / "mlflow.db") as database:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
            database.execute(f"DELETE FROM {table}")
    again, sent = project(campaign, store)
    assert again.run_id != first.run_id
    assert sent == sum(map(len, points(store, again.run_id).values())) == 16
    assert elsewhere.search("") == []


def test_another_experiment_gets_its_own_run(recorded, store):
    campaign = recorded().steps(1).end()
    project(campaign, store)
    other = connect(store.uri, "other", campaign.folder)
    Projector(campaign.folder, store.uri, "other", store=other).catch_up(live=False)
    assert len(store.search("")) == len(other.search("")) == 1


def test_a_run_deleted_in_mlflow_stays_deleted(recorded, store):
    campaign = recorded().steps(1).end()
    known, _ = project(campaign, store)
    store.client.delete_run(known.run_id)
    with pytest.raises(TrackingError, match="mlflow runs restore"):
        project(campaign, store)


def test_a_deleted_experiment_says_what_to_do(store, runs):
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(TrackingError, match="mlflow experiments restore"):
        connect(store.uri, Tracking.experiment, runs / "any")


def test_a_database_of_a_newer_mlflow_says_so(runs, uri):
    with sqlite3.connect(runs / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(TrackingError, match="made by another MLflow version and cannot be upgraded"):
        connect(uri, Tracking.experiment, runs / "any")


def test_a_second_run_of_a_request_that_came_late_is_removed(recorded, store):
    campaign = recorded().steps(1).end()
    tags = {"probewright.campaign_id": "film-s3"}
    for _ in range(2):
        store.client.create_run(store.experiment_id, start_time=1, tags=tags)
    kept = sorted(run.info.run_id for run in store.search(""))[0]
    assert project(campaign, store)[0].run_id == kept == only_run(store).info.run_id


def test_recorded_data_is_an_input_with_its_hash(recorded, store, tmp_path):
    data = tmp_path / "loops.npz"
    data.write_bytes(b"abc")
    instrument = {"_target_": "instruments.embedded.Embedded", "core": {"_target_": "x.Replay", "path": str(data)}}
    project(recorded(instrument=instrument).steps(1).end(), store)
    (given,) = only_run(store).inputs.dataset_inputs
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert (given.dataset.name, given.dataset.digest) == ("loops.npz", sha[:36])
    assert json.loads(given.dataset.source) == {"uri": "loops.npz", "sha256": sha}


def test_a_file_store_gets_no_point_twice(recorded, tmp_path, points):
    files = connect(address.absolute(str(tmp_path / "files")), Tracking.experiment, tmp_path)
    campaign = recorded().steps(2)

    def lose_the_answer(name):
        if name == "metrics sent":
            raise ConnectionError("the answer was lost")

    with pytest.raises(ConnectionError):
        project(campaign, files, live=True, at=lose_the_answer)
    assert state.load(campaign.folder).high_water == 0
    known, sent = project(campaign.steps(1).end(), files)
    assert sent == 8
    assert all(Counter(s for s, _ in found) == {1: 1, 2: 1, 3: 1} for found in points(files, known.run_id).values())

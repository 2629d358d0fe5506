"""`sync` projects what is missing and ends the runs of campaigns that died."""

from __future__ import annotations

import shutil
import socket

import pytest

from experiments.config.settings import Tracking
from experiments.tracking import state, sync
from experiments.tracking.projector import Projector, folder_lock
from experiments.tracking.store import connect


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_all_that_is_missing_and_then_nothing(recorded, store, points):
    folders = [recorded(name).steps(2).end().folder for name in ("a", "b")]
    first = sync(folders)
    assert [(s.status, s.metrics, s.error) for s in first] == [("FINISHED", 16, "")] * 2
    assert len({s.run_id for s in first}) == 2
    assert [s.metrics for s in sync(folders)] == [0, 0]
    assert all(len(points(store, s.run_id)["value"]) == 2 for s in first)


def test_a_campaign_that_died_is_told_as_killed(recorded, store):
    campaign = recorded().steps(1)
    campaign.journal.close()
    (done,) = sync([campaign.folder])
    run = store.client.get_run(done.run_id)
    assert (done.status, run.info.status) == ("KILLED", "KILLED")
    assert run.data.tags["probewright.status"] == "killed"


def test_a_campaign_that_runs_stays_running(recorded, store):
    campaign = recorded().steps(1)
    (done,) = sync([campaign.folder])
    assert store.client.get_run(done.run_id).info.status == done.status == "RUNNING"
    assert sync([campaign.folder])[0].status == "RUNNING"


def test_a_dead_run_is_found_though_its_folder_was_not_named(recorded, store):
    dead, gone, alive = recorded("dead").steps(1), recorded("gone", sweep_id="s").steps(1), recorded("alive").steps(1)
    ids = {}
    for campaign in (dead, gone, alive):
        projector = Projector(campaign.folder, store.uri, Tracking.experiment, store=store)
        projector.catch_up(live=True)
        ids[campaign.folder.name] = projector.state.run_id
    dead.journal.close()
    gone.journal.close()
    shutil.rmtree(gone.folder)

    named = recorded("named").steps(1).end()
    done = {each.folder.name: each.status for each in sync([named.folder])}
    assert done == {"named": "FINISHED", "dead": "KILLED", "gone": "KILLED", "alive": "RUNNING"}
    status = {name: store.client.get_run(run_id).info.status for name, run_id in ids.items()}
    assert status == {"dead": "KILLED", "gone": "KILLED", "alive": "RUNNING"}
    (parent,) = store.search("tags.`probewright.kind` = 'sweep'")
    assert parent.info.status == "KILLED"


def test_one_that_is_being_projected_is_left_alone(recorded, store):
    campaign = recorded().steps(1).end()
    with folder_lock(campaign.folder):
        (done,) = sync([campaign.folder])
    assert "being projected" in done.error
    assert store.search("") == []


def test_a_server_out_of_reach_is_one_line(recorded, closed_port):
    campaign = recorded().steps(1).end()
    uri = f"http://127.0.0.1:{closed_port}"
    (done,) = sync([campaign.folder], Tracking(uri=uri))
    assert done.error == "connection refused"
    assert "\n" not in done.line()
    assert state.load(campaign.folder).error == done.error


def test_each_campaign_goes_where_its_configuration_says(recorded, tmp_path, runs):
    other = tmp_path / "other" / "mlflow.db"
    other.parent.mkdir()
    shutil.copy(runs / "mlflow.db", other)
    tracking = {"enabled": True, "uri": f"sqlite:///{other}", "experiment": "elsewhere"}
    (done,) = sync([recorded(tracking=tracking).steps(1).end().folder])
    assert connect(f"sqlite:///{other}", "elsewhere", runs).client.get_run(done.run_id).info.status == "FINISHED"


def test_what_is_no_run_folder_says_so(tmp_path, runs):
    (runs / "broken").mkdir()
    (runs / "broken" / "journal.sqlite").write_text("not a database" * 100)
    missing, broken = sync([tmp_path / "nothing", runs / "broken"])
    assert "no journal.sqlite" in missing.error
    assert "not a journal" in broken.error

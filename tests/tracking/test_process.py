"""The projector as a process of its own: beside a campaign, after its death, out of its way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.config.settings import Tracking
from experiments.tracking import start, state

CAMPAIGN = """
import sys, time
from pathlib import Path
from experiments.config.settings import Tracking
from experiments.tracking import start
projection = start(Path(sys.argv[1]), Tracking())
assert "mlflow" not in sys.modules
print(projection._process.pid, flush=True)
time.sleep(600)
"""


def wait_for(condition, seconds=200.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def is_running(pid):
    """Whether a process that is no child of ours still works; one that nobody has reaped yet does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def status(store, folder):
    return store.client.get_run(state.load(folder).run_id).info.status


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks a process up in /proc")
def test_a_campaign_killed_hard_is_told_as_killed_and_goes_on_when_resumed(recorded, store, points):
    campaign = recorded().steps(2)
    process = subprocess.Popen([sys.executable, "-c", CAMPAIGN, campaign.folder], stdout=subprocess.PIPE, text=True)
    with process:
        projector = int(process.stdout.readline())
        assert os.getpgid(projector) == projector  # Ctrl-C at the campaign's terminal does not reach it
        wait_for(lambda: state.load(campaign.folder).told.startswith("RUNNING"))
        campaign.journal.close()
        process.send_signal(signal.SIGKILL)
    wait_for(lambda: not is_running(projector))
    assert status(store, campaign.folder) == "KILLED"

    projection = start(campaign.resume().steps(1).folder, Tracking())
    wait_for(lambda: state.load(campaign.folder).told.startswith("RUNNING"))
    assert status(store, campaign.folder) == "RUNNING"
    campaign.steps(1).end()
    (campaign.folder / "summary.json").write_text("{}")
    assert projection.finish(200.0) == f"MLflow: mlflow ui --backend-store-uri {store.uri}"
    run_id = state.load(campaign.folder).run_id
    assert status(store, campaign.folder) == "FINISHED"
    assert [step for step, _ in points(store, run_id)["value"]] == [1, 2, 3, 4]
    assert {a.path for a in store.client.list_artifacts(run_id)} == {"journal.sqlite", "summary.json"}
    assert (campaign.folder / "tracking.log").read_text() == ""
    assert len(store.search("")) == 1


def test_no_time_left_means_behind_and_nothing_left_running(recorded):
    campaign = recorded().steps(1).end()
    projection = start(campaign.folder, Tracking())
    said = projection.finish(0.0)
    assert said == (f"MLflow tracking is behind (not done within 0 s); later: probewright sync {campaign.folder}")
    assert projection._process.returncode == -signal.SIGKILL


def test_switched_off_it_starts_nothing(recorded):
    campaign = recorded().steps(1).end()
    assert start(campaign.folder, Tracking(enabled=False)).finish(1.0) == ""
    assert not (campaign.folder / "tracking.log").exists()


def test_a_folder_that_cannot_be_written_does_not_hold_the_campaign_up(tmp_path):
    said = start(tmp_path / "nothing", Tracking()).finish(1.0)
    assert "could not be started" in said
    assert "probewright sync" in said


def test_importing_it_loads_no_mlflow():
    code = (
        "import sys, experiments.tracking; sys.exit(any(m in sys.modules for m in ('mlflow', 'sqlalchemy', 'pandas')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

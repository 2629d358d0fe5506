"""Eight campaigns started at once, where there is no database yet."""

from __future__ import annotations

from contextlib import ExitStack

from experiments.config.settings import Tracking
from experiments.tracking import address, start
from experiments.tracking.store import connect

EIGHT = 8


def test_eight_at_once_create_one_database(recorded, runs, points):
    (runs / "mlflow.db").unlink()
    campaigns = [recorded(f"film-s{seed}", sweep_id="cold").steps(2).end() for seed in range(EIGHT)]
    with ExitStack() as stack:
        projections = [start(campaign.folder, Tracking()) for campaign in campaigns]
        for projection in projections:
            stack.callback(projection._process.kill)
        said = {projection.finish(250.0) for projection in projections}
    uri = address.sqlite_uri(runs / "mlflow.db")
    assert said == {f"MLflow: {address.ui_command(uri)}"}

    store = connect(uri, Tracking.experiment, runs)
    found = store.search("tags.`probewright.kind` = 'campaign'")
    assert sorted(run.info.run_name for run in found) == sorted(campaign.folder.name for campaign in campaigns)
    assert {run.info.status for run in found} == {"FINISHED"}
    assert all([step for step, _ in points(store, run.info.run_id)["value"]] == [1, 2] for run in found)
    (parent,) = store.search("tags.`probewright.kind` = 'sweep'")
    assert parent.info.status == "FINISHED"
    assert all((campaign.folder / "tracking.log").read_text() == "" for campaign in campaigns)

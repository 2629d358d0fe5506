"""The projector is killed -9 at every boundary, and the next one completes its work."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

MORE_THAN_BOUNDARIES = 20


def content(runs: Path) -> tuple[list[tuple[object, ...]], ...]:
    """Everything that a projection writes, without the random names of runs."""
    queries = (
        "SELECT name, status, start_time, end_time, lifecycle_stage FROM runs ORDER BY name",
        "SELECT key, step, timestamp, value, is_nan FROM metrics ORDER BY key, step",
        "SELECT key, step, value FROM latest_metrics ORDER BY key",
        "SELECT key, value FROM params ORDER BY key",
        "SELECT key, value FROM tags WHERE key NOT IN ('mlflow.parentRunId', 'probewright.folder') ORDER BY key, value",
        "SELECT name, digest FROM datasets",
        "SELECT count(*) FROM inputs",
    )
    with sqlite3.connect(runs / "mlflow.db") as database:
        return tuple(database.execute(query).fetchall() for query in queries)


def test_killed_at_every_boundary_nothing_is_lost_and_nothing_doubled(recorded, runs, tmp_path):
    campaign = recorded(sweep_id="sweep-1")
    for _ in range(3):
        campaign.decide(**{f"figure {i}": float(i) for i in range(3)})
        campaign.outcome(2.0)
    (campaign.end().folder / "summary.json").write_text("{}")
    copies = [tmp_path / f"runs-{number}" for number in range(MORE_THAN_BOUNDARIES)]
    for copy in copies:
        shutil.copytree(runs, copy)

    driver = Path(__file__).with_name("projection_kill_driver.py")
    done = subprocess.run([sys.executable, driver, *copies], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    died_at = json.loads(done.stdout)
    expected = {"run created", "run known", "parameters sent", "inputs sent", "in flight", "metrics sent", "high water"}
    assert expected | {"status FINISHED", "parent settled", "artifact sent"} == set(died_at)
    assert died_at.count("metrics sent") == 2
    assert len(died_at) < MORE_THAN_BOUNDARIES

    unbroken = content(copies[len(died_at)])
    assert [row[:2] for row in unbroken[0]] == [("film-s3", "FINISHED"), ("sweep sweep-1", "FINISHED")]
    assert len(unbroken[1]) == 3 * 10
    for copy in copies[: len(died_at)]:
        assert content(copy) == unbroken
        (location,) = {path.parent for path in copy.glob("mlartifacts/*/artifacts/*")}
        assert {path.name for path in location.iterdir()} == {"summary.json", "journal.sqlite"}

"""A real MLflow server: away at the start, killed half way, there in the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.config.settings import Tracking
from experiments.tracking import start, state, sync
from experiments.tracking.store import connect


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def server(runs: Path, port: int) -> Iterator[None]:
    """An MLflow server on the template's database; all of its processes are killed at the end."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{runs}/mlflow.db", "--artifacts-destination", str(runs / "served")]
    lean = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # eight processes less, for GenAI jobs
    with (runs / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=runs, env=lean)
    try:
        wait_until_healthy(process, port)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_healthy(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 200.0
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended by itself"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2.0):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError("the server never answered")


def test_the_campaign_does_not_need_the_server(recorded, runs, points):
    port = free_port()
    settings = Tracking(uri=f"http://127.0.0.1:{port}")
    first = recorded("away").steps(3)
    projection = start(first.folder, settings)
    first.end()
    said = projection.finish(60.0)
    assert said == f"MLflow tracking is behind (connection refused); later: probewright sync {first.folder}"

    with server(runs, port):
        (done,) = sync([first.folder], settings)
        assert (done.status, done.error) == ("FINISHED", "")
        second = recorded("half-way").steps(2)
        projection = start(second.folder, settings)
        end = time.monotonic() + 200.0
        while not state.load(second.folder).high_water:
            assert time.monotonic() < end
            time.sleep(0.1)
    second.steps(2).end()
    assert "connection refused" in projection.finish(60.0)

    with server(runs, port):
        done = sync([first.folder, second.folder], settings)
        assert [(each.status, each.metrics) for each in done] == [("FINISHED", 0), ("FINISHED", 16)]
        store = connect(str(settings.uri), settings.experiment, runs)
        assert len(store.search("")) == 2
        for each, steps in zip(done, (3, 4), strict=True):
            found = points(store, each.run_id)
            assert all([step for step, _ in pairs] == list(range(1, steps + 1)) for pairs in found.values())
            assert "journal.sqlite" in {a.path for a in store.client.list_artifacts(each.run_id)}

"""Somebody sets the clock, forth and back: the lease does not know, and nothing is exposed twice."""

import contextlib
import itertools
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiments.campaign.journal import open_reader
from instruments.bridge.remote import RemoteInstrument
from instruments.bridge.server import Server
from instruments.embedded import Embedded
from instruments.requests import PointSpectrum
from instruments.twins.flat import Flat

HERE = Path(__file__).parent
NEVER = threading.Event()
DAY_S, LEASE_S = 86_400.0, 1.0
SHORT = PointSpectrum((0.0, 0.0), 0.5)
CLIENT = """
import sys, threading, time
from instruments.bridge.remote import RemoteInstrument
from instruments.requests import PointSpectrum
remote, ids = RemoteInstrument(sys.argv[1]), sys.argv[2:]
for id in ids:
    print(time.time(), flush=True)
    request = PointSpectrum((0.0, 0.0), 60.0 if id == "long" else 0.5)
    assert remote.acquire(request, id=id, stop=threading.Event()).complete
time.sleep(2.5)
assert remote.acquire(PointSpectrum((0.0, 0.0), 0.5), id="last", stop=threading.Event()).complete
print(time.time(), flush=True)
remote.close()
"""
CAMPAIGN = """
import json, sys, threading, time
from experiments.cli import main
seen, over = [], threading.Event()
def look():
    while not over.wait(0.05):
        seen.append(time.time())
thread = threading.Thread(target=look)
thread.start()
try:
    assert main(sys.argv[1:]) == 0
finally:
    over.set()
    thread.join()
print(json.dumps(seen))
"""


class Clock:
    """The wall clock of the processes that are started with `environment`, which is off by what `set` says."""

    def __init__(self, folder: Path) -> None:
        library, self._file = folder / "wall_clock.so", folder / "shift"
        command = ["gcc", "-shared", "-fPIC", "-o", str(library), str(HERE / "wall_clock.c"), "-ldl", "-lm"]
        subprocess.run(command, check=True)
        self.set(0.0)
        self.environment: Mapping[str, str] = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file)}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def set(self, seconds: float) -> None:
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))

    def swing(self) -> None:
        """Set it a day on, a day back, an hour on and so forth, five times a second, until `rest`."""
        self._thread = threading.Thread(target=self._swing)
        self._thread.start()

    def rest(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _swing(self) -> None:
        for seconds in itertools.cycle((DAY_S, -DAY_S, 3600.0, 0.0, -3600.0)):
            self.set(seconds)
            if self._over.wait(0.2):
                return


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    if not (sys.platform.startswith("linux") and shutil.which("gcc")):
        pytest.skip("a clock of its own needs Linux and gcc")
    made = Clock(tmp_path)
    yield made
    made.rest()


@pytest.fixture
def server(
    clock: Clock, serve_elsewhere: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Of the exposing driver, with a clock that can be set."""
    with monkeypatch.context() as patch:
        for name, value in clock.environment.items():
            patch.setenv(name, value)
        patch.setenv("PACE", "1.0")
        yield serve_elsewhere("exposing:make", tmp_path / "served", "tcp://127.0.0.1:*", "--lease-s", str(LEASE_S))


def audited(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "served" / "audit.jsonl").read_text().splitlines()]


def exposed(folder: Path) -> list[str]:
    path = folder / "served" / "exposed.txt"
    return path.read_text().split() if path.exists() else []


def swung(times: list[float]) -> bool:
    """Whether a clock went back by hours."""
    return any(after < before - 3000.0 for before, after in itertools.pairwise(times))


def test_the_servers_clock_jumps_and_the_lease_is_kept(clock: Clock, server: Any, tmp_path: Path) -> None:
    remote = RemoteInstrument(server.address, name="steady")
    clock.swing()
    for id in ("a", "b", "c", "d"):
        assert remote.acquire(SHORT, id=id, stop=NEVER).complete
    time.sleep(2.5 * LEASE_S)  # heartbeats alone keep it
    assert remote.ping()["holder"] == "steady"
    assert remote.acquire(SHORT, id="e", stop=NEVER).complete
    assert exposed(tmp_path) == ["a", "b", "c", "d", "e"]
    lines = audited(tmp_path)
    assert swung([line["time"] for line in lines])
    assert [line["up_s"] for line in lines] == sorted(line["up_s"] for line in lines)
    assert [line["id"] for line in lines if line["what"] == "acquire"] == ["a", "b", "c", "d", "e"]
    assert not any(line["what"] in ("lease over", "made safe", "overdue") for line in lines)
    remote.close()


@pytest.mark.parametrize(
    ("before_s", "after_s"),
    [(DAY_S, DAY_S), (0.0, -DAY_S), (None, None)],
    ids=["a day on, then killed", "killed, then a day back", "forth and back"],
)
def test_a_client_is_killed_and_the_servers_clock_jumps(
    clock: Clock, server: Any, tmp_path: Path, eventually: Callable[..., bool], before_s: float | None,
    after_s: float | None, until_safe: Callable[[float, float], None],
) -> None:  # fmt: skip
    command = [sys.executable, "-c", CLIENT, server.address, "long"]
    with subprocess.Popen(command, cwd=HERE.parent.parent, stdout=subprocess.DEVNULL) as client:
        try:
            assert eventually(lambda: exposed(tmp_path) == ["long"])
            clock.swing() if before_s is None else clock.set(before_s)
            time.sleep(1.5 * LEASE_S)
            assert not any(line["what"] == "lease over" for line in audited(tmp_path))
        finally:
            client.kill()
    killed_s = time.monotonic()
    if after_s is not None:
        clock.set(after_s)
    assert eventually(lambda: any(line["what"] == "made safe" for line in audited(tmp_path)))
    until_safe(time.monotonic() - killed_s, LEASE_S)
    over, safe = (next(x for x in audited(tmp_path) if x["what"] == what) for what in ("lease over", "made safe"))
    assert "nothing was heard" in over["why"]
    assert 0.0 <= safe["up_s"] - over["up_s"] < 1.0
    assert exposed(tmp_path) == ["long"]


def test_the_clients_clock_jumps_and_its_lease_is_kept(
    clock: Clock, serve: Callable[..., Server], exposing: ModuleType
) -> None:
    instrument = exposing.Exposing(pace=1.0)
    server = serve(instrument, lease_s=LEASE_S)
    clock.swing()
    environment = os.environ | clock.environment
    command = [sys.executable, "-c", CLIENT, server.address, "a", "b", "c"]
    done = subprocess.run(
        command, cwd=HERE.parent.parent, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    assert instrument.exposed == ["a", "b", "c", "last"]
    assert swung([float(line) for line in done.stdout.split()])
    assert server.audit.counts["lease"] == 1
    assert server.audit.counts["lease over"] == 1  # given back at the end
    assert "refused: acquire" not in server.audit.counts


def test_a_campaigns_clock_jumps_and_journal_report_and_mlflow_stay_in_order(
    clock: Clock, serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(Embedded(Flat(), pace=0.2), lease_s=LEASE_S)
    chosen = ["campaign=find_peak", "agent=sobol", "instrument=remote_twin", f"instrument.address={server.address}"]
    more = ["budget.steps=6", "tracking=local", f"runs={tmp_path / 'runs'}"]
    clock.swing()
    command = [sys.executable, "-c", CAMPAIGN, "run", *chosen, *more]
    done = subprocess.run(command, env=os.environ | clock.environment, stdout=subprocess.PIPE, text=True, check=True)
    *_, folder_line, seen = done.stdout.splitlines()
    assert swung(json.loads(seen))
    folder = Path(folder_line)
    with open_reader(folder / "journal.sqlite") as reader:
        created, events = reader.meta()["created"], list(reader.events())
    times = [event.t for event in events]
    assert times == sorted(times)
    assert created <= times[0]
    assert times[-1] - times[0] < 3000.0  # though the clock was set by days
    each = [[event.kind for event in events if event.step == step and event.kind != "closed"] for step in range(1, 7)]
    assert each == [["decision", "command", "result", "outcome"]] * 6
    assert server.audit.counts["acquire"] == 6
    assert (folder / "report.html").stat().st_size > 10_000
    with contextlib.closing(sqlite3.connect(tmp_path / "runs" / "mlflow.db")) as store:
        ((status, start_ms, end_ms),) = store.execute("SELECT status, start_time, end_time FROM runs")
        told = list(store.execute("SELECT step, timestamp FROM metrics WHERE key = 'value' ORDER BY step"))
        ((latest,),) = store.execute("SELECT step FROM latest_metrics WHERE key = 'value'")
    assert status == "FINISHED"
    assert 0 <= end_ms - start_ms < 3_000_000
    assert [step for step, _ in told] == [1, 2, 3, 4, 5, 6]
    assert [t for _, t in told] == sorted(t for _, t in told)
    assert latest == 6

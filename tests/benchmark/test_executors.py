"""Processes that run cells: started anew when they die, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.benchmark.engine import run_suite
from experiments.benchmark.executors import Inline, Job, Processes
from experiments.benchmark.plan import Plan, plan
from experiments.benchmark.suite import Entry, Suite

FLAT = Entry("loop_discovery", overrides=("instrument=flat", "task=find_peak", "task.shape=[5,5]"))


def planned(seeds: int, *agent: str) -> Plan:
    return plan(Suite("small", {"random": list(agent) or ["agent=random"]}, {"flat": FLAT}, seeds=seeds, steps=4))


def jobs(of: Plan, folder: Path) -> list[Job]:
    return [Job(cell, of.settings_of(cell), folder, False, 60.0) for cell in of.cells]


def test_processes_give_the_rows_that_this_process_gives(tmp_path: Path) -> None:
    of = planned(3)
    inline = {row.id: row for row in Inline().rows(jobs(of, tmp_path / "inline"))}
    spawned = {row.id: row for row in Processes(2).rows(jobs(of, tmp_path / "spawned"))}
    assert inline.keys() == spawned.keys() == {cell.id for cell in of.cells}
    for id, row in inline.items():
        ours, theirs = row.as_dict(), spawned[id].as_dict()
        for name in ("wall_s", "decide_ms"):
            ours.pop(name), theirs.pop(name)
        assert ours == theirs


def test_no_job_needs_no_process() -> None:
    assert list(Processes(2).rows([])) == []


def test_who_stops_listening_leaves_no_process(tmp_path: Path) -> None:
    rows = Processes(1).rows(
        jobs(planned(2, f"agent={{_target_: benchmarks.cell_kills.Logged, log: {tmp_path}/log}}"), tmp_path)
    )
    while next(rows).policy != "random":
        pass
    worker = int((tmp_path / "log").read_text().split()[0])
    assert alive(worker)
    rows.close()  # type: ignore[attr-defined]
    assert not alive(worker)


def test_a_worker_that_cannot_start_is_said_once_and_makes_no_rows(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from pathlib import Path\n"
        "from experiments.benchmark.engine import run_suite\n"
        "from experiments.benchmark.executors import Processes\n"
        "from experiments.benchmark.plan import plan\n"
        "from experiments.benchmark.suite import Entry, Suite\n"
        "flat = Entry('loop_discovery', overrides=('instrument=flat', 'task=find_peak'))\n"
        "suite = Suite('small', {'random': ['agent=random']}, {'flat': flat}, seeds=1, steps=2)\n"
        "run_suite(plan(suite), Path('out'), Processes(1))  # without if __name__ == '__main__'\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "RuntimeError: a worker process cannot start: it ended with exit code 1" in done.stderr
    assert (tmp_path / "out" / "results.jsonl").read_text() == ""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_hanging_worker_dies_with_a_benchmark_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = tmp_path / "hanging.py"
    script.write_text(
        "from test_executors import jobs, planned\n"
        "from pathlib import Path\n"
        "from experiments.benchmark.executors import Processes\n"
        "if __name__ == '__main__':\n"
        f"    agent = 'agent={{_target_: benchmarks.cell_kills.Logged, log: {log}, pause_s: 600.0}}'\n"
        "    list(Processes(1).rows(jobs(planned(1, agent), Path('out'))))\n"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths})
    worker = int(wait_for(log).split()[0])
    assert alive(worker)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 20.0
    while alive(worker):
        assert time.monotonic() < until, "the worker lives on"
        time.sleep(0.02)


def wait_for(path: Path) -> str:
    until = time.monotonic() + 60.0
    while not (path.exists() and (said := path.read_text()).endswith("\n")):
        assert time.monotonic() < until, f"{path.name} was not written"
        time.sleep(0.02)
    return said


def alive(pid: int) -> bool:
    """Whether the process runs: one that waits to be buried does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.strip().startswith("Z")


def test_rows_of_a_suite_come_in_the_order_of_its_plan(tmp_path: Path) -> None:
    of = planned(4)
    finished = run_suite(of, tmp_path, Processes(2))
    assert [row.id for row in finished.rows] == [cell.id for cell in of.cells]
    assert {row.policy for row in finished.rows[:4]} == {"oracle"}

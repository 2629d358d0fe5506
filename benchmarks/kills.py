"""A campaign killed a hundred times with `kill -9` at random instants, beside the unbroken one."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.registry import Measured, figure
from benchmarks.trajectories import final_state, measured_twice, trajectory

KILLS = 100
STEPS = 120
LIFE_S = 8.0
"""Kills fall uniformly within this time of a start: on importing, opening, deciding, journalling, closing."""

_PROGRAM = (sys.executable, "-m", "experiments.cli")


@figure("resume.kills_survived", "kills")
def kills_survived() -> Measured:
    """Kills survived of a hundred, with trajectory, final state and MLflow equal to the unbroken campaign's."""
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), random.Random(20)
        killed = survived = 0
        notes: list[str] = []
        seed = 0
        while killed < KILLS:
            kills = _broken(folder / f"broken-{seed}", seed, KILLS - killed, rng)
            faults = _faults(folder, seed)
            killed += kills
            survived += kills if not faults else 0
            notes += faults
            seed += 1
        return Measured(
            value=float(survived),
            reference=float(KILLS),
            compared="kills after which trajectory, final state and MLflow equal the unbroken campaign's, of all kills",
            limit=float(KILLS),
            limit_is_least=True,
            details={"campaigns": seed, "steps_each": STEPS, "faults": notes},
        )


def _broken(runs: Path, seed: int, most: int, rng: random.Random) -> int:
    """Run one campaign, killing it until it ends or `most` kills are done; returns the kills that hit it."""
    kills = 0
    while True:
        process = _start(runs, seed)
        try:
            limit = rng.uniform(0.0, LIFE_S) if kills < most else 600.0
            if process.wait(timeout=limit) != 0:
                raise RuntimeError(f"the campaign failed by itself: {(runs / 'errors.txt').read_text()[-2000:]}")
            return kills
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1


def _start(runs: Path, seed: int) -> subprocess.Popen[bytes]:
    runs.mkdir(exist_ok=True)
    begun = [f for f in runs.iterdir() if (f / "journal.sqlite").is_file() and _has_begun(f / "journal.sqlite")]
    command = ["resume", str(begun[0])] if begun else ["run", f"runs={runs}", f"seed={seed}", f"budget.steps={STEPS}"]
    with (runs / "errors.txt").open("ab") as errors:
        return subprocess.Popen([*_PROGRAM, *command], stdout=subprocess.DEVNULL, stderr=errors)


def _has_begun(journal: Path) -> bool:
    with closing(sqlite3.connect(journal)) as connection:
        return bool(connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'events'").fetchone()[0])


def _faults(folder: Path, seed: int) -> list[str]:
    """What differs between the broken and the unbroken campaign of a seed."""
    process = _start(folder / f"whole-{seed}", seed)
    process.wait()
    broken, whole = (_run_folder(folder / f"{kind}-{seed}") for kind in ("broken", "whole"))
    faults = []
    if trajectory(broken) != trajectory(whole):
        faults.append(f"seed {seed}: the trajectory differs")
    if final_state(broken) != final_state(whole):
        faults.append(f"seed {seed}: the final state differs")
    if twice := measured_twice(broken):
        faults.append(f"seed {seed}: measured twice: {twice}")
    return faults + [f"seed {seed}: {fault}" for fault in _mlflow_faults(broken)]


def _run_folder(runs: Path) -> Path:
    begun = [f for f in runs.iterdir() if (f / "journal.sqlite").is_file() and _has_begun(f / "journal.sqlite")]
    if len(begun) != 1:
        raise RuntimeError(f"expected one begun campaign in {runs}, found {len(begun)}")
    return begun[0]


def _mlflow_faults(run_folder: Path) -> Sequence[str]:
    """Duplicate points, runs that are not finished, points that are missing."""
    subprocess.run([*_PROGRAM, "sync", str(run_folder)], check=True, capture_output=True)
    with closing(sqlite3.connect(run_folder.parent / "mlflow.db")) as connection:
        runs = connection.execute("SELECT run_uuid, status FROM runs").fetchall()
        points = "SELECT count(*), count(DISTINCT step) FROM metrics WHERE key = 'seconds'"
        count, steps = connection.execute(points).fetchone()
    faults = [f"MLflow run {run} is {status}" for run, status in runs if status != "FINISHED"]
    if len(runs) != 1:
        faults.append(f"MLflow has {len(runs)} runs")
    if (count, steps) != (STEPS, STEPS):
        faults.append(f"MLflow has {count} points of {steps} steps, expected {STEPS}")
    return faults

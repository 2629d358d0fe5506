"""Running a suite: what is finished is never run again, what is not is, and the rows are collected as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock

from experiments.benchmark import plan as plans
from experiments.benchmark import results
from experiments.benchmark.cell import Row
from experiments.benchmark.executors import Executor, Job
from experiments.benchmark.plan import Cell, Plan
from experiments.campaign.folder import require_space
from experiments.campaign.journal.errors import JournalHeld

Seen = Callable[[Row, int, int], None]
"""Told of every new row: (row, finished, of)."""


@dataclass(frozen=True)
class Finished:
    """A suite with all its rows, in the plan's order."""

    folder: Path
    plan: Plan
    rows: Sequence[Row]


def folder_of(plan: Plan, runs: Path) -> Path:
    """`runs/benchmarks/<suite>-<hash of its cells>`: the same suite finds its finished cells there."""
    return runs.absolute() / "benchmarks" / f"{plan.suite.name}-{plans.fingerprint(plan)}"


def run_suite(
    plan: Plan, folder: Path, executor: Executor, seen: Seen = lambda row, done, of: None, *, retry: bool = False
) -> Finished:
    """Run what is missing; with `retry` also what failed or took too long.

    Raises JournalHeld when the same suite runs already, JournalFull without disk space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    require_space(folder)
    with _held(folder):
        plans.write(plan, folder)
        if retry:
            results.forget(folder / "results.jsonl", lambda row: row.status in ("failed", "timeout"))
        rows = results.read(folder / "results.jsonl")
        missing = [cell for cell in plan.cells if cell.id not in rows]
        jobs = [_job(plan, cell, folder) for cell in missing]
        done = len(plan.cells) - len(missing)
        with results.Appender(folder / "results.jsonl") as appender:
            for row in executor.rows(jobs):
                appender.add(row)
                rows[row.id] = row
                done += 1
                seen(row, done, len(plan.cells))
    return Finished(folder, plan, [rows[cell.id] for cell in plan.cells])


def _job(plan: Plan, cell: Cell, folder: Path) -> Job:
    keep = cell.seed == plan.suite.first_seed
    return Job(cell, plan.settings_of(cell), folder.absolute(), keep, plan.suite.timeout_s)


def _held(folder: Path) -> filelock.FileLock:
    lock = filelock.FileLock(folder / "suite.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise JournalHeld(f"{folder} is being run by another process; wait for it or stop it") from None
    return lock

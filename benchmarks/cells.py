"""What a cell of a benchmark costs besides its campaign's agent and instrument, and how that grows with the plan."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.registry import Measured, figure
from experiments.benchmark.cell import Row, run_cell
from experiments.benchmark.engine import run_suite
from experiments.benchmark.executors import Job
from experiments.benchmark.plan import Plan, plan
from experiments.benchmark.suite import ORACLE, Entry, Suite

CELLS = 10_000
REAL = 300
STEPS = 3
LIMIT_MS = 2.0
LIMIT_GROWTH = 1.5


@dataclass(frozen=True)
class Instant:
    """An executor whose cells take no time: it gives every job the same real row under the job's own name."""

    row: Row

    def rows(self, jobs: Sequence[Job]) -> Iterator[Row]:
        for job in jobs:
            cell = job.cell
            own = {"id": cell.id, "policy": cell.policy, "seed": cell.seed}
            yield Row(**{**self.row.as_dict(), **own})


@figure("benchmark.cell_overhead_ms", "ms")
def cell_overhead_ms() -> Measured:
    """Planning, scheduling and collecting of ten thousand cells, a cell; beside a whole real cell of three steps."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        real_ms, row = _real(Path(name) / "real")
        began = time.perf_counter()
        of = _plan(CELLS // 2)
        planned = time.perf_counter()
        marks = [planned]
        run_suite(of, Path(name) / "many", Instant(row), lambda row, done, total: marks.append(time.perf_counter()))
        collected = time.perf_counter()
        resumed_s = _resumed_s(of, Path(name) / "many", row)
        fsync_ms = _fsync_ms(Path(name))
    half = CELLS // 2
    first, second = marks[half] - marks[1], marks[CELLS] - marks[half + 1]
    return Measured(
        value=1e3 * (collected - began) / CELLS,
        reference=real_ms,
        compared=f"planning and collecting of {CELLS} cells, a cell, against the median wall time of {REAL} real cells "
        f"of {STEPS} steps on the trivial twin, run inline: the collected cells take no time to run",
        limit=LIMIT_MS,
        details={
            "plan_s": planned - began,
            "collect_s": collected - planned,
            "second_half_over_first": second / first,
            "second_half_limit": LIMIT_GROWTH,
            "second_half_within": second / first <= LIMIT_GROWTH,
            "resume_of_finished_s": resumed_s,
            "fsync_ms_p50": fsync_ms,
            "cells": CELLS,
            "real_cells": REAL,
        },
    )


def _plan(seeds: int) -> Plan:
    flat = Entry("loop_discovery", overrides=("instrument=flat", "task=find_peak", "task.shape=[5,5]"))
    suite = Suite("cells", {"random": ["agent=random"]}, {"flat": flat}, seeds=seeds, steps=STEPS)
    return plan(suite)


def _real(folder: Path) -> tuple[float, Row]:
    """Median milliseconds of a real cell, the first left out, and the row of one."""
    of, marks, row = _plan(REAL // 2), [time.perf_counter()], None
    for cell in of.cells:
        row = run_cell(cell, of.settings_of(cell), folder)
        if row.status != "ok":
            raise RuntimeError(f"cell {cell}: {row.error}")
        marks.append(time.perf_counter())
    assert row is not None
    assert row.policy != ORACLE
    return float(1e3 * np.median([b - a for a, b in pairwise(marks[1:])])), row


def _resumed_s(of: Plan, folder: Path, row: Row) -> float:
    """Seconds until a finished suite of all cells is known to be finished."""
    began = time.perf_counter()
    run_suite(of, folder, Instant(row))
    return time.perf_counter() - began


def _fsync_ms(folder: Path) -> float:
    """Median milliseconds of what makes one row durable."""
    descriptor, took = os.open(folder / "fsync", os.O_CREAT | os.O_WRONLY), []
    for _ in range(200):
        os.write(descriptor, bytes(512))
        began = time.perf_counter()
        os.fsync(descriptor)
        took.append(time.perf_counter() - began)
    os.close(descriptor)
    return float(1e3 * np.median(took))

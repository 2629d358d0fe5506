"""What a cell of a benchmark costs besides its campaign's agent and instrument, and how that grows with the plan."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
        real_ms, real_cpu_ms, row = _real(Path(name) / "real")
        began = time.perf_counter()
        of = _plan(CELLS // 2)
        planned = time.perf_counter()
        marks: list[tuple[float, float]] = []
        run_suite(of, Path(name) / "many", Instant(row), lambda row, done, total: marks.append(_clocks()))
        collected = time.perf_counter()
        resumed_s = _resumed_s(of, Path(name) / "many", row)
    growth = _growth(marks)
    return Measured(
        value=1e3 * (collected - began) / CELLS,
        reference=real_ms,
        compared=f"planning and collecting of {CELLS} cells, a cell, against the median wall time of {REAL} real cells "
        f"of {STEPS} steps on the trivial twin, run inline: the collected cells take no time to run",
        limit=LIMIT_MS,
        details={
            "real_cell_cpu_ms": real_cpu_ms,
            "plan_s": planned - began,
            "collect_s": collected - planned,
            "second_half_over_first_cpu": growth[1],
            "second_half_over_first_wall": growth[0],
            "second_half_limit": LIMIT_GROWTH,
            "second_half_within": growth[1] <= LIMIT_GROWTH,
            "resume_of_finished_s": resumed_s,
            "cells": CELLS,
            "real_cells": REAL,
        },
    )


def _plan(seeds: int) -> Plan:
    flat = Entry("loop_discovery", overrides=("instrument=flat", "task=find_peak", "task.shape=[5,5]"))
    suite = Suite("cells", {"random": ["agent=random"]}, {"flat": flat}, seeds=seeds, steps=STEPS)
    return plan(suite)


def _real(folder: Path) -> tuple[float, float, Row]:
    """Median milliseconds of a real cell by the wall's clock and the process's, the first left out; and a row."""
    of, marks, row = _plan(REAL // 2), [_clocks()], None
    for cell in of.cells:
        row = run_cell(cell, of.settings_of(cell), folder)
        if row.status != "ok":
            raise RuntimeError(f"cell {cell}: {row.error}")
        marks.append(_clocks())
    assert row is not None
    assert row.policy != ORACLE
    wall, cpu = 1e3 * np.median(np.diff(marks[1:], axis=0), axis=0)
    return float(wall), float(cpu), row


def _resumed_s(of: Plan, folder: Path, row: Row) -> float:
    """Seconds until a finished suite of all cells is known to be finished."""
    began = time.perf_counter()
    run_suite(of, folder, Instant(row))
    return time.perf_counter() - began


def _clocks() -> tuple[float, float]:
    """Seconds of the wall's clock and of this process's: the machine may be busy."""
    return time.perf_counter(), time.process_time()


def _growth(marks: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Time of the second half of the rows over that of the first, by either clock; 1 where the cost is linear."""
    half = len(marks) // 2
    first, second = np.subtract(marks[half - 1], marks[0]), np.subtract(marks[-1], marks[half])
    wall, cpu = second / first
    return float(wall), float(cpu)

"""Where cells run: in this process, or in processes of their own; Slurm and Ray fit behind the same call.

An executor takes jobs and yields their rows as they finish, in any order. It never raises for what a cell does: a
crash, a hang or a kill of its process is a row.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Annotated, Any, Protocol

from experiments.benchmark.cell import Row, broken, run_cell
from experiments.benchmark.plan import Cell
from physics_priors.bounds import Bounds

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """A cell with its plain configuration; `keep` leaves its journal behind."""

    cell: Cell
    config: Mapping[str, Any]
    folder: Path
    keep: bool
    timeout_s: float


class Executor(Protocol):
    """Runs jobs somewhere."""

    def rows(self, jobs: Sequence[Job]) -> Iterator[Row]:
        """The row of every job, as it finishes."""
        ...


@dataclass(frozen=True)
class Inline:
    """One cell after the other in this process; a cell that hangs hangs the benchmark."""

    def rows(self, jobs: Sequence[Job]) -> Iterator[Row]:
        for job in jobs:
            yield run_cell(job.cell, job.config, job.folder, job.keep)


@dataclass(frozen=True)
class Processes:
    """Cells in `workers` processes (spawned, one thread each); one that overruns its time is killed and replaced."""

    workers: Annotated[int, Bounds("processes", 1, 1024)] = 2

    def rows(self, jobs: Sequence[Job]) -> Iterator[Row]:
        waiting = deque(jobs)
        crew = [_Worker() for _ in range(min(self.workers, len(jobs)))]
        try:
            for worker in crew:
                worker.give(waiting.popleft())
            while any(worker.job for worker in crew):
                for worker in _ready(crew):
                    yield worker.take()
                    if waiting:
                        worker.give(waiting.popleft())
        finally:
            for worker in crew:
                worker.end()


class _Worker:
    """A spawned process that runs one job after the other, and what is known of it on this side."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self._start()

    def give(self, job: Job) -> None:
        self.job, self._began = job, time.monotonic()
        self.pipe.send(job)

    def take(self) -> Row:
        """The row of the job; a process that hung or died is replaced."""
        assert self.job is not None
        job, self.job = self.job, None
        took = time.monotonic() - self._began
        if self.pipe.poll():
            try:
                row: Row = self.pipe.recv()
            except (EOFError, OSError):
                self._process.join()
                row = broken(job.cell, "failed", f"its process died with exit code {self._process.exitcode}", took)
            else:
                return row
        else:
            row = broken(job.cell, "timeout", f"took longer than {job.timeout_s:g} s and was ended", took)
        self.end()
        self._start()
        return row

    def left_s(self) -> float:
        """Seconds until the present job is overdue."""
        return float("inf") if self.job is None else self.job.timeout_s - (time.monotonic() - self._began)

    def end(self) -> None:
        self.pipe.close()
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        before = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
        try:
            self._process: BaseProcess = context.Process(target=_work, args=(theirs,), daemon=True)
            self._process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        theirs.close()


def _ready(crew: Sequence[_Worker]) -> list[_Worker]:
    """Workers with something to say, or overdue; waits until there is one."""
    busy = [worker for worker in crew if worker.job]
    patience = max(0.0, min(worker.left_s() for worker in busy))
    said = wait([worker.pipe for worker in busy], timeout=min(patience, 3600.0))
    return [worker for worker in busy if worker.pipe in said or worker.left_s() <= 0]


def _work(pipe: Connection) -> None:
    """What a worker process does until its pipe is closed."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(run_cell(job.cell, job.config, job.folder, job.keep))
        except KeyboardInterrupt:  # a campaign takes signals itself; the benchmark has had the same one
            return

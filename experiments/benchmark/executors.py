"""Where cells run: in this process, or in processes of their own; Slurm and Ray fit behind the same call.

An executor takes jobs and yields their rows as they finish, in any order. It never raises for what a cell does: a
crash, a hang or a kill of its process is a row.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
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
ATTEMPTS = 5
"""Processes that a cell may lose to somebody else's kill."""


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
    """Cells in `workers` processes (spawned, one thread each); one that overruns its time is killed and replaced.

    A cell whose process somebody else killed (a person, a machine out of memory) is given to another, five times.
    """

    workers: Annotated[int, Bounds("processes", 1, 1024)] = 2

    def rows(self, jobs: Sequence[Job]) -> Iterator[Row]:
        waiting, left, killed = deque(jobs), len(jobs), Counter[str]()
        crew = [_Worker() for _ in range(min(self.workers, len(jobs)))]
        try:
            while left:
                for worker in _speaking(crew):
                    heard = worker.hear()
                    if isinstance(heard, Killed):
                        killed[heard.job.cell.id] += 1
                        if killed[heard.job.cell.id] < ATTEMPTS:
                            waiting.appendleft(heard.job)
                            continue
                        heard = heard.row()
                    if heard is not None:
                        left -= 1
                        yield heard
                for worker in crew:
                    if worker.free and waiting:
                        worker.give(waiting.popleft())
        finally:
            for worker in crew:
                worker.end()


@dataclass(frozen=True)
class Killed:
    """A job whose process was killed from outside."""

    job: Job
    signal: int
    took_s: float

    def row(self) -> Row:
        """The row when it has happened too often."""
        why = f"its process was killed by signal {self.signal}, {ATTEMPTS} times over (not enough memory?)"
        return broken(self.job.cell, "failed", why, self.took_s)


class _Worker:
    """A spawned process that runs one job after the other, and what is known of it on this side."""

    pipe: Connection
    _process: BaseProcess
    _job: Job | None
    _ready: bool
    _began: float

    def __init__(self) -> None:
        self._start()

    @property
    def free(self) -> bool:
        """Whether it has started and has no job."""
        return self._ready and self._job is None

    def give(self, job: Job) -> None:
        """The job's time begins now."""
        self._job, self._began = job, time.monotonic()
        with contextlib.suppress(OSError):  # a process that has died is heard of in `hear`
            self.pipe.send(job)

    def hear(self) -> Row | Killed | None:
        """What has become of the job; None where there was none. A process that hung or died is replaced."""
        job, took = self._job, 0.0 if self._job is None else time.monotonic() - self._began
        if not self.pipe.poll():
            assert job is not None
            self._replace()
            return broken(job.cell, "timeout", f"took longer than {job.timeout_s:g} s and was ended", took)
        try:
            row: Row | None = self.pipe.recv()
        except (EOFError, OSError):
            return self._buried(job, took)
        self._ready, self._job = True, None
        return row

    def left_s(self) -> float:
        """Seconds until the present job is overdue."""
        return float("inf") if self._job is None else self._job.timeout_s - (time.monotonic() - self._began)

    def end(self) -> None:
        self.pipe.close()
        self._process.kill()
        self._process.join()

    def _buried(self, job: Job | None, took: float) -> Row | Killed | None:
        self._process.join()
        code = self._process.exitcode or 0
        from_outside = -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        if job is None and not from_outside:
            raise RuntimeError(f"a worker process cannot start: it ended with exit code {code}, see its traceback")
        self._replace()
        if job is None:
            return None
        return Killed(job, -code, took) if from_outside else broken(job.cell, "failed", _ended(code), took)

    def _replace(self) -> None:
        self.end()
        self._start()

    def _start(self) -> None:
        self._job, self._ready = None, False
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        before = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
        try:
            self._process = context.Process(target=_work, args=(theirs,), daemon=True)
            self._process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        theirs.close()


def _ended(code: int) -> str:
    return f"its process crashed with signal {-code}" if code < 0 else f"its process ended with exit code {code}"


def _speaking(crew: Sequence[_Worker]) -> list[_Worker]:
    """Workers with something to say, or overdue; waits until there is one."""
    busy = [worker for worker in crew if not worker.free]
    patience = max(0.0, min(worker.left_s() for worker in busy))
    said = wait([worker.pipe for worker in busy], timeout=min(patience, 3600.0))
    return [worker for worker in busy if worker.pipe in said or worker.left_s() <= 0]


def _work(pipe: Connection) -> None:
    """What a worker process does until its pipe is closed; it says None when it has started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    pipe.send(None)
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(run_cell(job.cell, job.config, job.folder, job.keep))
        except KeyboardInterrupt:  # a campaign takes signals itself; the benchmark has had the same one
            return


def _die_with_parent() -> None:
    """A worker that went on alone would write where the resumed benchmark writes, or hang for good."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)

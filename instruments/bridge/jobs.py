"""What is done off the server's loop: calls of the instrument, one at a time, and making it safe, beside them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from instruments.bridge.wire import Call


class StopAsked:
    """Whether a call shall end early: a flag, because nobody waits for it."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        self._asked = False

    def set(self) -> None:
        """Ask for it."""
        self._asked = True

    def is_set(self) -> bool:
        """True once it was asked for."""
        return self._asked


class Job:
    """A call on its way through the instrument; `stop` ends it early."""

    def __init__(self, call: Call, identity: bytes, work: Callable[[Job], Any]) -> None:
        self.call, self.identity, self.work = call, identity, work
        self.stop = StopAsked()
        self.came_s = time.monotonic()
        self.started_s: float | None = None
        self.overdue_s = float("inf")
        """When, in monotonic seconds, it will have taken too long; infinite until somebody knows."""
        self.given_up = False
        self.safe_asked = False

    def may_take(self, seconds: float) -> None:
        """Set the watchdog, from now; a client's own deadline counts from when its call came."""
        self.overdue_s = time.monotonic() + seconds
        if self.call.deadline_s is not None:
            self.overdue_s = min(self.overdue_s, self.came_s + self.call.deadline_s)

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was begun; 0 while it waits."""
        return 0.0 if self.started_s is None else time.monotonic() - self.started_s


class Worker:
    """The one thread that calls the instrument, so that no vendor's code meets itself."""

    def __init__(self, done: Callable[[Job, Any, BaseException | None], None], most_waiting: int = 64) -> None:
        self._done = done
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._most_waiting = most_waiting
        self.current: Job | None = None
        self._thread = threading.Thread(target=self._run, name="bridge-instrument", daemon=True)
        self._thread.start()

    def accepts(self) -> bool:
        """Whether another job may wait."""
        return self._waiting.qsize() < self._most_waiting

    def submit(self, job: Job) -> None:
        """Have a job done when its turn comes."""
        self._waiting.put(job)

    def close(self, patience_s: float) -> bool:
        """End the thread after the job in progress; whether it did."""
        while True:
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                break
        self._waiting.put(None)
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            job = self._waiting.get()
            if job is None:
                return
            job.started_s, self.current = time.monotonic(), job
            result, error = None, None
            try:
                result = job.work(job)
            except BaseException as raised:  # whatever a driver raises is an answer, not the end of the server
                error = raised
            self.current = None
            self._done(job, result, error)


class Safety:
    """The thread that makes the instrument safe, whatever the worker is stuck in."""

    def __init__(self, make_safe: Callable[[], None], done: Callable[[Any, str, float, str], None]) -> None:
        """`done` is told the asker, the reason, how long it took [s], and what went wrong ('' for nothing)."""
        self._make_safe, self._done = make_safe, done
        self._asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="bridge-safety", daemon=True)
        self._thread.start()

    def ask(self, reason: str, asker: Any = None) -> None:
        """Have the instrument made safe at once."""
        self._asked.put((reason, asker))

    def close(self, patience_s: float) -> None:
        """End the thread after what was asked of it."""
        self._asked.put(None)
        self._thread.join(patience_s)

    def _run(self) -> None:
        while True:
            asked = self._asked.get()
            if asked is None:
                return
            began, wrong = time.monotonic(), ""
            try:
                self._make_safe()
            except BaseException as error:
                wrong = f"{type(error).__name__}: {error}"
            self._done(asked[1], asked[0], time.monotonic() - began, wrong)

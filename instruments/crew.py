"""Threads that help with calls of compiled work, awake from one to the next while these follow each other closely."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from instruments import compiled_gate as gates
from instruments.compiled_turns import shared_out, turns_of

_PATIENCE: Final = 10_000
"""Looks at a number, some tenths of a millisecond, before a helper goes to sleep."""
_PAUSE_S: Final = 2e-5
_FEW: Final = 64
"""Rows below which threads do not pay."""


class Crew:
    """Whoever calls `work` takes part, and as many helpers as make `threads` of them."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._patience = _PATIENCE if threads <= (os.cpu_count() or 1) else 0
        self._gate, self._turns = gates.new_gate(), np.zeros_like(turns_of(0, 1, threads))
        self._call: tuple[Callable[..., None], tuple[Any, ...]] | None = None
        self._failed: BaseException | None = None
        self._busy, self._bell, self._asleep = threading.Lock(), threading.Condition(), 0
        for thread in range(1, threads):
            threading.Thread(target=self._help, args=(thread,), name=f"rows {thread}", daemon=True).start()

    def work(self, first: int, last: int, work: Callable[..., None], given: tuple[Any, ...]) -> None:
        """work(thread, turns, *given) until the rows are done; alone where others are at work already."""
        if not self._busy.acquire(blocking=False):
            work(0, turns_of(first, last, 1), *given)
            return
        self._call = work, given
        try:
            gates.open_gate(self._gate, shared_out(first, last, self._threads), self._turns)
            self._rouse()
            work(0, self._turns, *given)
        finally:
            failed = self._end()
        if failed is not None:
            raise failed

    def _rouse(self) -> None:
        """Wake those who sleep."""
        if self._asleep:
            with self._bell:
                self._bell.notify_all()

    def _end(self) -> BaseException | None:
        """Wait for the helpers; what failed in one. Where this is interrupted nobody can tell when they have left: the
        crew stays busy for good, and whoever calls works alone.
        """
        entered = gates.close_gate(self._gate)
        while not gates.all_left(self._gate, entered, max(self._patience, 1)):
            time.sleep(_PAUSE_S)
        failed, self._failed, self._call = self._failed, None, None
        self._busy.release()
        return failed

    def _help(self, thread: int) -> None:
        seen, left = 0, 0
        while True:
            called = gates.watch(self._gate, self._turns, left, seen, self._patience)
            left = 0
            if called:
                seen = int(self._gate[gates.CALL])
                left = self._joined(thread)
            else:
                self._sleep(seen)

    def _joined(self, thread: int) -> int:
        """Help with the latest call where it is still open; how many calls are to be left."""
        if not gates.enter(self._gate):
            return 0
        assert self._call is not None
        work, given = self._call
        try:
            work(thread, self._turns, *given)
        except BaseException as error:
            self._failed = error
        return 1

    def _sleep(self, seen: int) -> None:
        with self._bell:
            self._asleep += 1
            if int(self._gate[gates.CALL]) == seen:
                self._bell.wait()
            self._asleep -= 1


def in_threads(threads: int, first: int, last: int, work: Callable[..., None], *given: Any) -> None:
    """work(thread, turns, *given) on rows first to last: in so many threads, in one where rows are few."""
    if threads > 1 and last - first >= _FEW:
        crew(threads).work(first, last, work, given)
    else:
        work(0, turns_of(first, last, 1), *given)


@cache
def crew(threads: int) -> Crew:
    """The one of so many threads."""
    return Crew(threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=crew.cache_clear)

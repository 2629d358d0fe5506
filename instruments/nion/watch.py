"""A thread beside a call that blocks: it aborts the call when it shall stop or has taken too long, and remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from instruments.errors import HardwareFault, Stopped
from instruments.seam import Stop

_LOOK_S = 0.01


class Watch:
    """A context in which a call may block for `limit_s`."""

    def __init__(self, abort: Callable[[], None], stop: Stop, ended: threading.Event, limit_s: float) -> None:
        self.limit_s = limit_s
        self._abort, self._stop, self._ended = abort, stop, ended
        self._over = threading.Event()
        self._fired = ""
        self._thread = threading.Thread(target=self._run, name="nion-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._until_s = time.monotonic() + self.limit_s
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()

    def judge(self, what: str) -> None:
        """Raise Stopped or HardwareFault where the call was aborted, whatever it gave."""
        if self._fired == "hung":
            raise HardwareFault(f"{what} did not end within {self.limit_s:g} s and was aborted")
        if self._fired or self._ended.is_set():
            raise Stopped(f"{what} was ended; an aborted frame is none")

    def _run(self) -> None:
        while not self._over.wait(_LOOK_S):
            if not self._fired:
                self._fired = self._why()
            if self._fired:
                self._abort()  # again and again: one that comes before the start is lost

    def _why(self) -> str:
        if self._stop.is_set() or self._ended.is_set():
            return "stopped"
        return "hung" if time.monotonic() > self._until_s else ""

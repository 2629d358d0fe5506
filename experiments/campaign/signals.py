"""How a person stops a campaign: SIGINT, SIGTERM, or a file named `stop` in the run folder."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class StopRequest:
    """Whether a stop was asked for; fulfils `instruments.seam.Stop`."""

    def __init__(self, file: Path | None = None) -> None:
        self._event, self._file = threading.Event(), file
        self.why = ""

    def ask(self, why: str) -> None:
        """Ask for a stop at the next safe point."""
        self.why = self.why or why
        self._event.set()

    def is_set(self) -> bool:
        """True once a stop was asked for."""
        if not self._event.is_set() and self._file is not None and self._file.exists():
            self.ask("a stop file")
        return self._event.is_set()


@contextmanager
def stopping(stop: StopRequest, make_safe: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM ask for a stop; a second one makes the instrument safe at once and interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.why:
            make_safe()
            raise KeyboardInterrupt
        stop.ask(signal.Signals(number).name)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

"""The beam: blanked except while something is acquired, and read back each time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from instruments.errors import HardwareFault, InstrumentError, Stopped
from instruments.seam import Stop

_LOOK_S = 0.01


class Beam:
    """The blanker of a column, and the calls that run between unblanking and blanking.

    `set_blank` asks for it, `blanked` says what the column tells of it; `ended` is set while the instrument is to stay
    safe.
    """

    def __init__(self, set_blank: Callable[[bool], None], blanked: Callable[[], bool], ended: threading.Event) -> None:
        self._set_blank, self._blanked, self._ended = set_blank, blanked, ended
        self._turn = threading.RLock()
        self._running: threading.Thread | None = None

    def blank(self, on: bool = True) -> None:
        """Blank or unblank; raises HardwareFault where the column reads otherwise afterwards."""
        with self._turn:
            asked("blanker", self._set_blank, on)
            if self.is_blanked() is not on:
                raise HardwareFault(f"the beam was to be {'' if on else 'un'}blanked, and reads otherwise")

    def is_blanked(self) -> bool:
        """What the column says."""
        return bool(asked("blanker", self._blanked))

    def exposed(self, what: str, call: Callable[[], Any], stop: Stop, limit_s: float) -> tuple[Any, float]:
        """What a blocking call gave between unblanking and blanking, and its seconds.

        One that shall stop goes on in the dark, is waited for, and is none: it raises Stopped. One that takes more than
        `limit_s` is left behind in its thread and raises HardwareFault; until it returns, every other one does.
        """
        if self._running is not None and self._running.is_alive():
            raise HardwareFault("a call of before has still not returned: nothing more is asked until it does")
        box: list[Any] = []
        thread = threading.Thread(target=_into, args=(box, call), daemon=True)
        try:
            self._unblank(what, stop)
            began, self._running = time.monotonic(), thread
            thread.start()
            ended = self._watch(thread, stop, began + limit_s)
        finally:
            self.blank()
        if thread.is_alive():
            raise HardwareFault(f"{what} has not returned within {limit_s:g} s; the beam is blanked")
        if ended or self._to_end(stop):
            raise Stopped(f"{what} was ended; what still came of it is none")
        value, error, returned = box
        if error is not None:
            raise fault(what, error)
        return value, returned - began

    def _watch(self, thread: threading.Thread, stop: Stop, until: float) -> bool:
        """Wait for a call and blank as soon as it shall end; whether it shall."""
        ended = False
        while thread.is_alive() and time.monotonic() < until:
            if not ended and self._to_end(stop):
                ended = True
                self.blank()
            thread.join(_LOOK_S)
        return ended

    def _unblank(self, what: str, stop: Stop) -> None:
        ended = stop.is_set()
        with self._turn:  # who makes it safe sets `ended` first: once it was blanked then, nobody unblanks
            if ended or self._ended.is_set():
                raise Stopped(f"{what} was ended before it began")
            self.blank(False)

    def _to_end(self, stop: Stop) -> bool:
        return stop.is_set() or self._ended.is_set()


def asked(what: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of a vendor's software, whose exceptions, of whatever kind, become HardwareFault."""
    try:
        return call(*arguments)
    except Exception as error:
        raise fault(what, error) from None


def fault(what: str, error: BaseException) -> InstrumentError:
    """An error of ours as it is, a vendor's as HardwareFault."""
    return error if isinstance(error, InstrumentError) else HardwareFault(f"{what}: {type(error).__name__}: {error}")


def followed(name: str, wanted: float, got: float, most: float = 0.0) -> None:
    """Raise HardwareFault where a value that was set reads otherwise, by more than 1e-6 of it and more than `most`."""
    if not abs(got - wanted) <= max(most, 1e-6 * abs(wanted), 1e-15):
        raise HardwareFault(f"{name} was set to {wanted:g} and reads {got:g}: it was clamped or ignored")


def _into(box: list[Any], call: Callable[[], Any]) -> None:
    try:
        box.extend((call(), None))
    except Exception as error:  # handed to the thread that waits
        box.extend((None, error))
    box.append(time.monotonic())

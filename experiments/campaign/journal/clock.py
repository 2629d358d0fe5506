"""The time of a journal's events: it never goes back, whoever sets the computer's clock."""

from __future__ import annotations

import time


class Clock:
    """Seconds since 1970: taken from the computer once, from then on by a clock that nobody can set.

    A sleep of the computer counts where the system tells (Linux, Windows).
    """

    def __init__(self) -> None:
        self.start(time.time())

    def start(self, t: float) -> None:
        """It is `t` now."""
        self._start, self._begun = t, _steady()

    def now(self) -> float:
        """The time."""
        return self._start + _steady() - self._begun


def _steady() -> float:
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()

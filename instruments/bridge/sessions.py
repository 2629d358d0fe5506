"""Who has called: each client's numbered calls, and the answers that are kept for those who ask again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from instruments.bridge.jobs import Job
from instruments.bridge.wire import Frames

_KEPT = 64
_MOST_SESSIONS = 256


class Kept:
    """An answer that was given: its frames, and how many bytes they hold."""

    def __init__(self, frames: Frames) -> None:
        self.frames, self.bytes = frames, sum(map(len, frames))


class Session:
    """One client: what it calls itself, the key it came with, its calls in progress and its last answers."""

    def __init__(self, user: str) -> None:
        self.user, self.name = user, "unnamed"
        self.jobs: dict[int, Job] = {}
        self.kept: OrderedDict[int, Kept] = OrderedDict()
        self._kept_bytes = 0
        self.forgotten = 0
        """The highest number whose answer is no longer kept: what is not above it is never carried out."""

    def keep(self, seq: int, kept: Kept, most_bytes: int) -> None:
        """Keep an answer, and forget the oldest where there are too many or too large ones."""
        self.kept[seq] = kept
        self._kept_bytes += kept.bytes
        while len(self.kept) > 1 and (len(self.kept) > _KEPT or self._kept_bytes > most_bytes):
            oldest, gone = self.kept.popitem(last=False)
            self._kept_bytes -= gone.bytes
            self.forgotten = max(self.forgotten, oldest)


class Sessions:
    """All clients, the one that was silent longest forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Session] = OrderedDict()

    def of(self, session: bytes, user: str, holder: bytes | None) -> Session | None:
        """The session of these 16 bytes; None where they belong to another key. `holder` is never forgotten."""
        found = self._known.get(session)
        if found is None:
            found = self._known[session] = Session(user)
            self._forget(holder)
        self._known.move_to_end(session)
        return found if found.user == user else None

    def known(self, session: bytes) -> Session | None:
        """The session of these 16 bytes, where there is one."""
        return self._known.get(session)

    def all(self) -> Any:
        """Every session."""
        return self._known.values()

    def _forget(self, holder: bytes | None) -> None:
        while len(self._known) > _MOST_SESSIONS:
            idle = [key for key, each in self._known.items() if key != holder and not each.jobs]
            if not idle:
                return
            del self._known[idle[0]]

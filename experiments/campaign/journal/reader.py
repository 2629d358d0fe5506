"""Reading a journal, also while another process writes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from experiments.campaign.journal import artifacts, codec, schema
from experiments.campaign.journal.errors import JournalDamaged

_SMALLEST_BYTES = 512
"""SQLite takes a shorter file for an empty one."""


@dataclass(frozen=True)
class Event:
    """One thing that happened: its number, time [s since 1970], kind, step and payload."""

    seq: int
    t: float
    kind: str
    step: int
    payload: dict[str, Any]


class Reader:
    """A read-only view; a context manager. Raises JournalDamaged on anything that is not a journal."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise JournalDamaged(f"no journal at {path}")
        if 0 < path.stat().st_size < _SMALLEST_BYTES:
            raise JournalDamaged(f"{path} is truncated: {path.stat().st_size} bytes")
        self._path, self._folder = path, path.parent
        try:
            self._connection = schema.connect(path, read_only=True)
        except sqlite3.OperationalError as error:
            raise JournalDamaged(f"{path} cannot be opened: {error}") from None
        try:
            self._version = schema.version_of(self._connection)
            if self._version > schema.VERSION:
                raise JournalDamaged(f"{path} is of schema {self._version}: update probewright to read it")
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def meta(self) -> dict[str, Any]:
        """What was written once when the campaign began; empty where it never did."""
        if self._version == 0:
            return {}
        rows = list(self._rows("SELECT key, value FROM meta"))
        return {key: json.loads(value) for key, value in rows} | {"schema_version": self._version}

    def owner(self) -> dict[str, Any]:
        """Who wrote last: fence, pid, host, since [s since 1970]."""
        (row,) = self._rows("SELECT fence, pid, host, since FROM lease")
        return dict(zip(("fence", "pid", "host", "since"), row, strict=True))

    def events(self, after: int = 0, kinds: Collection[str] | None = None) -> Iterator[Event]:
        """Events with a number above `after`, in order, of the given kinds only."""
        if self._version == 0:
            return
        where, values = "seq > ?", [after, *(kinds or ())]
        if kinds is not None:
            where += f" AND kind IN ({','.join('?' * len(kinds))})"
        query = f"SELECT seq, t, kind, step, payload, artifact, artifact_sha FROM events WHERE {where} ORDER BY seq"
        for seq, t, kind, step, payload, artifact, sha in self._rows(query, values):
            data = payload if artifact is None else artifacts.read(self._folder / artifact, sha)
            yield Event(seq, t, kind, step, codec.decode(data))

    def last(self, kind: str) -> Event | None:
        """The newest event of a kind."""
        if self._version == 0:
            return None
        ((seq,),) = self._rows("SELECT max(seq) FROM events WHERE kind = ?", (kind,))
        return None if seq is None else next(self.events(seq - 1, (kind,)))

    def _rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.DatabaseError as error:
            raise JournalDamaged(f"{self._path} is damaged: {error}") from None


def open_reader(path: Path) -> Reader:
    """A reader of the journal at `path`, to be used in a `with`."""
    return Reader(path)

"""Writing a journal: one writer, every transaction durable before the next thing happens."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.campaign.journal import artifacts, codec, lease, schema
from experiments.campaign.journal.clock import Clock
from experiments.campaign.journal.errors import JournalDamaged, JournalError, JournalFull

Record = tuple[str, int, Mapping[str, Any]]
"""(kind, step, payload)."""

Boundary = Callable[[str], None]
"""Called with a name before and after everything that becomes durable; tests kill the process there."""


class Journal:
    """The single writer of a campaign's journal.

    Raises JournalHeld when a live process writes it, JournalFull when the disk is full, Fenced when it was taken
    over, JournalDamaged when the file is something else.
    """

    def __init__(self, path: Path, boundary: Boundary = lambda name: None, *, durable: bool = True) -> None:
        self.path = path
        self._boundary = boundary
        self._lock = lease.hold(path)
        try:
            self._connection = schema.connect(path, durable=durable)
            self.migrated_from = schema.migrate(self._connection)
        except sqlite3.OperationalError as error:
            self._lock.release()
            raise _said(error, path) from None
        except BaseException:
            self._lock.release()
            raise
        self._fence, self._clock = 0, Clock()

    def begin(self, meta: Mapping[str, Any]) -> None:
        """Create the tables and write what never changes; raises JournalDamaged in a journal that has begun."""
        if schema.version_of(self._connection) != 0:
            raise JournalDamaged(f"{self.path} has begun already: resume it")
        self._clock.start(float(meta.get("created", self._clock.now())))

        def write() -> None:
            schema.create(self._connection)
            rows = [(key, json.dumps(value)) for key, value in meta.items()]
            self._connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            self._fence = lease.raise_fence(self._connection)
            self._insert([("opened", 0, {})])

        self._transaction("begin", write)

    def take_over(self) -> None:
        """Become the writer of a journal that has begun; raises JournalDamaged where it never did."""
        if schema.version_of(self._connection) == 0:
            raise JournalDamaged(f"{self.path.parent} was killed before it began: run it again")

        def write() -> None:
            self._fence = lease.raise_fence(self._connection)
            ((latest,),) = self._connection.execute("SELECT max(t) FROM events")
            self._clock.start(max(time.time(), latest))

        self._transaction("take over", write)

    def add(self, label: str, records: Sequence[Record]) -> None:
        """Write records in one transaction, durable on return; `label` names the boundary."""

        def write() -> None:
            lease.check_fence(self._connection, self._fence)
            self._insert(records)

        self._transaction(label, write)

    def close(self) -> None:
        """Let go of file and lock; may be called twice."""
        self._connection.close()
        self._lock.release()

    def _transaction(self, label: str, write: Callable[[], None]) -> None:
        self._boundary(f"before {label}")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            write()
            self._boundary(f"inside {label}")
            self._connection.execute("COMMIT")
        except (sqlite3.OperationalError, OSError) as error:
            self._undo()
            raise _said(error, self.path) from error
        except BaseException:
            self._undo()
            raise
        self._boundary(f"after {label}")

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _insert(self, records: Sequence[Record]) -> None:
        for kind, step, payload in records:
            data: bytes | None = codec.encode(payload)
            name = sha = None
            if data is not None and len(data) > artifacts.INLINE_BYTES:
                name, sha = artifacts.write(self.path.parent / "artifacts", data)
                data = None
                self._boundary("artifact written")
            row = (self._clock.now(), kind, step, data, name, sha)
            self._connection.execute(
                "INSERT INTO events(t, kind, step, payload, artifact, artifact_sha) VALUES (?, ?, ?, ?, ?, ?)", row
            )


def _said(error: Exception, path: Path) -> JournalError:
    text = str(error)
    full = "full" in text or getattr(error, "errno", None) in {28, 122, 27}  # ENOSPC, EDQUOT, EFBIG
    if full or "disk I/O error" in text:
        return JournalFull(f"cannot write {path.name}: {text}; free some space, then: probewright resume {path.parent}")
    return JournalError(f"cannot write {path.name}: {text}")

"""Accounts that outlive campaigns: what was ever booked on a named sample.

One SQLite file in the runs folder, keyed by (instrument, sample). A campaign holds its sample's lock while it
runs; the bookings of earlier campaigns open its account.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import filelock
import msgpack

from experiments.campaign.journal.errors import JournalHeld
from instruments.cost import Cost
from instruments.requests import Request, from_plain, to_plain

_TABLE = """CREATE TABLE IF NOT EXISTS bookings(
  account TEXT NOT NULL, id TEXT NOT NULL, request BLOB NOT NULL, cost BLOB NOT NULL, settled INTEGER NOT NULL,
  PRIMARY KEY (account, id))"""


class Book(Protocol):
    """Where bookings are kept beyond the campaign."""

    def book(self, id: str, request: Request, worst: Cost) -> None:
        """Book the worst case, before the command is journalled."""
        ...

    def settle(self, id: str, actual: Cost) -> None:
        """Replace it by the actual cost."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class FreshSample:
    """The book of a sample without a name: nothing is kept, and nothing was booked before."""

    def book(self, id: str, request: Request, worst: Cost) -> None:
        pass

    def settle(self, id: str, actual: Cost) -> None:
        pass

    def close(self) -> None:
        pass


class SampleBook:
    """The book of a named sample on an instrument; raises JournalHeld while another campaign is on it."""

    def __init__(self, runs: Path, instrument: str, sample: str) -> None:
        runs.mkdir(parents=True, exist_ok=True)
        self._account = f"{instrument} / {sample}"
        self._lock = filelock.FileLock(runs / f".{re.sub(r'[^A-Za-z0-9.-]+', '_', self._account)}.lock")
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise JournalHeld(f"sample {sample!r} is in use by another campaign; wait for it or stop it") from None
        self._connection = sqlite3.connect(runs / "accounts.sqlite", isolation_level=None, timeout=10.0)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(_TABLE)

    def earlier(self, campaign_id: str) -> Iterator[tuple[str, Request, Cost]]:
        """Bookings of all other campaigns on this sample: (command id, request, cost)."""
        query = "SELECT id, request, cost FROM bookings WHERE account = ? ORDER BY rowid"
        for id, request, cost in self._connection.execute(query, (self._account,)):
            if not id.startswith(campaign_id):
                yield id, from_plain(msgpack.unpackb(request)), Cost.of(msgpack.unpackb(cost))

    def book(self, id: str, request: Request, worst: Cost) -> None:
        row = (self._account, id, msgpack.packb(to_plain(request)), msgpack.packb(worst.as_dict()))
        self._connection.execute("INSERT OR IGNORE INTO bookings VALUES (?, ?, ?, ?, 0)", row)

    def settle(self, id: str, actual: Cost) -> None:
        row = (msgpack.packb(actual.as_dict()), self._account, id)
        self._connection.execute("UPDATE bookings SET cost = ?, settled = 1 WHERE account = ? AND id = ?", row)

    def close(self) -> None:
        self._connection.close()
        self._lock.release()

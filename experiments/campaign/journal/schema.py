"""The journal's tables, their version, and how older files are brought forward."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.campaign.journal.errors import JournalDamaged

VERSION = 1

TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events(
  seq INTEGER PRIMARY KEY, t REAL NOT NULL, kind TEXT NOT NULL, step INTEGER NOT NULL,
  payload BLOB, artifact TEXT, artifact_sha TEXT,
  CHECK ((payload IS NULL) = (artifact IS NOT NULL))
);
CREATE TABLE lease(one INTEGER PRIMARY KEY CHECK (one = 1), fence INTEGER NOT NULL, pid INTEGER, host TEXT, since REAL);
INSERT INTO lease VALUES (1, 0, NULL, NULL, NULL);
"""

Migration = Callable[[sqlite3.Connection], None]
MIGRATIONS: Mapping[int, Migration] = {}
"""For each older version, what makes the next one of it, inside a transaction. Version 1 is the first released."""


def connect(path: Path, *, read_only: bool = False, durable: bool = True) -> sqlite3.Connection:
    """A connection with the journal's settings; transactions are begun by hand.

    What is not durable survives the death of the process, not that of the machine.
    """
    uri = path.absolute().as_uri() + ("?mode=ro" if read_only else "")
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout=5000")
    if not read_only:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        connection.execute("PRAGMA foreign_keys=ON")
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version, 0 for an empty file; raises JournalDamaged where the file is no journal."""
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    except sqlite3.DatabaseError as error:
        raise JournalDamaged(f"not a journal: {error}") from None
    if tables and "events" not in tables:
        raise JournalDamaged("not a journal: an SQLite file of something else")
    return version if tables else 0


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file, inside the caller's transaction."""
    for statement in TABLES.strip().split(";\n"):
        connection.execute(statement.rstrip(";"))
    connection.execute(f"PRAGMA user_version={VERSION}")


def migrate(
    connection: sqlite3.Connection, migrations: Mapping[int, Migration] = MIGRATIONS, target: int = VERSION
) -> int:
    """Bring an older journal to `target` step by step, each in one transaction; returns the version found.

    Raises JournalDamaged for a journal written by a newer version.
    """
    found = version = version_of(connection)
    if version > target:
        raise JournalDamaged(f"journal of schema {version}, this is for up to {target}: update probewright")
    while 0 < version < target:
        connection.execute("BEGIN IMMEDIATE")
        try:
            migrations[version](connection)
            connection.execute(f"PRAGMA user_version={version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        version += 1
    return found

"""One writer: an operating-system lock that dies with its process, and a fence number in the file.

The lock refuses a second writer at once on one machine. The fence holds where locks do not reach (a network
share): whoever opens the journal raises it, and a writer that finds it raised must stop.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from pathlib import Path

import filelock

from experiments.campaign.journal.errors import Fenced, JournalHeld

_PATIENCE_S = 0.5
"""Longer than `is_held` of another process holds the lock to look."""


def lock_of(journal: Path) -> filelock.FileLock:
    """The lock beside a journal; not yet acquired."""
    return filelock.FileLock(journal.with_suffix(".lock"), thread_local=False)


def hold(journal: Path) -> filelock.FileLock:
    """Acquire the lock; raises JournalHeld when a live process has it."""
    lock = lock_of(journal)
    try:
        lock.acquire(timeout=_PATIENCE_S, poll_interval=0.02)
    except filelock.Timeout:
        raise JournalHeld(f"{journal.parent} is being run by another process; stop that one first") from None
    return lock


def is_held(journal: Path) -> bool:
    """Whether a live process is writing the journal."""
    if not journal.with_suffix(".lock").exists():
        return False
    try:
        lock = hold(journal)
    except JournalHeld:
        return True
    lock.release()
    return False


def raise_fence(connection: sqlite3.Connection) -> int:
    """Take the journal over, inside the caller's transaction; returns the new fence number."""
    fence = int(connection.execute("SELECT fence FROM lease").fetchone()[0]) + 1
    owner = (fence, os.getpid(), platform.node(), time.time())
    connection.execute("UPDATE lease SET fence=?, pid=?, host=?, since=?", owner)
    return fence


def check_fence(connection: sqlite3.Connection, fence: int) -> None:
    """Raise Fenced when another process took the journal over since."""
    found = int(connection.execute("SELECT fence FROM lease").fetchone()[0])
    if found != fence:
        raise Fenced("another process has taken this campaign over; this one stops")

"""The files of a run that MLflow gets a copy of, each one again only after it changed."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

FILES = ("config.yaml", "summary.json", "report.html")
JOURNAL = "journal.sqlite"
JOURNAL_BYTES = 20_000_000
"""A larger journal stays where it is."""


def upload(
    client: Any, run_id: str, folder: Path, sent: Mapping[str, str], journal_at: int
) -> Iterator[dict[str, str]]:
    """Upload what is new or changed; yields the fingerprints of all that has arrived after each file.

    journal_at is the number of the journal's last event, which tells whether its copy is of today.
    """
    for name in FILES:
        path = folder / name
        if path.is_file() and sent.get(name) != (print_ := _fingerprint(path)):
            client.log_artifact(run_id, str(path))
            sent = {**sent, name: print_}
            yield dict(sent)
    if sent.get(JOURNAL) != str(journal_at) and _small(folder / JOURNAL):
        with tempfile.TemporaryDirectory() as place:
            copy_journal(folder / JOURNAL, Path(place) / JOURNAL)
            client.log_artifact(run_id, str(Path(place) / JOURNAL))
        yield {**sent, JOURNAL: str(journal_at)}


def copy_journal(source: Path, target: Path) -> None:
    """A consistent copy as one file, whatever still stands in the write-ahead log."""
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as read,
        closing(sqlite3.connect(target)) as write,
    ):
        read.backup(write)
        write.execute("PRAGMA journal_mode=DELETE")


def _fingerprint(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_mtime_ns}:{stat.st_size}"


def _small(journal: Path) -> bool:
    log = journal.with_name(f"{journal.name}-wal")
    return journal.stat().st_size + (log.stat().st_size if log.exists() else 0) < JOURNAL_BYTES

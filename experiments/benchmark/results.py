"""results.jsonl: a line a finished cell, appended as it comes; whatever was cut off is run again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from experiments.benchmark.cell import Row
from experiments.campaign.folder import write_atomic

SYNC_S = 1.0


def read(path: Path) -> dict[str, Row]:
    """Rows by cell id; a line that a kill cut off is left out, the first row of a cell counts."""
    rows: dict[str, Row] = {}
    for line in _lines(path):
        try:
            row = Row(**json.loads(line))
        except (ValueError, TypeError):
            continue
        rows.setdefault(row.id, row)
    return rows


def forget(path: Path, unwanted: Callable[[Row], bool]) -> None:
    """Take rows out, so that their cells are run again."""
    kept = [row for row in read(path).values() if not unwanted(row)]
    write_atomic(path, "".join(json.dumps(row.as_dict()) + "\n" for row in kept))


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from file


class Appender:
    """Appends rows; begins on a fresh line after a kill.

    A row outlives the death of the process at once, that of the machine after a second: waiting for the disk at every
    row would cost more than a short cell, and a row that is lost is run again.
    """

    def __init__(self, path: Path) -> None:
        cut_off = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        self._file = path.open("a", encoding="utf-8")
        if cut_off:
            self._file.write("\n")
        self._synced = time.monotonic()

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sync()
        self._file.close()

    def add(self, row: Row) -> None:
        """Write one row."""
        self._file.write(json.dumps(row.as_dict()) + "\n")
        self._file.flush()
        if time.monotonic() - self._synced > SYNC_S:
            self._sync()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

"""results.jsonl: a line a finished cell, appended and made durable; whatever was cut off is run again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from experiments.benchmark.cell import Row
from experiments.campaign.folder import write_atomic


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
    """Appends rows, each durable before the next; begins on a fresh line after a kill."""

    def __init__(self, path: Path) -> None:
        cut_off = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        self._file = path.open("a", encoding="utf-8")
        if cut_off:
            self._file.write("\n")

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, row: Row) -> None:
        """Write one row and have it on the disk."""
        self._file.write(json.dumps(row.as_dict()) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

"""The audit log: one JSON line for every command and refusal; a flood of the same is counted, not written."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

_WRITTEN_EACH = 1000
_EVERY = 10_000


class Audit:
    """Appends to a file; without one it only counts. Safe from several threads.

    `time` is the wall clock's, which somebody may set; `up_s` are seconds since the log was opened, which only grow.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.counts: dict[str, int] = {}
        self._lock, self._began_s = threading.Lock(), time.monotonic()
        self._file = None if path is None else path.open("a", encoding="utf-8")

    def note(self, what: str, **details: Any) -> None:
        """Write a line; of one and the same refusal the first thousand, then every ten-thousandth with its number."""
        with self._lock:
            count = self.counts[what] = self.counts.get(what, 0) + 1
            flood = what.startswith("refused") and count > _WRITTEN_EACH and count % _EVERY
            if self._file is None or self._file.closed or flood:
                return
            clocks = {"time": round(time.time(), 6), "up_s": round(time.monotonic() - self._began_s, 6)}
            line = {**clocks, "what": what, "number": count, **details}
            self._file.write(json.dumps(line, default=str) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()

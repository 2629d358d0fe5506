"""The log of a run: JSON lines in its folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class JsonLines(logging.Formatter):
    """One JSON object a line: t [s since 1970], level, where, message, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "t": record.created,
            "level": record.levelname.lower(),
            "where": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class LogFile(logging.FileHandler):
    """A log that is given up where the disk is full: a campaign must not end for its log."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Append what `experiments`, `agents`, `environments` and `instruments` log to a file."""
    handler = LogFile(path, encoding="utf-8")
    handler.setFormatter(JsonLines())
    loggers = [logging.getLogger(name) for name in ("experiments", "agents", "environments", "instruments")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True
        handler.close()

"""Growing pauses, and what an error says in one line."""

from __future__ import annotations

from collections.abc import Iterator

PLAIN_REASONS = ("connection refused", "name resolution", "timed out", "database is locked")
"""What is buried in nested exceptions when MLflow is out of reach."""


def pauses_s(first: float = 0.5, longest: float = 30.0) -> Iterator[float]:
    """Pauses [s] that double up to the longest, without end."""
    pause = first
    while True:
        yield pause
        pause = min(longest, 2.0 * pause)


def one_line(error: BaseException, length: int = 300) -> str:
    """An error as one line: its innermost reason where MLflow wraps another's."""
    text = " ".join(str(error).split()) or type(error).__name__
    for reason in PLAIN_REASONS:
        if reason.lower() in text.lower():
            return reason
    return text if len(text) <= length else f"{text[: length - 1]}…"

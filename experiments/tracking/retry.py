"""Growing pauses, and what an error says in one line."""

from __future__ import annotations

from collections.abc import Iterator


def pauses_s(first: float = 0.5, longest: float = 30.0) -> Iterator[float]:
    """Pauses [s] that double up to the longest, without end."""
    pause = first
    while True:
        yield pause
        pause = min(longest, 2.0 * pause)


def one_line(error: BaseException, length: int = 300) -> str:
    """An error as one line: its innermost reason where MLflow wraps another's."""
    text = " ".join(str(error).split()) or type(error).__name__
    for marker in (
        "Failed to establish a new connection",
        "Connection refused",
        "Read timed out",
        "database is locked",
    ):
        if marker in text:
            return marker[0].lower() + marker[1:]
    return text if len(text) <= length else f"{text[: length - 1]}…"

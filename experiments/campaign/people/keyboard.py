"""Answers typed in the terminal that the campaign runs in."""

from __future__ import annotations

import select
import sys
from typing import TextIO

from experiments.campaign.people.questions import Answer, Question
from experiments.campaign.people.wording import GRAMMAR, answer_of
from experiments.config.errors import ConfigError

PROMPT = "Enter approves; a N, v, or m at=X,Y | candidate=N | action=A,B,..; Ctrl-C stops\n> "


class Keyboard:
    """Reads lines from a terminal without blocking; POSIX only (elsewhere use `probewright answer`)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def offer(self, question: Question) -> None:
        _say(PROMPT)

    def poll(self, question: Question) -> Answer | None:
        if not select.select([self._stream], [], [], 0.0)[0]:
            return None
        line = self._stream.readline()
        if not line:  # the terminal is gone; others may still answer
            return None
        try:
            return answer_of(line.split(), "terminal")
        except ConfigError as error:
            _say(f"{error}\n> ")
            return None


def keyboard() -> Keyboard | None:
    """The keyboard of this process, where there is one."""
    usable = sys.platform != "win32" and sys.stdin is not None and sys.stdin.isatty()
    return Keyboard(sys.stdin) if usable else None


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


__all__ = ["GRAMMAR", "Keyboard", "keyboard"]

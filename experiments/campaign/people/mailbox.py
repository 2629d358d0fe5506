"""Answers from other processes: one small file for each in the run folder, written whole and once.

The journal has one writer, the campaign; whoever else answers leaves a file here, and the campaign journals it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from experiments.campaign.folder import write_json
from experiments.campaign.people.questions import Answer, Question

FOLDER = "answers"


class Answered(Exception):
    """Somebody else was quicker."""


class Mailbox:
    """The answers left in a run folder."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder / FOLDER

    def offer(self, question: Question) -> None:
        """Nothing is to be prepared: the question stands in the journal."""

    def poll(self, question: Question) -> Answer | None:
        path = self._path(question)
        if not path.is_file():
            return None
        try:
            return Answer.of(json.loads(path.read_text(encoding="utf-8")))
        except (TypeError, ValueError):
            path.replace(path.with_suffix(".unreadable"))  # nobody's answer: the question stays open
            return None

    def leave(self, question: Question, answer: Answer) -> None:
        """Answer a question, from any process; raises Answered where somebody did."""
        self._folder.mkdir(exist_ok=True)
        path = self._path(question)
        mine = path.with_name(f".{path.stem}.{os.getpid()}.json")
        write_json(mine, answer.plain())
        try:
            os.link(mine, path)
        except FileExistsError:
            raise Answered(f"step {question.step} was answered by somebody else just now") from None
        finally:
            with suppress(OSError):
                mine.unlink()

    def _path(self, question: Question) -> Path:
        return self._folder / f"{question.step:06d}-{question.number}.json"

"""`answer`: what a campaign asks, and the answer to it, from any terminal of the machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.campaign.journal import is_held, open_reader
from experiments.campaign.past import read_asked
from experiments.campaign.people.mailbox import Mailbox
from experiments.campaign.people.questions import Answer, Asked, Question
from experiments.campaign.people.wording import GRAMMAR, answer_of, lines, said
from experiments.cli.exits import DONE, FAILED
from experiments.cli.folders import is_run, one_run
from experiments.config.errors import ConfigError

WAIT_S = 10.0


def answer(folder: Path, words: Sequence[str], note: str) -> int:
    """Leave the answer and say what became of it, or show the question where there are no words; the exit code."""
    if not is_run(folder):
        raise ConfigError(f"{folder} is no run folder: probewright status lists those that wait")
    run = one_run(folder)
    given = answer_of(words, "answer command", note) if words else None
    question, unit = _open_question(run)
    if question is None:
        print(f"{run} asks nothing at present", file=sys.stderr)
        return FAILED
    if given is None:
        print("\n".join([*lines(question, unit), f"answer with: probewright answer {folder} {GRAMMAR}"]))
        return DONE
    Mailbox(run).leave(question, given)
    return _became(run, question)


def _open_question(run: Path) -> tuple[Question | None, str]:
    with open_reader(run / "journal.sqlite") as reader:
        brief = reader.last("brief")
        return read_asked(reader).open(), str(brief.payload["value_unit"]) if brief else ""


def _became(run: Path, question: Question) -> int:
    """Wait until the campaign took the answer in, and say how."""
    ends = time.monotonic() + WAIT_S
    while time.monotonic() < ends:
        runs = is_held(run / "journal.sqlite")  # looked at first: it may end with this very answer
        if (taken := _asked(run).answers.get((question.step, question.number))) is not None:
            return _told(question, taken)
        if not runs:
            print(f"kept for step {question.step}; nothing runs here now: probewright resume {run}")
            return DONE
        time.sleep(0.1)
    print(f"left for step {question.step}; the campaign has not taken it yet", file=sys.stderr)
    return FAILED


def _asked(run: Path) -> Asked:
    with open_reader(run / "journal.sqlite") as reader:
        return read_asked(reader)


def _told(question: Question, taken: Answer) -> int:
    print(f"step {question.step}: {said(taken)}", file=sys.stdout if taken.taken else sys.stderr)
    return DONE if taken.taken else FAILED

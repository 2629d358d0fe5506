"""What a journal already holds, laid out so that the loop can go over it again without doing anything twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.protocol import Decision
from experiments.campaign.journal import Event, Reader
from experiments.campaign.people.questions import Answer, Asked, Question
from instruments.cost import Cost
from instruments.measurement import Measurement
from instruments.requests import Request


@dataclass(frozen=True)
class Command:
    """A command as it was journalled before it was carried out."""

    request: Request
    worst: Cost


@dataclass
class Past:
    """Decisions by step, commands and their fates by id, and what else was written."""

    decisions: dict[int, Decision] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    results: dict[str, Measurement] = field(default_factory=dict)
    failed: dict[str, Cost] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    written: set[tuple[str, int]] = field(default_factory=set)
    decide_s: dict[int, float] = field(default_factory=dict)
    snapshot: Mapping[str, Any] | None = None
    checkpoint: tuple[int, dict[str, Any]] | None = None
    asked: Asked = field(default_factory=Asked)
    resumed: int = 0

    def knows(self, id: str) -> bool:
        """Whether a command with this id has a fate: it must not be carried out again."""
        return id in self.results or id in self.failed or id in self.refused


def read_past(reader: Reader) -> Past:
    """Everything a journal holds, in memory."""
    past = Past()
    for event in reader.events():
        past.written.add((event.kind, event.step))
        if (take := _TAKE.get(event.kind)) is not None:
            take(past, event)
    return past


def read_asked(reader: Reader) -> Asked:
    """The questions and answers of a journal alone."""
    past = Past()
    for event in reader.events(kinds=("question", "answer")):
        _TAKE[event.kind](past, event)
    return past.asked


def _decision(past: Past, event: Event) -> None:
    p = event.payload
    past.decisions[event.step] = Decision(p["action"], p["reason"], p["candidate"], p["figures"])
    past.decide_s[event.step] = p["decide_s"]


def _command(past: Past, event: Event) -> None:
    past.commands[event.payload["id"]] = Command(event.payload["request"], event.payload["cost"])


def _result(past: Past, event: Event) -> None:
    past.results[event.payload["id"]] = event.payload["measurement"]
    past.snapshot = event.payload["snapshot"] or past.snapshot


def _failed(past: Past, event: Event) -> None:
    past.failed[event.payload["id"]] = event.payload["cost"]
    past.snapshot = event.payload["snapshot"] or past.snapshot


def _refused(past: Past, event: Event) -> None:
    past.refused.add(event.payload["id"])


def _checkpoint(past: Past, event: Event) -> None:
    past.checkpoint = (event.step, event.payload["agent"])


def _question(past: Past, event: Event) -> None:
    question = Question.of(event.step, event.payload)
    past.asked.questions[event.step, question.number] = question


def _answer(past: Past, event: Event) -> None:
    past.asked.answers[event.step, int(event.payload["number"])] = Answer.of(event.payload)


def _resumed(past: Past, event: Event) -> None:
    past.resumed += 1


_TAKE = {
    "decision": _decision,
    "command": _command,
    "result": _result,
    "failed": _failed,
    "refused": _refused,
    "checkpoint": _checkpoint,
    "question": _question,
    "answer": _answer,
    "resumed": _resumed,
}

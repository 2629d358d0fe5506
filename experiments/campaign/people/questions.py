"""What a person is asked, and what may be answered, with the form that the journal keeps of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, get_args

import numpy as np

from agents.protocol import Decision
from instruments.cost import Cost

Verb = Literal["approve", "veto", "measure"]
Place = tuple[float, float]


@dataclass(frozen=True)
class Question:
    """A proposed decision of a step; `number` counts the questions of that step from 0.

    worst is what it may cost, None where the instrument does not price it; guard says why it would be refused.
    """

    step: int
    number: int
    decision: Decision
    decide_s: float
    worst: Cost | None
    guard: str = ""
    position_nm: Place | None = None

    def plain(self) -> dict[str, Any]:
        """As the journal keeps it."""
        return {
            "number": self.number,
            **plain_decision(self.decision),
            "decide_s": self.decide_s,
            "worst": self.worst,
            "guard": self.guard,
            "position_nm": self.position_nm,
        }

    @classmethod
    def of(cls, step: int, plain: Mapping[str, Any]) -> Question:
        """The inverse of `plain`."""
        place = plain["position_nm"]
        return cls(
            step,
            int(plain["number"]),
            Decision(plain["action"], plain["reason"], plain["candidate"], plain["figures"]),
            float(plain["decide_s"]),
            plain["worst"],
            str(plain["guard"]),
            None if place is None else (float(place[0]), float(place[1])),
        )


@dataclass(frozen=True)
class Answer:
    """What a person says: `count` approves so many decisions in a row, this one first.

    To `measure`, one of candidate, at_nm (x, y) and action [d] says what instead. `by` is the way it came in, `who` the
    name of the account. One that could not be followed is not `taken`, `why` says so, and the question is put again.
    """

    verb: Verb
    count: int = 1
    candidate: int | None = None
    at_nm: Place | None = None
    action: tuple[float, ...] | None = None
    by: str = ""
    who: str = ""
    note: str = ""
    taken: bool = True
    why: str = ""

    def __post_init__(self) -> None:
        if self.verb not in get_args(Verb) or self.count < 1:
            raise ValueError(f"an answer is one of {', '.join(get_args(Verb))}, not {self.verb!r} x {self.count}")

    def plain(self) -> dict[str, Any]:
        """As the journal and the mailbox keep it."""
        return dict(vars(self))

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Answer:
        """The inverse of `plain`, also of what JSON made of it."""
        known = {name: plain[name] for name in cls.__dataclass_fields__ if name in plain}
        for name in ("at_nm", "action"):
            if known.get(name) is not None:
                known[name] = tuple(float(value) for value in known[name])
        return cls(**known)

    def refused(self, why: str) -> Answer:
        """The same answer, which cannot be followed."""
        return replace(self, taken=False, why=why)


@dataclass
class Asked:
    """Questions and answers by (step, number), as far as they are known."""

    questions: dict[tuple[int, int], Question] = field(default_factory=dict)
    answers: dict[tuple[int, int], Answer] = field(default_factory=dict)

    def open(self) -> Question | None:
        """The question that has no answer; there is at most one."""
        waiting = [question for key, question in self.questions.items() if key not in self.answers]
        return waiting[-1] if waiting else None

    def vetoed(self) -> list[Decision]:
        """The decisions that a person turned down."""
        return [self.questions[key].decision for key, answer in self.answers.items() if answer.verb == "veto"]

    def approved_until(self) -> int:
        """The last step that needs no answer any more."""
        ends = [step + a.count - 1 for (step, _), a in self.answers.items() if a.verb == "approve"]
        return max(ends, default=0)


class Source(Protocol):
    """A way that answers come in."""

    def offer(self, question: Question) -> None:
        """A question is put; called once for each, also for one that was put before a kill."""
        ...

    def poll(self, question: Question) -> Answer | None:
        """The answer, if there is one by now; never waits for longer than a tenth of a second."""
        ...


def plain_decision(decision: Decision) -> dict[str, Any]:
    """A decision as the journal keeps it."""
    return {
        "action": np.asarray(decision.action),
        "candidate": decision.candidate,
        "reason": decision.reason,
        "figures": {name: float(value) for name, value in decision.figures.items()},
    }

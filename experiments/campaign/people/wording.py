"""What a person reads of a question, and what the words of an answer mean."""

from __future__ import annotations

import getpass
import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.campaign.people.questions import Answer, Place, Question
from experiments.config.errors import ConfigError
from instruments.cost import Cost

GRAMMAR = "approve [N] | veto | measure at=X,Y | measure candidate=N | measure action=A,B,.."
_SHORT = {"": "approve", "a": "approve", "v": "veto", "m": "measure"}
_WHAT = ("at", "candidate", "action")


def answer_of(words: Sequence[str], by: str, note: str = "") -> Answer:
    """The answer that was typed; raises ConfigError where the words make none."""
    verb, rest = (_SHORT.get(words[0], words[0]), list(words[1:])) if words else ("approve", [])
    said: dict[str, Any] = {"by": by, "who": _account(), "note": note}
    if verb == "approve" and len(rest) <= 1:
        return Answer("approve", count=_count(rest[0]) if rest else 1, **said)
    if verb == "veto" and not rest:
        return Answer("veto", **said)
    if verb == "measure" and len(rest) == 1:
        return Answer("measure", **_place(rest[0]), **said)
    raise ConfigError(f"{' '.join(words)!r} is no answer: {GRAMMAR}")


def lines(question: Question, unit: str = "") -> list[str]:
    """The question, for a terminal."""
    rows = [("why", question.decision.reason), *terms(question.decision.figures, question.worst, unit)]
    if question.guard:
        rows.append(("guard", f"would be refused: {question.guard}"))
    again = "" if question.number == 0 else f" (question {question.number + 1})"
    head = f"step {question.step}{again}: measure {place(question)}?"
    return [head, *(f"  {name:<12} {text}" for name, text in rows)]


def place(question: Question) -> str:
    """Where or what is proposed."""
    words = []
    if question.decision.candidate is not None:
        words.append(f"candidate {question.decision.candidate}")
    if question.position_nm is not None:
        words.append(at(question.position_nm))
    if not words:
        words.append("action " + ", ".join(f"{float(value):.4g}" for value in question.decision.action.ravel()))
    return " ".join(words)


def at(position_nm: Place) -> str:
    """A position in words."""
    return f"at ({position_nm[0]:.4g}, {position_nm[1]:.4g}) nm"


def terms(figures: Mapping[str, float], worst: Cost | None, unit: str = "") -> list[tuple[str, str]]:
    """What made a decision, as (name, text): prediction, the prior's part, acquisition, cost, all the rest.

    `prior_share` is how much the prior has to say, 0 to 1, `prior_mean` what it predicts by itself.
    """
    left = dict(figures)
    rows = []
    if (mean := left.pop("mean", None)) is not None:
        std = left.pop("std", math.nan)
        rows.append(("predicted", f"{mean:.4g} ± {std:.2g} {unit}".rstrip()))
    if (share := left.pop("prior_share", None)) is not None:
        alone = left.pop("prior_mean", math.nan)
        by_itself = f", which by itself says {alone:.4g} {unit}".rstrip() if math.isfinite(alone) else ""
        rows.append(("prior", f"has {share:.0%} of the say{by_itself}"))
    if (score := left.pop("acquisition", None)) is not None:
        rows.append(("acquisition", f"{score:.4g}"))
    rows += [("cost", costs(worst))] if worst is not None else []
    shown = {name: value for name, value in left.items() if not name.startswith("lengthscale_")}  # dozens of them
    rest = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in shown.items())
    return [*rows, ("also", rest)] if rest else rows


def costs(worst: Cost) -> str:
    """A worst case in words."""
    electrons = f", {worst.electrons:.3g} electrons" if worst.electrons else ""
    return f"at most {worst.seconds:.4g} s{electrons}"


def said(answer: Answer) -> str:
    """An answer in words."""
    if answer.verb == "measure":
        what = at(answer.at_nm) if answer.at_nm is not None else _instead(answer)
        return f"measure {what}" if answer.taken else f"measure {what}: not followed, {answer.why}"
    return f"approve, and {answer.count - 1} more" if answer.count > 1 else answer.verb


def _instead(answer: Answer) -> str:
    if answer.candidate is not None:
        return f"candidate {answer.candidate}"
    return "action " + ", ".join(f"{value:.4g}" for value in answer.action or ())


def _place(word: str) -> dict[str, Any]:
    name, equals, text = word.partition("=")
    if not equals or name not in _WHAT:
        raise ConfigError(f"{word!r} does not say what to measure: give at=X,Y [nm], candidate=N or action=A,B,..")
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{word!r}: {text!r} is no list of numbers, such as 12.5,-30") from None
    if not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{word!r}: the numbers must be finite")
    if name == "candidate" and (len(numbers) != 1 or numbers[0] != int(numbers[0]) or numbers[0] < 0):
        raise ConfigError(f"{word!r}: a candidate is one whole number, 0 or more")
    if name == "at" and len(numbers) != 2:
        raise ConfigError(f"{word!r}: a position is two numbers, x and y [nm]")
    if name == "candidate":
        return {"candidate": int(numbers[0])}
    return {"at_nm" if name == "at" else "action": numbers}


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise ConfigError(f"approve {word}: how many decisions in a row is a whole number, 1 or more")
    return int(word)


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, in a container
        return ""

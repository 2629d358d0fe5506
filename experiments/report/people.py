"""The questions that were put to people, with the terms of each proposal, and what they answered."""

from __future__ import annotations

from experiments.campaign.people.questions import Question
from experiments.campaign.people.wording import place, said, terms
from experiments.report.markup import Markup, el, row, table
from experiments.report.quantities import MISSING, duration
from experiments.report.story import Story

HEADS = [("Step", "n"), ("Proposed", ""), ("Terms", "why"), ("Answer", ""), ("By", ""), ("After", "n"), ("Note", "why")]


def answers(story: Story) -> Markup:
    """One row for each question, in the order in which they were put."""
    rows = [row(_cells(story, question)) for question in story.asked.questions.values()]
    return el("div", table(HEADS, rows, "What people decided"), klass="scroll", tabindex="0", role="region")


def _cells(story: Story, question: Question) -> list[tuple[str, str]]:
    key = (question.step, question.number)
    answer, times = story.asked.answers.get(key), story.asked_t[key]
    parts = [f"{name}: {text}" for name, text in terms(question.decision.figures, question.worst, story.value_unit)]
    if question.guard:
        parts.append(f"the guard would refuse it: {question.guard}")
    by = "" if answer is None else answer.by + (f" ({answer.who})" if answer.who else "")
    return [
        (str(question.step), "n"),
        (place(question), ""),
        ("; ".join(parts), "why"),
        ("no answer yet" if answer is None else said(answer), ""),
        (by or MISSING, ""),
        (duration(times[1] - times[0]) if len(times) > 1 else MISSING, "n"),
        ("" if answer is None else answer.note, "why"),
    ]

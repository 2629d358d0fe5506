"""What a journal tells, in one pass: a row for each step, what went wrong, how it ended. Holds no measurement.

Results are skipped here, they are what makes a journal big; `samples` goes back for the few that are shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Event, Reader, is_held, open_reader
from experiments.campaign.people.questions import Answer, Asked, Question
from experiments.report.quantities import Scale, length_scale, scale_of, unit_text
from instruments.cost import Cost

Place = tuple[float, float] | None


@dataclass
class Step:
    """One decision and what came of it; NaN and None are what is not known (yet)."""

    number: int
    seq: int
    reason: str
    candidate: int | None
    figures: Mapping[str, float]
    decide_s: float
    value: float = math.nan
    seconds: float = math.nan
    electrons: float = math.nan
    position_nm: Place = None
    decided_only: bool = True
    worst: Cost = field(default_factory=Cost)
    """What its requests might have cost together."""
    trouble: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Incident:
    """Something besides deciding and measuring."""

    t: float
    step: int
    kind: str
    text: str


@dataclass(frozen=True)
class Belief:
    """The model's mean and standard deviation at every candidate, after a step."""

    step: int
    mean: NDArray[np.float64]
    std: NDArray[np.float64]


@dataclass
class Story:
    """A campaign as the report tells it; complete when `read` returns it."""

    folder: Path
    meta: Mapping[str, Any]
    running: bool
    summary: Mapping[str, Any]
    brief: Mapping[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    accepted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    incidents: list[Incident] = field(default_factory=list)
    closed: Mapping[str, Any] | None = None
    belief: Belief | None = None
    uncertainty: list[tuple[int, float]] = field(default_factory=list)
    commands: dict[str, tuple[str, str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    asked: Asked = field(default_factory=Asked)
    asked_t: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    """When each question was put and answered [s since 1970]."""
    began: float = math.nan
    ended: float = math.nan

    @cached_property
    def done(self) -> list[Step]:
        """Steps that have an outcome."""
        return [step for step in self.steps if not step.decided_only]

    @property
    def seeks(self) -> bool:
        """Whether an extreme value was looked for, rather than a map."""
        return bool(self.brief.get("objective", "maximise") != "map")

    @property
    def minimises(self) -> bool:
        """Whether that is the smallest value."""
        return bool(self.brief.get("objective") == "minimise")

    @property
    def extreme(self) -> str:
        """What the value looked for is called."""
        return "smallest" if self.minimises else "largest"

    @property
    def value_name(self) -> str:
        """What the value is called."""
        return str(self.brief.get("value_name") or "value")

    @property
    def value_unit(self) -> str:
        """Unit of the value."""
        return unit_text(str(self.brief.get("value_unit") or ""))

    def values(self) -> NDArray[np.float64]:
        """Value of every step that is done."""
        return np.array([step.value for step in self.done], dtype=float)

    def standing(self) -> NDArray[np.bool_]:
        """Whether the value of each step that is done arrived and was accepted in the end."""
        values = self.values()
        accepted = np.zeros(len(values), bool)
        known = min(len(values), len(self.accepted))
        accepted[:known] = self.accepted[:known]
        return np.asarray(accepted & np.isfinite(values))

    def rejected(self) -> NDArray[np.bool_]:
        """Whether the value of each step that is done arrived and does not stand."""
        return np.asarray(np.isfinite(self.values()) & ~self.standing())

    def places_nm(self) -> NDArray[np.float64]:
        """Where each step that is done measured, [n, 2]; NaN where that is not known."""
        places = [step.position_nm or (math.nan, math.nan) for step in self.done]
        return np.array(places, dtype=float).reshape(-1, 2)

    @property
    def stays(self) -> bool:
        """Whether it measured again and again at one place or two, or nowhere that is known: no map shows that."""
        places = self.places_nm()
        known = places[np.isfinite(places).all(-1)]
        return len(places) > 2 and len(np.unique(known, axis=0)) < 3

    def best(self) -> Step | None:
        """The step with the largest value that stands, the smallest where that is wanted."""
        standing = np.flatnonzero(self.standing())
        if not len(standing):
            return None
        values = self.values()[standing]
        return self.done[int(standing[np.argmin(values) if self.minimises else np.argmax(values)])]

    def value_scale(self) -> Scale:
        """The scale in which all values are shown."""
        return scale_of(self.values()[self.standing()], self.value_unit)

    def length(self) -> Scale:
        """The scale in which all positions are shown."""
        extent = self.brief.get("extent_nm")
        places = self.places_nm()
        reach = [np.ptp(extent[:2]), np.ptp(extent[2:])] if extent is not None else [0.0]
        if np.isfinite(places).any():
            reach += list(np.nanmax(places, 0) - np.nanmin(places, 0))
        return length_scale(float(max(reach)))


def read(folder: Path) -> Story:
    """The story of a run folder; raises JournalDamaged where there is no readable journal."""
    path = folder / "journal.sqlite"
    with open_reader(path) as reader:
        story = Story(folder, reader.meta(), _running(path), _summary(folder))
        _follow(story, reader)
    return story


def _follow(story: Story, reader: Reader) -> None:
    for event in reader.events(kinds=tuple(_TAKE)):
        story.counts[event.kind] = story.counts.get(event.kind, 0) + 1
        story.began = event.t if math.isnan(story.began) else story.began
        story.ended = event.t
        _TAKE[event.kind](story, event)
    if not story.done:
        _price_survey(story, reader)


def _price_survey(story: Story, reader: Reader) -> None:
    """What was spent before any step had an outcome: the few costs that no outcome adds up."""
    costs = [e.payload["cost"] for e in reader.events(kinds=("failed",))]
    costs += [e.payload["measurement"].cost for e in reader.events(kinds=("result",))]
    story.summary = {
        "seconds": sum(cost.seconds for cost in costs),
        "electrons": sum(cost.electrons for cost in costs),
        **story.summary,
    }


def _running(journal: Path) -> bool:
    try:
        return is_held(journal)
    except OSError:  # a folder that we may only read has no live writer of ours
        return False


def _summary(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _opened(story: Story, event: Event) -> None:
    story.incidents.append(Incident(event.t, event.step, "opened", "campaign began"))


def _resumed(story: Story, event: Event) -> None:
    story.closed = None
    exact = "bit-exact" if event.payload.get("bit_exact") else "continued, not bit-exact"
    why = str(event.payload.get("why") or "")
    text = why if why.startswith(exact) or not why else f"{exact}: {why}"
    story.incidents.append(Incident(event.t, event.step, "resumed", text or exact))


def _command(story: Story, event: Event) -> None:
    p = event.payload
    purpose = str(p.get("purpose", "action"))
    story.commands[p["id"]] = (purpose, p["request"].kind)
    if purpose == "action" and story.steps and story.steps[-1].number == event.step:
        story.steps[-1].worst = story.steps[-1].worst + p["cost"]


def _trouble(story: Story, event: Event, text: str) -> None:
    story.incidents.append(Incident(event.t, event.step, event.kind, text))
    if story.steps and story.steps[-1].number == event.step:
        story.steps[-1].trouble.append(text)


def _failed(story: Story, event: Event) -> None:
    p = event.payload
    kind = story.commands.get(p.get("id", ""), ("", ""))[1]
    text = f"{p['error']}: {p['message']}"
    _trouble(story, event, f"{kind} failed, {text}" if kind else text)


def _refused(story: Story, event: Event) -> None:
    request = event.payload.get("request")
    _trouble(story, event, f"{getattr(request, 'kind', 'request')} refused: {event.payload['why']}")


def _ambiguous(story: Story, event: Event) -> None:
    p = event.payload
    story.incidents.append(Incident(event.t, event.step, "ambiguous", f"{p.get('policy', '')}: {p.get('why', '')}"))


def _housekeeping(story: Story, event: Event) -> None:
    p = event.payload
    figures = ", ".join(f"{name} {value:.4g}" for name, value in (p.get("figures") or {}).items())
    text = f"{p['what']}: {figures}" if figures else str(p["what"])
    story.incidents.append(Incident(event.t, event.step, "housekeeping", text))


def _brief(story: Story, event: Event) -> None:
    story.brief = event.payload


def _decision(story: Story, event: Event) -> None:
    p = event.payload
    candidate = None if p.get("candidate") is None else int(p["candidate"])
    step = Step(event.step, event.seq, str(p["reason"]), candidate, p.get("figures") or {}, float(p["decide_s"]))
    positions = story.brief.get("positions_nm")
    if candidate is not None and positions is not None and candidate < len(positions):
        step.position_nm = (float(positions[candidate][0]), float(positions[candidate][1]))
    story.steps.append(step)


def _question(story: Story, event: Event) -> None:
    question = Question.of(event.step, event.payload)
    story.asked.questions[event.step, question.number] = question
    story.asked_t[event.step, question.number] = [event.t]


def _answer(story: Story, event: Event) -> None:
    key = (event.step, int(event.payload["number"]))
    story.asked.answers[key] = Answer.of(event.payload)
    story.asked_t[key].append(event.t)


def _outcome(story: Story, event: Event) -> None:
    p = event.payload
    story.accepted = np.asarray(p["accepted"], dtype=bool)
    if not story.steps or story.steps[-1].number != event.step:
        return
    step = story.steps[-1]
    step.value, step.seconds, step.electrons = float(p["value"]), float(p["seconds"]), float(p["electrons"])
    step.decided_only = False
    if p.get("position_nm") is not None:
        step.position_nm = (float(p["position_nm"][0]), float(p["position_nm"][1]))


def _model(story: Story, event: Event) -> None:
    mean, std = (np.asarray(event.payload[name], dtype=float) for name in ("mean", "std"))
    story.belief = Belief(event.step, mean, std)
    if np.isfinite(std).any():
        story.uncertainty.append((event.step, float(np.nanmean(std))))


def _closed(story: Story, event: Event) -> None:
    story.closed = event.payload
    p = event.payload
    said = f"{p['status']} ({p['ended_by']})" if p["ended_by"] != p["status"] else str(p["status"])
    text = f"{said}: {p['message']}" if p.get("message") else said
    story.incidents.append(Incident(event.t, event.step, "closed", text))


_TAKE: dict[str, Callable[[Story, Event], None]] = {
    "opened": _opened,
    "resumed": _resumed,
    "command": _command,
    "failed": _failed,
    "refused": _refused,
    "ambiguous": _ambiguous,
    "housekeeping": _housekeeping,
    "brief": _brief,
    "decision": _decision,
    "question": _question,
    "answer": _answer,
    "outcome": _outcome,
    "model": _model,
    "closed": _closed,
}

"""The top of the report: what was looked for, how it ended, and the figures that matter."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.report.markup import Markup, el, joined
from experiments.report.quantities import MISSING, count, duration, electrons, position
from experiments.report.story import Story

ENDS = {
    "steps": "the budget of steps is used up",
    "seconds": "the budget of instrument time is used up",
    "electrons": "the budget of electrons is used up",
    "candidates": "every candidate has been measured",
    "task": "the task is done",
    "guard": "the guard ended it",
    "interrupted": "it was interrupted",
    "failed": "it failed",
}


def headline(story: Story) -> Markup:
    """Name, what was looked for, and the status."""
    label, text, tone = status(story)
    said = el("p", el("strong", label), f": {text}" if text else "", klass=f"status {tone}", role="status")
    return el("header", el("h1", str(story.meta.get("name") or story.folder.name)), _sought(story), said)


def status(story: Story) -> tuple[str, str, str]:
    """How the campaign stands: (label, explanation, tone)."""
    again = f" Continue with: probewright resume {shlex.quote(str(story.folder))}"
    if story.closed is None:
        if story.running:
            return "Still running", "this report shows what the journal held when it was written.", "warn"
        return "No end recorded", f"the process was killed or lost after step {len(story.done)}.{again}", "bad"
    kind, by = str(story.closed["status"]), str(story.closed["ended_by"])
    message = str(story.closed.get("message") or "")
    if kind == "finished":
        return "Finished", _sentence(message or ENDS.get(by, by)), "good"
    if kind == "interrupted":
        return "Interrupted", _sentence(message or "stopped at a safe point") + again, "warn"
    if kind == "refused":
        return "Refused by the guard", _sentence(message or "nothing more was allowed"), "bad"
    return kind.capitalize(), _sentence(message or ENDS.get(by, by)), "bad"


def key_figures(story: Story) -> Markup:
    """What is worth knowing at a glance."""
    cards = [_best(story), _steps(story), _measurements(story), _time(story)]
    cards += [_dose(story)] if spent_electrons(story) > 0 else []
    cards += [_thinking(story)] if story.steps else []
    return el("dl", *(_card(*card) for card in cards), klass="keys")


def spent_seconds(story: Story) -> float:
    """Instrument time so far [s]."""
    return _spent(story, "seconds")


def spent_electrons(story: Story) -> float:
    """Electrons so far."""
    return _spent(story, "electrons")


def _spent(story: Story, what: str) -> float:
    found = [getattr(step, what) for step in story.done]
    return float(found[-1]) if found else float(story.summary.get(what) or 0.0)


def _sought(story: Story) -> Markup:
    config: Mapping[str, Any] = story.meta.get("config") or {}
    parts = {name: _component(config.get(name)) for name in ("instrument", "task", "agent")}
    if story.brief:
        name = story.value_name + (f" [{story.value_unit}]" if story.value_unit else "")
        wanted = f"Looked for the {story.extreme} {name}" if story.seeks else f"Mapped {name} everywhere"
    else:
        wanted = "Ended before the task was described"
    means = ", ".join(f"{label} {text}" for label, text in parts.items() if text)
    scenario = (config.get("scenario") or {}).get("name")
    means += f", scenario {scenario}" if scenario else ""
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(story.began)) if math.isfinite(story.began) else ""
    means = f"{means[:1].upper()}{means[1:]}. " if means else ""
    return el("p", f"{wanted}.", Markup("<br>"), means + (f"Begun {begun}." if begun else ""), klass="sought")


def _component(node: Any) -> str:
    """A component by its class and, for a twin, by its core: `Embedded(Ferroelectric)`."""
    if not isinstance(node, Mapping) or "_target_" not in node:
        return ""
    name = str(node["_target_"]).rpartition(".")[2]
    inner = next((_component(v) for v in node.values() if isinstance(v, Mapping) and "_target_" in v), "")
    return f"{name}({inner})" if inner else name


def _best(story: Story) -> tuple[str, ...]:
    best = story.best()
    name = f"{'Best' if story.seeks else 'Largest'} {story.value_name}"
    if best is None:
        return name, MISSING, "no value was accepted" if story.done else "nothing measured yet"
    length = story.length()
    at = f"at {position(best.position_nm, length)} {length.unit}, " if best.position_nm else ""
    return name, story.value_scale().quantity(best.value), f"{at}step {best.number}"


def _steps(story: Story) -> tuple[str, ...]:
    budget = (story.meta.get("config") or {}).get("budget") or {}
    limit = budget.get("steps")
    return "Steps", count(len(story.done)), f"of at most {count(limit)}" if limit else "no limit on steps"


def _measurements(story: Story) -> tuple[str, ...]:
    failed, refused = story.counts.get("failed", 0), story.counts.get("refused", 0)
    parts = [f"{failed} failed", f"{int(story.rejected().sum())} rejected"] + (
        [f"{refused} refused"] if refused else []
    )
    return "Requests", count(story.counts.get("command", 0)), ", ".join(parts)


def _time(story: Story) -> tuple[str, ...]:
    wall = story.ended - story.began
    return "Instrument time", duration(spent_seconds(story)), f"{duration(wall)} on the clock"


def _dose(story: Story) -> tuple[str, ...]:
    return "Dose spent", electrons(spent_electrons(story)), "electrons in all"


def _thinking(story: Story) -> tuple[str, ...]:
    times = np.array([step.decide_s for step in story.steps])
    median, slow = np.percentile(times, (50, 99))
    return "Time to decide", duration(float(median)), f"median; 99 % under {duration(float(slow))}"


def _card(name: str, main: str, note: str) -> Markup:
    return el("div", el("dt", name), joined([el("dd", main), el("dd", note)]))


def _sentence(*parts: str) -> str:
    said = [p.strip().rstrip(".") for p in parts if p.strip()]
    return "; ".join(said) + "." if said else ""

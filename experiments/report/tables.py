"""The tables of the report: every decision with its reason, and what else happened."""

from __future__ import annotations

import math
import time

from experiments.report.markup import Markup, el, joined, row, table
from experiments.report.quantities import MISSING, Scale, duration, number, position
from experiments.report.story import Incident, Step, Story

PRINTED_ROWS = 200
"""As many rows of the decision table are printed; `style.css` hides the others on paper."""


def decisions(story: Story) -> Markup:
    """One row a step, in a block that scrolls."""
    scale, length = story.value_scale(), story.length()
    dosed = any(step.electrons > 0 for step in story.done)
    predicted = any("mean" in step.figures for step in story.steps)
    heads = [("Step", "n"), (length.label("Position"), "n"), (scale.label(story.value_name), "n"), ("Verdict", "")]
    heads += [("Predicted", "n")] if predicted else []
    shares = any("prior_share" in step.figures for step in story.steps)
    heads += [("Prior's share", "n")] if shares else []
    heads += [("Cost at most", "n")]
    heads += [("Time", "n")] + ([("Electrons", "n")] if dosed else []) + [("Reason", "why")]
    best = story.best()
    standing = dict(zip((step.number for step in story.done), story.standing(), strict=True))
    rows = []
    for step in story.steps:
        ok = bool(standing.get(step.number, False))
        cells = [(str(step.number), "n"), (position(step.position_nm, length), "n"), (scale.text(step.value), "n")]
        cells += [(_verdict(step, ok), "")]
        cells += [(_predicted(step, scale), "n")] if predicted else []
        cells += [(_share(step), "n")] if shares else []
        cells += [(duration(step.worst.seconds) if step.worst.seconds else MISSING, "n")]
        cells += [(duration(step.seconds), "n")] + ([(number(step.electrons, 2), "n")] if dosed else [])
        rows.append(row([*cells, (step.reason, "why")], "best" if step is best else "" if ok else "off"))
    long = len(rows) > PRINTED_ROWS
    block = el(
        "div",
        table(heads, rows, "Decisions, one row a step", "long" if long else ""),
        klass="scroll",
        tabindex="0",
        role="region",
        **{"aria-label": "Decisions, scrollable"},
    )
    note = f"On paper: the first {PRINTED_ROWS} of {len(rows)} steps." if long else ""
    return joined([block, el("p", note, klass="printed")] if long else [block])


def incidents(story: Story) -> Markup:
    """What happened besides deciding and measuring, with the time since the beginning."""
    heads = [("After", "n"), ("Step", "n"), ("What", ""), ("Detail", "why")]
    rows = [row(_incident(story, incident)) for incident in story.incidents]
    return el("div", table(heads, rows, "What else happened"), klass="scroll", tabindex="0", role="region")


def facts(entries: dict[str, str], caption: str) -> Markup:
    """Names and values, one a row."""
    rows = (el("tr", el("th", name, scope="row"), el("td", text)) for name, text in entries.items() if text)
    return el("table", el("tbody", *rows), klass="plain", **{"aria-label": caption})


def _verdict(step: Step, ok: bool) -> str:
    if step.decided_only:
        return "; ".join(step.trouble) or "no outcome recorded"
    if ok:
        return "accepted"
    if step.trouble:
        return "; ".join(step.trouble)
    return "no value could be read from it" if math.isnan(step.value) else "rejected as an outlier"


def _share(step: Step) -> str:
    return f"{step.figures['prior_share']:.0%}" if "prior_share" in step.figures else MISSING


def _predicted(step: Step, scale: Scale) -> str:
    if "mean" not in step.figures:
        return MISSING
    mean = scale.text(float(step.figures["mean"]), 3)
    return f"{mean} ± {scale.text(float(step.figures['std']), 2)}" if "std" in step.figures else mean


def _incident(story: Story, incident: Incident) -> list[tuple[str, str]]:
    since = incident.t - story.began
    text = incident.text
    if incident.kind in ("opened", "resumed"):
        text += time.strftime(", %Y-%m-%d %H:%M:%S", time.localtime(incident.t))
    return [(duration(since), "n"), (str(incident.step), "n"), (incident.kind, ""), (text, "why")]

"""The report of a suite: one page, nothing outside it."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.benchmark.report import pictures
from experiments.benchmark.report.facts import Facts
from experiments.benchmark.report.files import provenance_lines
from experiments.benchmark.report.wording import Column, caption, claim_rows, columns, number, rows
from experiments.benchmark.scores import Scores
from experiments.benchmark.suite import ORACLE
from experiments.benchmark.tables import Table
from experiments.campaign import provenance
from experiments.campaign.folder import write_atomic
from experiments.report import drawing
from experiments.report.markup import Markup, el, figure, joined, page, row, section, table
from experiments.report.quantities import count, duration

TONES = {"better": "good", "worse": "bad"}
MOST_ERRORS = 200


def write(facts: Facts) -> Path:
    """Write `report.html` into the suite's folder and return its path."""
    path = facts.finished.folder / "report.html"
    write_atomic(path, page(f"{facts.finished.plan.suite.name} – Probewright benchmark", *_body(facts)))
    return path


def _body(facts: Facts) -> list[Markup]:
    with drawing.styled(drawing.PAGE):
        drawn = {
            name: drawing.svg(shape, f"f{index}", _alt(name))
            for index, (name, shape) in enumerate(pictures.every(facts, drawing.PAGE))
        }
    body = [_headline(facts), _keys(facts), _contents(facts), _summary(facts), _claims(facts)]
    body += _overview(facts, drawn)
    body += [_problem(facts, index, drawn) for index in range(len(facts.scores.problems))]
    body += [_errors(facts), _repeat(facts)]
    written = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    return [
        *body,
        el("footer", f"Written by Probewright on {written} from {facts.finished.folder.name}/results.jsonl."),
    ]


def _headline(facts: Facts) -> Markup:
    scores, bad = facts.scores, [row for row in facts.finished.rows if row.status != "ok"]
    policies = ", ".join(scores.compared)
    sought = f"{policies} against {scores.baseline}, on {_listed(list(map(str, scores.problems)))}."
    left = "".join(f" Left out: {task} ({why})." for task, why in facts.left_out.items())
    said = f"{len(bad)} of {len(facts.finished.rows)} cells gave nothing; they count as the worst score."
    text = said if bad else f"all {len(facts.finished.rows)} cells gave a result."
    status = el("p", el("strong", "Finished"), f": {text}{left}", klass=f"status {'warn' if bad else 'good'}")
    return el("header", el("h1", facts.finished.plan.suite.name), el("p", sought, klass="sought"), status)


def _keys(facts: Facts) -> Markup:
    scores, table_ = facts.scores, facts.tables[0]
    verdicts = [claim.verdict for claim in facts.claims]
    statuses = [row.status for row in facts.finished.rows]
    wrong = (
        f"{statuses.count('failed')} failed, {statuses.count('timeout')} overran, {statuses.count('cheated')} cheated"
    )
    cards = [
        ("Seeds", count(len(scores.seeds)), "paired: the same sample for every policy"),
        ("Cells", count(len(statuses)), wrong),
        ("Gap", number(table_.gap), f"in area under regret, {scores.baseline} minus oracle"),
        (
            "Better",
            f"{verdicts.count('better')} of {len(verdicts)}",
            f"{verdicts.count('worse')} worse, the rest not to be told apart",
        ),
        ("Computing", duration(sum(row.wall_s for row in facts.finished.rows)), "of all cells together"),
    ]
    return el("dl", *(el("div", el("dt", a), el("dd", b), el("dd", c)) for a, b, c in cards), klass="keys")


def _contents(facts: Facts) -> Markup:
    if len(facts.scores.problems) < 2:
        return Markup("")
    links = [el("a", str(problem), href=f"#{_anchor(str(problem))}") for problem in facts.scores.problems]
    return el("p", "Problems: ", Markup(" · ".join(links)))


def _summary(facts: Facts) -> Markup:
    shown = facts.tables[0]
    base = shown.baseline
    said = (
        "Area under regret: 1 is never finding anything, 0 finding the best place at once. Interquartile means with "
        "95 % intervals; gap closed: 0 is the baseline, 1 the oracle, which is given truth. P(better): how likely a "
        f"run beats one of {base}. Enhancement: scaled best value over {base}'s. Acceleration: {base}'s median steps "
        f"to a regret of {facts.finished.plan.suite.target:g} over the policy's. Seconds and electrons are counted up "
        "to what all policies spent on that sample."
    )
    return section("Summary", el("p", f"{caption(shown).capitalize()}."), _table(shown), _note(said))


def _claims(facts: Facts) -> Markup:
    head, found = claim_rows(facts.claims)
    if not found:
        return Markup("")
    body = [
        row(
            [(cell, "n" if 2 <= i < 6 else "") for i, cell in enumerate(cells)], "best" if cells[-1] == "better" else ""
        )
        for cells in found
    ]
    heads = [(text, "n" if 2 <= i < 6 else "") for i, text in enumerate(head)]
    note = (
        f"Paired permutation tests against {facts.scores.baseline}, corrected for {len(found)} comparisons by Holm's "
        "rule. At least: one-sided 95 % lower bound of the fraction of the gap closed. A recording is one sample for "
        "all seeds: what is claimed on it holds for it."
    )
    return section("Claims", _scrolling(table(heads, body, "Claims")), _note(note))


def _overview(facts: Facts, drawn: dict[str, str]) -> list[Markup]:
    found = []
    if "gaps" in drawn:
        base = facts.scores.baseline
        said = f"How much of the gap between {base} (0) and the oracle (1) each policy closes, with 95 % intervals."
        found.append(section("Gap closed", figure(drawn["gaps"], said)))
    if "profiles" in drawn:
        said = "Fraction of runs, over all tasks and scenarios, that score above each threshold; bands are 95 %."
        found.append(section("Performance profiles", figure(drawn["profiles"], said)))
    return found


def _problem(facts: Facts, index: int, drawn: dict[str, str]) -> Markup:
    problem = facts.scores.problems[index]
    name = f"{problem.task}-{problem.scenario}"
    shown = [figure(drawn[f"regret-{name}"], _regret_caption(facts.scores))]
    if len(facts.tables) > 1:
        own = facts.tables[index + 1]
        shown = [el("p", f"{caption(own).capitalize()}."), _table(own), *shown]
    if f"examples-{name}" in drawn:
        shown.append(figure(drawn[f"examples-{name}"], _examples_caption(facts.scores)))
    return section(str(problem), *shown)


def _regret_caption(scores: Scores) -> str:
    bands = "; bands: 95 % intervals of the mean" if len(scores.seeds) >= 10 else ""
    return f"Mean regret over {len(scores.seeds)} seeds{bands}. Dashed: the oracle, which is given truth."


def _examples_caption(scores: Scores) -> str:
    return (
        f"Seed {scores.seeds[0]}: true values, and where each policy measured, on the structural image where there is "
        "one. One colour scale. Ringed: the best value measured; crossed out: measurements without an accepted value."
    )


def _errors(facts: Facts) -> Markup:
    bad = [row_ for row_ in facts.finished.rows if row_.status != "ok"]
    if not bad:
        return Markup("")
    body = [
        row([(r.policy, ""), (f"{r.task}, {r.scenario}", ""), (str(r.seed), "n"), (r.status, ""), (r.error, "why")])
        for r in bad[:MOST_ERRORS]
    ]
    heads = [("Policy", ""), ("Problem", ""), ("Seed", "n"), ("Status", ""), ("What", "why")]
    more = [el("p", f"... and {len(bad) - MOST_ERRORS} more in cells.csv.")] if len(bad) > MOST_ERRORS else []
    return section("What went wrong", _scrolling(table(heads, body, "What went wrong")), *more)


def _repeat(facts: Facts) -> Markup:
    machine = ", ".join(f"{name} {text}" for name, text in provenance.machine().items() if text)
    lines = [*provenance_lines(facts)[1:], f"machine: {machine}, {platform.system()}"]
    command = [el("pre", el("code", facts.command))] if facts.command else []
    return section("How to repeat it", *command, el("ul", *(el("li", line) for line in lines)))


def _table(of: Table) -> Markup:
    shown = columns(of)
    heads = [(_broken(column.head), "" if column is shown[0] else "n") for column in shown]
    body = [_line(shown, cells, line.policy == ORACLE) for cells, line in zip(rows(of, shown), of.lines, strict=True)]
    return _scrolling(table(heads, body, caption(of)))


def _line(shown: Sequence[Column], cells: Sequence[str], marked: bool) -> Markup:
    inner = [el("td", _two_lines(cell), klass="" if i == 0 else "n") for i, cell in enumerate(cells)]
    return el("tr", *inner, klass="off" if marked else "")


def _note(text: str) -> Markup:
    """What stands under a table."""
    return el("p", el("small", text), klass="sought")


def _two_lines(cell: str) -> Markup:
    """An estimate over its interval: side by side they would make the table too wide."""
    value, bracket, interval = cell.partition(" [")
    return joined([value, Markup("<br>"), el("small", f"[{interval}")]) if bracket else joined([cell])


def _broken(head: str) -> Markup:
    """A head in two lines, broken at its last space."""
    first, space, last = head.rpartition(" ")
    return joined([first, Markup("<br>"), last]) if space else joined([head])


def _scrolling(inner: Markup) -> Markup:
    return el("div", inner, klass="scroll", tabindex="0", role="region", **{"aria-label": "Table, scrollable"})


def _anchor(title: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in title.lower())


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} problems: {'; '.join(names)}"


def _alt(name: str) -> str:
    return f"Figure {name}; its numbers stand in the tables."

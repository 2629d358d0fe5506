"""What other programs and papers take: table.md, cells.csv, summary.json."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from experiments.benchmark.plan import fingerprint
from experiments.benchmark.report.facts import Facts
from experiments.benchmark.report.wording import caption, claim_rows, columns, rows
from experiments.benchmark.scores import Problem
from experiments.campaign import provenance
from experiments.campaign.folder import write_atomic

SCHEMA_VERSION = 1


def write(facts: Facts) -> None:
    """Write the three files into the suite's folder."""
    folder = facts.finished.folder
    write_atomic(folder / "table.md", "\n".join(markdown(facts)) + "\n")
    write_atomic(folder / "cells.csv", cells(facts))
    write_atomic(folder / "summary.json", json.dumps(_finite(summary(facts)), indent=1) + "\n")


def markdown(facts: Facts) -> Iterator[str]:
    """The tables and the claims in Markdown, with what is needed to repeat them."""
    suite = facts.finished.plan.suite
    yield f"# Suite `{suite.name}`\n"
    yield from (f"- {line}" for line in provenance_lines(facts))
    for table in facts.tables:
        shown = columns(table)
        yield f"\n{caption(table).capitalize()}.\n"
        yield from _markdown([column.head for column in shown], rows(table, shown))
    head, found = claim_rows(facts.claims)
    if found:
        yield "\nClaims (two-sided paired permutation tests, corrected by Holm's rule):\n"
        yield from _markdown(head, found)


def provenance_lines(facts: Facts) -> list[str]:
    """Command, seeds, versions, date and what was left out."""
    suite, seeds = facts.finished.plan.suite, facts.scores.seeds
    versions = ", ".join(f"{name} {text}" for name, text in provenance.versions().items() if text != "-")
    said = [
        f"command: `{facts.command}`",
        f"seeds: {seeds[0]} to {seeds[-1]}, paired; {len(facts.finished.rows)} cells",
        f"target: regret {suite.target:g}",
        f"versions: {versions}",
        f"date: {time.strftime('%Y-%m-%d')}",
    ]
    return said + [f"left out: {task} ({why})" for task, why in facts.left_out.items()]


def cells(facts: Facts) -> str:
    """One line a cell, with the scores that the tables are made of."""
    out = io.StringIO()
    lines = list(_cells(facts))
    writer = csv.DictWriter(out, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def summary(facts: Facts) -> dict[str, Any]:
    """Everything in the tables, as plain values."""
    suite = facts.finished.plan.suite
    statuses = [row.status for row in facts.finished.rows]
    return {
        "schema_version": SCHEMA_VERSION,
        "suite": suite.name,
        "fingerprint": fingerprint(facts.finished.plan),
        "baseline": suite.baseline,
        "target": suite.target,
        "seeds": list(facts.scores.seeds),
        "cells": len(statuses),
        "status": {status: statuses.count(status) for status in ("ok", "failed", "timeout", "cheated")},
        "left_out": dict(facts.left_out),
        "tables": [asdict(table) for table in facts.tables],
        "claims": [asdict(claim) for claim in facts.claims],
        "command": facts.command,
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }


def _cells(facts: Facts) -> Iterator[dict[str, Any]]:
    scores = facts.scores
    for row in facts.finished.rows:
        i, j = scores.seeds.index(row.seed), scores.problems.index(Problem(row.task, row.scenario))
        yield {
            **{name: getattr(row, name) for name in ("id", "policy", "task", "scenario", "seed", "status", "error")},
            **{f"area_{unit}": scores.areas[unit][row.policy][i, j] for unit in scores.areas},
            "regret": row.regret[-1] if row.regret else math.nan,
            "best": row.best,
            "steps_to_target": scores.times[row.policy][i, j],
            "steps": len(row.regret),
            "seconds": row.seconds[-1] if row.seconds else math.nan,
            "electrons": row.electrons[-1] if row.electrons else math.nan,
            **{f"decide_ms_{name}": row.decide_ms.get(name, math.nan) for name in ("p50", "p99")},
            "wall_s": round(row.wall_s, 3),
        }


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in body)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null, and text."""
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value

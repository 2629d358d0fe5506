"""The summary on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.benchmark.report.facts import Facts
from experiments.benchmark.report.wording import caption, claim_rows, columns, rows

MOST_CLAIMS = 24


def lines(facts: Facts) -> list[str]:
    """The table over all problems, and the claims."""
    table = facts.tables[0]
    shown = [column for column in columns(table) if column.short]
    said = [caption(table), *aligned([column.head for column in shown], rows(table, shown))]
    head, found = claim_rows(facts.claims)
    if found:
        said += ["", *aligned(head, found[:MOST_CLAIMS])]
    if len(found) > MOST_CLAIMS:
        said.append(f"... and {len(found) - MOST_CLAIMS} more in the report")
    return said


def aligned(head: Sequence[str], body: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of text under a head, columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    for row in (head, *body):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

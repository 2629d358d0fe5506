"""Tables and claims as text, the same on the terminal, in Markdown and on the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.benchmark.claims import Claim
from experiments.benchmark.statistics.intervals import Interval
from experiments.benchmark.suite import ORACLE
from experiments.benchmark.tables import Line, Table

MISSING = "–"


@dataclass(frozen=True)
class Column:
    """A column: its head, its cell for a line, and whether the terminal has room for it."""

    head: str
    cell: Callable[[Line], str]
    short: bool = True


def columns(table: Table) -> list[Column]:
    """The columns that a table has: those that say the same of every line for want of data are left out."""
    found = [Column("policy", lambda line: named(line.policy))]
    found += [_area(unit, short=unit == "steps") for unit in table.units]
    found += [
        Column("gap closed", lambda line: _gap_closed(line)),
        Column("P(better)", lambda line: interval(line.improvement)),
        Column("enhancement", lambda line: interval(line.enhancement), short=False),
        Column("acceleration", lambda line: _acceleration(table, line), short=False),
        Column("steps to target", lambda line: _steps(line)),
        Column("failed, cheated", lambda line: _wrong(line)),
        Column("to decide [99\N{NO-BREAK SPACE}%]", lambda line: decides(line), short=False),
    ]
    return [c for c in found if any(c.cell(line) != MISSING for line in table.lines)]


def rows(table: Table, chosen: Sequence[Column]) -> list[list[str]]:
    """The text of every cell, line by line."""
    return [[column.cell(line) for column in chosen] for line in table.lines]


def claim_rows(claims: Sequence[Claim]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of claims."""
    head = ["policy", "problem", "difference in area", "p (Holm)", "gap closed", "at least (95 %)", "claim"]
    return head, [
        [c.policy, c.problem, signed(c.difference), p_value(c.p), number(c.gap_closed), number(c.at_least), c.verdict]
        for c in claims
    ]


def caption(table: Table) -> str:
    """What a table is about, its seeds and the gap that there is to close."""
    about = table.problem or "all tasks and scenarios"
    few = "" if table.seeds >= 10 else "; too few seeds for intervals"
    gap = "" if math.isnan(table.gap) else f"; gap between {table.baseline} and oracle: {number(table.gap)}"
    return f"{about}: {table.seeds} seeds{few}{gap}"


def named(policy: str) -> str:
    """A policy's name, marked where it is given truth."""
    return f"{policy} (given truth)" if policy == ORACLE else policy


def interval(value: Interval | None, digits: int = 3) -> str:
    """An estimate with its interval, without it where there is none."""
    if value is None or math.isnan(value.value):
        return MISSING
    text = number(value.value, digits)
    if math.isnan(value.low):
        return text
    return f"{text} [{number(value.low, digits)}, {number(value.high, digits)}]"


def number(value: float, digits: int = 3) -> str:
    """A number with `digits` decimals."""
    if math.isnan(value):
        return MISSING
    return ("∞" if value > 0 else "−∞") if math.isinf(value) else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float) -> str:
    """A difference, its sign always shown."""
    return f"{value:+.3f}".replace("-", "−")


def p_value(p: float) -> str:
    """A p-value; small ones as a bound."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def decides(line: Line) -> str:
    """Median and 99th percentile of the time of a decision."""
    p50, p99 = (line.decide_ms.get(name, math.nan) for name in ("p50", "p99"))
    return MISSING if math.isnan(p50) else f"{_time(p50)} [{_time(p99)}]"


def _time(ms: float) -> str:
    return f"{ms:.2g} ms" if ms < 99.5 else f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.2g} s"


def _area(unit: str, *, short: bool) -> Column:
    return Column(f"area, {unit}", lambda line: interval(line.area[unit]), short)


def _gap_closed(line: Line) -> str:
    return "1" if line.policy == ORACLE else interval(line.gap_closed, 2)


def _acceleration(table: Table, line: Line) -> str:
    """The factor; a lower bound where the baseline's median run never reaches the target."""
    text = interval(line.acceleration, 2)
    bounded = any(math.isinf(other.median_steps) for other in table.lines if other.policy == table.baseline)
    return f"≥ {text}" if bounded and text != MISSING else text


def _steps(line: Line) -> str:
    return "not reached" if math.isinf(line.median_steps) else f"{line.median_steps:.0f}"


def _wrong(line: Line) -> str:
    """How many runs failed or took too long, and how many cheated."""
    said = f"{line.failed}, {line.cheated}"
    return f"{said} of {line.runs}" if line.failed or line.cheated else said

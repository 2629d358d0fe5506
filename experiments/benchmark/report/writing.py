"""Writing everything that a suite leaves for people into its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.benchmark.claims import Claim
from experiments.benchmark.engine import Finished
from experiments.benchmark.scores import Scores
from experiments.benchmark.tables import Table


@dataclass(frozen=True)
class Facts:
    """All that the report says of a suite; `left_out` are tasks and why, `command` what was typed."""

    finished: Finished
    scores: Scores
    tables: Sequence[Table]
    claims: Sequence[Claim]
    left_out: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


def write(facts: Facts) -> Path:
    """Write report.html, its pictures, table.md, cells.csv and summary.json; returns the page's path."""
    from experiments.benchmark.report import document, files, pictures

    files.write(facts)
    pictures.write(facts)
    return document.write(facts)

"""Writing everything that a suite leaves for people into its folder."""

from __future__ import annotations

from pathlib import Path

from experiments.benchmark.report import document, files, pictures
from experiments.benchmark.report.facts import Facts


def write(facts: Facts) -> Path:
    """Write report.html, its pictures, table.md, cells.csv and summary.json; returns the page's path."""
    files.write(facts)
    pictures.write(facts)
    return document.write(facts)

"""The summary at the end of a campaign, on one screen, from its summary.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def print_summary(folder: Path) -> None:
    """Print what was found and spent; nothing where no summary could be written."""
    path = folder / "summary.json"
    if path.is_file():
        print("\n".join(lines(json.loads(path.read_text()), folder)))


def lines(summary: Mapping[str, Any], folder: Path) -> list[str]:
    """The summary as lines of text."""
    rows = [
        (summary["name"], f"{summary['status']}: {' '.join(summary['message'].split())}"),
        ("steps", f"{summary['steps']} ({summary['failed']} failed, {summary['rejected']} rejected as outliers)"),
        ("cost", f"{summary['seconds'] / 60:.4g} minutes, {summary['electrons']:.4g} electrons"),
        *((_place(rank), _entry(entry, summary["value_unit"])) for rank, entry in enumerate(summary["top"])),
    ]
    if (folder / "report.html").is_file():
        rows.append(("report", str(folder / "report.html")))
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {said}" for name, said in rows]


def _place(rank: int) -> str:
    return "best" if rank == 0 else f"no. {rank + 1}"


def _entry(entry: Mapping[str, Any], unit: str) -> str:
    position = entry["position_nm"]
    at = f" at ({position[0]:.4g}, {position[1]:.4g}) nm" if position else ""
    return f"{entry['value']:.4g} {unit}".rstrip() + f"{at}, step {entry['step']}"

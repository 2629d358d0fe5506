"""Frozen scores of random search and of the oracle, a JSON file for each task: what a figure is held against.

A file changes only with its version, when the twin, the task or random search are meant to give other numbers:
`python -m experiments.benchmark.references` writes them anew, and says what has changed. Imports the engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from experiments.benchmark.cell import Row, run_cell
from experiments.benchmark.plan import Plan, plan
from experiments.benchmark.suite import ORACLE, Entry, Suite

FOLDER = Path(__file__).parent
BASELINE = "random"


@dataclass(frozen=True)
class Reference:
    """Areas under regret of one task, by policy and by what was spent, in the order of the seeds from 0."""

    version: int
    campaign: str
    scenario: str
    steps: int
    seeds: int
    areas: Mapping[str, Mapping[str, Sequence[float]]]

    def plan(self, seeds: int | None = None) -> Plan:
        """The cells that the file was made of, or those of its first `seeds`."""
        return planned(self.campaign, self.scenario, self.steps, seeds or self.seeds)


def names() -> list[str]:
    """Tasks that have a file."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> Reference:
    """The frozen scores of a task."""
    return Reference(**json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def planned(campaign: str, scenario: str, steps: int, seeds: int) -> Plan:
    """Random search and the oracle on a campaign."""
    task = Entry(campaign, (scenario,))
    return plan(Suite("references", {BASELINE: ["agent=random"]}, {campaign: task}, seeds=seeds, steps=steps))


def measured(of: Reference, folder: Path) -> Reference:
    """The same scores computed now."""
    cells = of.plan()
    rows = [run_cell(cell, cells.settings_of(cell), folder) for cell in cells.cells]
    if bad := [row.error for row in rows if row.status != "ok"]:
        raise RuntimeError(bad[0])
    areas = {policy: _areas([row for row in rows if row.policy == policy]) for policy in (ORACLE, BASELINE)}
    return replace(of, areas=areas)


def write(name: str, reference: Reference) -> None:
    """Write the file of a task."""
    (FOLDER / f"{name}.json").write_text(json.dumps(asdict(reference), indent=1) + "\n", encoding="utf-8")


def _areas(rows: Sequence[Row]) -> dict[str, list[float]]:
    return {what: [row.areas[what] for row in rows] for what in rows[0].areas}

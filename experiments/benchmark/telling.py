"""MLflow is told of a suite: a run for it, nested in it one for each policy on each problem, and in these the cells.

Told when the suite is finished, and once: what is there already is found by its tag and brought up to date. Beyond
`MOST_CELLS` cells they are not told one by one; cells.csv, which goes along, has them all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.benchmark.cell import Row
from experiments.benchmark.report.facts import Facts
from experiments.benchmark.scores import Problem
from experiments.benchmark.tables import Line
from experiments.campaign import provenance
from experiments.config.settings import Tracking
from experiments.tracking import address, runs
from experiments.tracking.retry import one_line
from experiments.tracking.rows import clean, cut
from experiments.tracking.store import Store, connect

MOST_CELLS = 500
SUITE = "probewright.suite"
PART = "probewright.part"
ARTIFACTS = ("report.html", "table.md", "cells.csv", "summary.json")


def tell(facts: Facts, tracking: Tracking, runs_folder: Path) -> str:
    """Tell MLflow; returns a line for the user, also where that did not work: the suite itself stands."""
    place = runs_folder.absolute() / "benchmarks"
    uri = address.resolve(tracking, place)
    try:
        _Teller(facts, connect(uri, tracking.experiment, place)).tell()
    except Exception as error:  # MLflow's, requests', sqlalchemy's, ours
        return f"MLflow was not told ({one_line(error)}); the same command tells it later, nothing is run again"
    return f"MLflow: {address.ui_command(uri)}"


@dataclass(frozen=True)
class _Teller:
    facts: Facts
    store: Store

    def tell(self) -> None:
        suite, folder = self.facts.finished.plan.suite, self.facts.finished.folder
        parent = self._run(folder.name, "suite", {}, suite.name)
        self._log(parent, self._of_suite(), {"suite": suite.name, "baseline": suite.baseline, "seeds": suite.seeds})
        for index, problem in enumerate(self.facts.scores.problems):
            for policy in self.facts.scores.policies:
                self._tell_group(parent, policy, problem, index)
        for name in ARTIFACTS:
            if (folder / name).is_file():
                self.store.client.log_artifact(parent, str(folder / name))
        self._end(parent)

    def _tell_group(self, parent: str, policy: str, problem: Problem, index: int) -> None:
        name = f"{policy}, {problem}"
        group = self._run(f"{policy}/{problem.task}/{problem.scenario}", "group", {runs.PARENT: parent}, name)
        settings = {"policy": policy, "task": problem.task, "scenario": problem.scenario}
        self._log(group, _of_line(self._line(policy, index)), settings)
        if len(self.facts.finished.rows) <= MOST_CELLS:
            self._tell_cells(group, policy, index)
        self._end(group)

    def _tell_cells(self, group: str, policy: str, index: int) -> None:
        found = self.store.search(f"tags.`{runs.PARENT}` = '{group}'", limit=MOST_CELLS)
        told = {run.data.tags[PART] for run in found if run.info.status == "FINISHED"}
        for run in found:
            if run.data.tags[PART] not in told:  # it failed, and may have been run again: its parameters cannot change
                self.store.client.delete_run(run.info.run_id)
        for row in self.facts.scores.runs(policy, index):
            if row.id not in told:
                cell = self._run(row.id, "cell", {runs.PARENT: group}, f"{policy}, seed {row.seed}")
                self._log(cell, _of_row(row), {"seed": row.seed, "status": row.status, "error": row.error})
                self._end(cell, "FINISHED" if row.status == "ok" else "FAILED")

    def _line(self, policy: str, index: int) -> Line:
        tables = self.facts.tables
        table = tables[index + 1] if len(tables) > 1 else tables[0]
        return next(line for line in table.lines if line.policy == policy)

    def _of_suite(self) -> Iterator[tuple[str, float]]:
        for line in self.facts.tables[0].lines:
            yield from ((f"{line.policy}/{name}", value) for name, value in _of_line(line))

    def _run(self, part: str, kind: str, tags: Mapping[str, str], name: str) -> str:
        folder = self.facts.finished.folder.name
        own = {SUITE: folder, PART: part, runs.KIND: f"benchmark {kind}", **tags}
        if kind == "suite":
            own |= {"probewright.command": cut(self.facts.command, 5000)}
            own |= {f"probewright.version.{n}": text for n, text in provenance.versions().items()}
        condition = (
            f"tags.`{SUITE}` = '{folder}' and tags.`{PART}` = '{part}' and tags.`{runs.KIND}` = '{own[runs.KIND]}'"
        )
        with self.store.lock:
            return str(runs.find_or_create(self.store, condition, name, _now_ms(), own)[0].info.run_id)

    def _log(self, run_id: str, metrics: Any, settings: Mapping[str, Any]) -> None:
        from mlflow.entities import Metric, Param

        now = _now_ms()
        told = [Metric(clean(name), float(value), now, 0) for name, value in metrics if math.isfinite(value)]
        params = [Param(name, cut(str(value))) for name, value in settings.items()]
        self.store.client.log_batch(run_id, metrics=told, params=params)

    def _end(self, run_id: str, status: str = "FINISHED") -> None:
        runs.tell(self.store, run_id, status, _now_ms())


def _of_line(line: Line) -> Iterator[tuple[str, float]]:
    """The numbers of a table's line by name; an interval's ends beside its value."""
    intervals = {f"area_{unit}": value for unit, value in line.area.items()}
    intervals |= {name: getattr(line, name) for name in ("gap_closed", "improvement", "enhancement", "acceleration")}
    for name, interval in intervals.items():
        if interval is not None:
            yield from ((name, interval.value), (f"{name}_low", interval.low), (f"{name}_high", interval.high))
    yield from (("failed", line.failed), ("cheated", line.cheated), ("median_steps", line.median_steps))
    yield from ((f"decide_ms_{name}", value) for name, value in line.decide_ms.items())


def _of_row(row: Row) -> Iterator[tuple[str, float]]:
    yield from ((f"area_{unit}", value) for unit, value in row.areas.items())
    yield from ((f"decide_ms_{name}", value) for name, value in row.decide_ms.items())
    yield from (("best", row.best), ("wall_s", row.wall_s))
    if row.regret:
        yield ("regret", row.regret[-1])


def _now_ms() -> int:
    return round(time.time() * 1000)

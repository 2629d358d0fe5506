"""A suite whose benchmark and workers are killed with `kill -9` at random instants, beside the unbroken one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from agents.baselines.random_search import RandomSearch
from agents.protocol import Decision, Observation, Problem
from benchmarks.registry import Measured, figure
from physics_priors.bounds import Bounds

KILLS = 20
SEEDS, STEPS, PAUSE_S = 10, 10, 0.1
LIFE_S = 10.0
"""Kills fall uniformly within this time of a start: on planning, starting workers, running, collecting, reporting."""
UNLIKE = ("wall_s", "decide_ms")
"""What no two runs of a cell share."""

SUITE = """# @package _global_
name: killed
seeds: {seeds}
steps: {steps}
policies:
  random: [agent=random]
  logged: ["agent={{_target_: benchmarks.cell_kills.Logged, log: '{log}', pause_s: {pause_s}}}"]
tasks:
  flat:
    campaign: loop_discovery
    overrides: [instrument=flat, task=find_peak, "task.shape=[5,5]"]
"""


class Logged(RandomSearch):
    """Random search that writes its process and seed into a file whenever it begins, and takes its time."""

    def __init__(self, log: str, pause_s: Annotated[float, Bounds("s", 0.0)] = 0.0) -> None:
        self._log, self._pause_s = Path(log), pause_s

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        with self._log.open("a") as file:
            file.write(f"{os.getpid()} {seed}\n")

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        time.sleep(self._pause_s)
        return super().act(observation, pending=pending, deadline_s=deadline_s)


@dataclass
class Survived:
    """What became of a suite that was killed."""

    kills: Counter[str] = field(default_factory=Counter)
    """Kills that hit, by what they hit: benchmark or worker."""
    faults: list[str] = field(default_factory=list)
    """What differs from the unbroken suite; must be empty."""


@figure("benchmark.kills_survived", "kills")
def kills_survived() -> Measured:
    """Kills of a benchmark and its workers survived of twenty: same rows and table, nothing finished run again."""
    with tempfile.TemporaryDirectory() as name:
        survived = survive(KILLS, Path(name), random.Random(3))
    return Measured(
        value=0.0 if survived.faults else float(survived.kills.total()),
        reference=float(KILLS),
        compared="kills after which rows and table equal the unbroken suite's and nothing finished ran twice, of all",
        limit=float(KILLS),
        limit_is_least=True,
        details={**survived.kills, "cells": 3 * SEEDS, "life_s": LIFE_S, "faults": survived.faults},
    )


def survive(kills: int, folder: Path, rng: random.Random, life_s: float = LIFE_S, seeds: int = SEEDS) -> Survived:
    """Run a suite in processes, killing it or one of its workers `kills` times; then compare with an unbroken one."""
    found = Survived()
    broken, whole = (_Suite(folder / name, folder, seeds) for name in ("broken", "whole"))
    while found.kills.total() < kills:
        found.faults += broken.run_and_kill(rng, life_s, kills - found.kills.total(), found.kills)
    found.faults += broken.run()
    found.faults += whole.run()
    if not found.faults:
        found.faults += _differences(broken, whole)
    return found


class _Suite:
    """One folder of runs, and the commands upon it. Both suites have one log, whose name is part of every cell's id."""

    def __init__(self, runs: Path, shared: Path, seeds: int) -> None:
        self.runs, self.log = runs, shared / "log"
        self.runs.mkdir(parents=True)
        (shared / "conf" / "suite").mkdir(parents=True, exist_ok=True)
        text = SUITE.format(seeds=seeds, steps=STEPS, log=self.log, pause_s=PAUSE_S)
        (shared / "conf" / "suite" / "killed.yaml").write_text(text)
        options = ["suite=killed", "executor=processes", "tracking=off", f"runs={runs}", "--config-dir"]
        self._command = [sys.executable, "-m", "experiments.cli", "benchmark", *options, str(shared / "conf")]

    def run(self) -> list[str]:
        """Run it to its end; says what ran again that had finished, and whether it failed."""
        finished, process = self._start()
        if process.wait() != 0:
            return [f"{self.runs.name} did not end: {(self.runs / 'errors.txt').read_text()[-500:]}"]
        return self._again(finished)

    def run_and_kill(self, rng: random.Random, life_s: float, most: int, kills: Counter[str]) -> list[str]:
        """Start it, kill workers and at last the benchmark within `life_s`; says what ran again that had finished."""
        finished, process = self._start()
        until = time.monotonic() + rng.uniform(0.0, life_s)
        while most > 1 and rng.random() < 0.5:
            hit = self._kill_worker(process, rng.uniform(0.0, 1.0))
            kills["worker"] += hit
            most -= hit
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills["benchmark"] += 1
        else:  # it ended before: its rows are put back to a half, so that there is something to kill
            self._halve()
        return self._again(finished)

    def _again(self, finished: set[int]) -> list[str]:
        again = finished & {int(line.split()[1]) for line in self.log.read_text().splitlines()}
        return [f"seeds {sorted(again)} were run again"] if again else []

    def _kill_worker(self, process: subprocess.Popen[bytes], after_s: float) -> int:
        """Kill the worker that began a cell last, a while after there is one; 1 where the benchmark was running."""
        while process.poll() is None and not self.log.read_text():
            time.sleep(0.02)
        time.sleep(after_s)
        if process.poll() is not None:
            return 0
        lines = self.log.read_text().splitlines()
        try:
            os.kill(int(lines[-1].split()[0]), signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return 1

    def _halve(self) -> None:
        path = self._results()
        if path is not None:
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(lines[: len(lines) // 2]))

    def rows(self) -> Mapping[str, dict[str, Any]]:
        """The finished cells by id; a line that was cut off is none."""
        path, found = self._results(), {}
        for line in path.read_text().splitlines() if path else ():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            found[row["id"]] = {name: value for name, value in row.items() if name not in UNLIKE}
        return found

    def written(self) -> Counter[str]:
        """How many whole lines each cell has."""
        path = self._results()
        lines = path.read_text().splitlines() if path else []
        return Counter(json.loads(line)["id"] for line in lines if line.endswith("}"))

    def table(self) -> str:
        """The tables of the report, without their last column: how long decisions took."""
        lines = next(self.runs.glob("benchmarks/*/table.md")).read_text().splitlines()
        return "\n".join(line.rpartition(" | ")[0] for line in lines if line.startswith("|"))

    def _results(self) -> Path | None:
        return next(self.runs.glob("benchmarks/*/results.jsonl"), None)

    def _start(self) -> tuple[set[int], subprocess.Popen[bytes]]:
        """The seeds that the logged policy has finished, and the benchmark, started."""
        self.log.write_text("")
        finished = {row["seed"] for row in self.rows().values() if row["policy"] == "logged"}
        with (self.runs / "errors.txt").open("ab") as errors:
            return finished, subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=errors)


def _differences(broken: _Suite, whole: _Suite) -> list[str]:
    faults = []
    ours, theirs = json.dumps(broken.rows(), sort_keys=True), json.dumps(whole.rows(), sort_keys=True)
    if ours != theirs:
        faults.append("the rows differ")
    if bad := [row["error"] for row in whole.rows().values() if row["status"] != "ok"]:
        faults.append(f"the unbroken suite has cells that are not ok: {bad[0]}")
    if twice := [id for id, count in broken.written().items() if count > 1]:
        faults.append(f"written twice: {twice}")
    if broken.table() != whole.table():
        faults.append("the tables differ")
    return faults

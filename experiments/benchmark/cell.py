"""One cell: a campaign on a fresh sample, and what it was worth against the truth that only the benchmark has."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.protocol import Agent
from experiments.benchmark.fairness import Tripwire, faults_of
from experiments.benchmark.oracles import BestFirst
from experiments.benchmark.plan import Cell
from experiments.benchmark.statistics.regret import area_under_regret, simple_regret
from experiments.benchmark.suite import ORACLE
from experiments.benchmark.truth import true_values
from experiments.campaign.journal import open_reader
from experiments.campaign.running import run
from experiments.config import CampaignSettings, Parts, build, from_plain

Status = Literal["ok", "failed", "cheated", "timeout"]


@dataclass(frozen=True)
class Row:
    """What a cell left: areas under regret (smaller is better), curves by step, and what was wrong, if anything.

    regret [n] after each step is scaled to the sample's own range of true values; seconds and electrons [n] are
    spent until then; best is the largest true value measured; decide_ms the decisions' median and 99th percentile.
    """

    id: str
    policy: str
    task: str
    scenario: str
    seed: int
    status: Status
    error: str = ""
    areas: Mapping[str, float] = field(default_factory=dict)
    regret: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    electrons: list[float] = field(default_factory=list)
    best: float = float("nan")
    decide_ms: Mapping[str, float] = field(default_factory=dict)
    wall_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for one line of results.jsonl."""
        return asdict(self)


def broken(cell: Cell, status: Status, error: str, wall_s: float = 0.0) -> Row:
    """The row of a cell that gave nothing."""
    return Row(cell.id, cell.policy, cell.task, cell.scenario, cell.seed, status, error, wall_s=wall_s)


def run_cell(cell: Cell, config: Mapping[str, Any], folder: Path, keep: bool = False) -> Row:
    """Run a cell to its end; whatever happens is a row. `keep` leaves its journal in `folder/kept/<id>`."""
    began = time.monotonic()
    runs = folder / "running" / cell.id
    shutil.rmtree(runs, ignore_errors=True)
    try:
        settings = from_plain({**config, "runs": str(runs)})
        row = _scored(cell, settings, folder)
    except (Exception, SystemExit) as error:
        row = broken(cell, "failed", f"{type(error).__name__}: {error}")
    if keep and runs.is_dir() and (found := next(runs.iterdir(), None)):
        (folder / "kept").mkdir(exist_ok=True)
        shutil.rmtree(folder / "kept" / cell.id, ignore_errors=True)
        found.rename(folder / "kept" / cell.id)
    shutil.rmtree(runs, ignore_errors=True)
    return Row(**{**row.as_dict(), "wall_s": time.monotonic() - began})


def _scored(cell: Cell, settings: CampaignSettings, folder: Path) -> Row:
    honest, oracle = build(settings), cell.policy == ORACLE
    agent: Agent = BestFirst(true_values(settings, honest, folder / "truth")) if oracle else honest.agent
    true_values(settings, honest, folder / "truth")  # fails before anything is run, and leaves no policy any to find
    tripwire = Tripwire(honest.instrument)
    result = run(settings, parts=Parts(tripwire, honest.task, agent), durable=False)
    if result.status == "interrupted":
        raise KeyboardInterrupt  # asked of the benchmark, not of this cell: it is run again
    if result.status != "finished":
        reached = tripwire.faults()
        return broken(cell, "cheated" if reached else "failed", "; then ".join([*reached, result.message]))
    trace = read_trace(result.folder)
    if not len(trace.candidates):
        return broken(cell, "failed", f"no step was made: {result.message}")
    faults = [] if oracle else faults_of(trace.candidates, tripwire, settings, trace)
    return _row(cell, settings, trace, true_values(settings, honest, folder / "truth"), faults)


@dataclass(frozen=True)
class Trace:
    """What a campaign's journal says, by step [n]; candidate -1 where the agent named none."""

    candidates: NDArray[np.int64]
    seconds: NDArray[np.float64]
    electrons: NDArray[np.float64]
    arrived: NDArray[np.bool_]
    decide_s: NDArray[np.float64]


def read_trace(run_folder: Path) -> Trace:
    """Candidates, costs and times of a finished campaign; places without a candidate are looked up by position."""
    with open_reader(run_folder / "journal.sqlite") as reader:
        brief = reader.last("brief")
        places = None if brief is None else brief.payload["candidates"]
        decisions = {e.step: e.payload for e in reader.events(kinds=("decision",))}
        outcomes = list(reader.events(kinds=("outcome",)))
    return Trace(
        np.array([_candidate(decisions[e.step], places) for e in outcomes], dtype=np.int64),
        np.array([e.payload["seconds"] for e in outcomes], dtype=float),
        np.array([e.payload["electrons"] for e in outcomes], dtype=float),
        np.array([np.isfinite(e.payload["value"]) for e in outcomes], dtype=bool),
        np.array([decisions[e.step]["decide_s"] for e in outcomes], dtype=float),
    )


def _candidate(decision: Mapping[str, Any], places: NDArray[np.float64] | None) -> int:
    """The candidate nearest to the action, whatever the agent says that it chose."""
    if places is None:
        return -1
    return int(np.argmin(((places - np.asarray(decision["action"], float)) ** 2).sum(-1)))


def _row(cell: Cell, settings: CampaignSettings, trace: Trace, truth: NDArray[np.float64], faults: list[str]) -> Row:
    values = np.where(trace.arrived, truth[trace.candidates], np.nan)
    regret = simple_regret(values, float(np.nanmax(truth)), float(np.nanmin(truth)))
    steps = np.arange(1.0, len(regret) + 1)
    budgets = {"steps": float(settings.budget.steps or len(regret))}
    budgets["seconds"] = float(settings.budget.seconds or trace.seconds[-1])
    spent = {"steps": steps, "seconds": trace.seconds}
    if trace.electrons[-1] > 0:
        spent["electrons"] = trace.electrons
        budgets["electrons"] = float(settings.budget.electrons or trace.electrons[-1])
    p50, p99 = np.percentile(1e3 * trace.decide_s, [50, 99])
    return Row(
        *(cell.id, cell.policy, cell.task, cell.scenario, cell.seed),
        status="cheated" if faults else "ok",
        error="; ".join(faults),
        areas={name: area_under_regret(regret, spent[name], budgets[name]) for name in spent},
        regret=[float(r) for r in regret],
        seconds=[float(s) for s in trace.seconds],
        electrons=[float(e) for e in trace.electrons],
        best=float(np.nanmax(values)) if np.isfinite(values).any() else float("nan"),
        decide_ms={"p50": float(p50), "p99": float(p99)},
    )

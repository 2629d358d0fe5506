"""What `benchmark` and `benchmark compare` do."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cli.exits import DONE, FAILED, INTERRUPTED
from experiments.cli.running import command_line

if TYPE_CHECKING:
    from experiments.benchmark.engine import Finished
    from experiments.benchmark.plan import Plan
    from experiments.benchmark.report import Facts
    from experiments.benchmark.settings import BenchmarkSettings


def benchmark(overrides: Sequence[str], config_dirs: Sequence[Path], *, retry: bool) -> int:
    """Plan a suite, run what is missing of it, write its report; returns the exit code."""
    from experiments.benchmark import engine
    from experiments.benchmark.plan import plan as planned
    from experiments.benchmark.settings import compose_benchmark, without_absent

    settings = compose_benchmark(overrides, config_dirs)
    suite, left_out = without_absent(settings.suite, config_dirs)
    plan = planned(suite, config_dirs)
    folder = engine.folder_of(plan, settings.runs)
    for task, why in left_out.items():
        print(f"task {task} is left out: {why}", file=sys.stderr)
    finished = _run(plan, folder, settings, retry)
    if finished is None:
        print(f"interrupted; what is finished is kept. To go on: {command_line()}", file=sys.stderr)
        print(folder, flush=True)
        return INTERRUPTED
    _conclude(_facts(finished, left_out), settings)
    print(folder, flush=True)
    return DONE


def compare(given: Sequence[str]) -> int:
    """Compare two suite folders (or their results.jsonl); 1 where the second is significantly worse somewhere."""
    from experiments.benchmark.compare import compare as compared
    from experiments.benchmark.compare import lines
    from experiments.config.errors import ConfigError

    if len(given) != 2:
        raise ConfigError("compare takes two folders: probewright benchmark compare OLD NEW")
    found = compared(Path(given[0]), Path(given[1]))
    print("\n".join(lines(found)))
    return FAILED if found.regressions else DONE


def _run(plan: Plan, folder: Path, settings: BenchmarkSettings, retry: bool) -> Finished | None:
    """The finished suite; None where it was interrupted."""
    from experiments.benchmark import engine
    from experiments.benchmark import settings as composing
    from experiments.benchmark.watch import Terminal

    executor = composing.build_executor(settings)
    print(f"{plan.suite.name}: {len(plan.cells)} cells in {folder}", file=sys.stderr)
    try:
        with Terminal(plan.cells) as watch:
            return engine.run_suite(plan, folder, executor, watch.seen, retry=retry)
    except KeyboardInterrupt:
        return None


def _facts(finished: Finished, left_out: Mapping[str, str]) -> Facts:
    from experiments.benchmark.claims import claims
    from experiments.benchmark.report import Facts
    from experiments.benchmark.scores import collect
    from experiments.benchmark.tables import tables

    suite = finished.plan.suite
    scores = collect(finished.rows, suite.baseline, suite.target)
    return Facts(finished, scores, tables(scores), claims(scores), left_out, command_line())


def _conclude(facts: Facts, settings: BenchmarkSettings) -> None:
    """The table on the screen, the report, MLflow."""
    from experiments.benchmark import report
    from experiments.benchmark.report.screen import lines

    print("\n".join(lines(facts)))
    print(f"report  {report.write(facts)}")
    if settings.tracking.enabled:
        from experiments.benchmark.telling import tell

        print(tell(facts, settings.tracking, settings.runs), file=sys.stderr)

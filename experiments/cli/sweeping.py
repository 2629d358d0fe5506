"""`run --multirun`: every combination of the values given, one campaign after the other."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.cli.exits import DONE, FAILED, INTERRUPTED, code_of, line
from experiments.cli.running import conducted, confirmed, show_plan


@dataclass(frozen=True)
class Job:
    """One campaign of a sweep and how it ended; `said` is its run folder, or what went wrong."""

    overrides: Sequence[str]
    status: str
    code: int
    said: str
    best: str = "-"


def sweep(overrides: Sequence[str], config_dirs: Sequence[Path], *, dry_run: bool, yes: bool) -> int:
    """Run all jobs, print a table; a failed job does not stop the others, an interruption does."""
    from experiments.config.sweeps import expanded

    combinations = expanded(overrides, config_dirs)
    if dry_run:
        _show_plans(combinations, config_dirs)
        if not confirmed(yes):
            return DONE
    sweep_id = f"sweep-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
    jobs: list[Job] = []
    for number, combination in enumerate(combinations):
        print(f"job {number + 1} of {len(combinations)}: {_shown(combination)}", flush=True)
        jobs.append(_run(combination, config_dirs, sweep_id))
        if jobs[-1].code == INTERRUPTED:
            break
    _print_table(jobs)
    return _code(jobs)


def _show_plans(combinations: Sequence[Sequence[str]], config_dirs: Sequence[Path]) -> None:
    from experiments.config import compose

    for combination in combinations:
        print(_shown(combination))
        show_plan(compose(combination, config_dirs))


def _run(overrides: Sequence[str], config_dirs: Sequence[Path], sweep_id: str) -> Job:
    from experiments.config import compose

    try:
        result = conducted(compose(overrides, config_dirs), sweep_id=sweep_id)
    except KeyboardInterrupt:
        return Job(overrides, "interrupted", INTERRUPTED, "interrupted before it began")
    except Exception as error:
        print(f"error: {line(error)}", file=sys.stderr)
        return Job(overrides, "failed", code_of(error), line(error))
    return Job(overrides, result.status, result.exit_code, str(result.folder), _best(result.folder))


def _best(folder: Path) -> str:
    from experiments.campaign import status
    from experiments.cli.statuses import best

    return best(status(folder))


def _code(jobs: Sequence[Job]) -> int:
    if jobs and jobs[-1].code == INTERRUPTED:
        return INTERRUPTED
    return FAILED if any(job.code != DONE for job in jobs) else DONE


def _print_table(jobs: Sequence[Job]) -> None:
    from experiments.cli.tables import print_table

    rows = [[str(n + 1), _shown(j.overrides), j.status, j.best, j.said] for n, j in enumerate(jobs)]
    print_table(["job", "overrides", "status", "best", "run folder"], rows)


def _shown(overrides: Sequence[str]) -> str:
    return " ".join(overrides) or "(defaults)"

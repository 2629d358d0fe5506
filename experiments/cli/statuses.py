"""`status`: how far runs are, read from their journals while they may still be running."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cli.folders import RUNS, is_run, many_runs
from experiments.cli.tables import print_table

if TYPE_CHECKING:
    from experiments.campaign import RunState

HEADER = ("run", "state", "step", "best", "minutes", "electrons")


def print_status(folder: Path | None) -> None:
    """Print a table of one run, or of all runs in a folder of runs (`runs/` if none is given)."""
    chosen = RUNS if folder is None else folder
    print_table(HEADER, [row(run) for run in many_runs([chosen])])
    if is_run(chosen):
        _print_message(chosen)


def row(folder: Path) -> Sequence[str]:
    """A run's line; a damaged journal is a state too, so that it does not hide the other runs."""
    from experiments.campaign import status
    from experiments.campaign.journal import JournalError

    try:
        found = status(folder)
    except JournalError as error:
        return (folder.name, f"unreadable: {error}", "-", "-", "-", "-")
    state = found.state if found.pid is None else f"{found.state} (pid {found.pid})"
    minutes, electrons = f"{found.seconds / 60:.1f}", f"{found.electrons:.3g}"
    return (folder.name, state, str(found.step), best(found), minutes, electrons)


def best(found: RunState) -> str:
    """The best value so far; '-' before there is one."""
    return "-" if math.isnan(found.best_value) else f"{found.best_value:.4g}"


def _print_message(folder: Path) -> None:
    from experiments.campaign import status
    from experiments.campaign.journal import JournalError

    try:
        said = status(folder).message
    except JournalError:
        return
    if said:
        print(said)

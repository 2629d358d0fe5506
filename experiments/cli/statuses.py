"""`status`: how far runs are, read from their journals while they may still be running."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cli.folders import JOURNAL, RUNS, is_run, many_runs

if TYPE_CHECKING:
    from experiments.campaign.journal import Event, Reader

HEADER = ["run", "state", "step", "best", "at step", "minutes", "electrons"]


@dataclass(frozen=True)
class Row:
    """A line of the table, as text."""

    run: str
    state: str
    step: str = "0"
    best: str = "-"
    best_step: str = "-"
    minutes: str = "-"
    electrons: str = "-"

    def cells(self) -> list[str]:
        """The cells in the order of the header."""
        return [self.run, self.state, self.step, self.best, self.best_step, self.minutes, self.electrons]


def print_status(folder: Path | None) -> None:
    """Print a table of one run, or of all runs in a folder of runs (`runs/` if none is given)."""
    from experiments.cli.tables import print_table

    chosen = RUNS if folder is None else folder
    print_table(HEADER, [read_row(run).cells() for run in many_runs([chosen])])
    if folder is not None and is_run(folder):
        _print_message(folder)


def read_row(folder: Path) -> Row:
    """The state of one run; a damaged journal is a state too, so that it does not hide the other runs."""
    from experiments.campaign.journal import JournalError, open_reader

    try:
        with open_reader(folder / JOURNAL) as reader:
            return _row(folder, reader)
    except JournalError as error:
        return Row(folder.name, f"unreadable ({error})")


def _row(folder: Path, reader: Reader) -> Row:
    state, last = _state(folder, reader), reader.last("outcome")
    if last is None:
        return Row(folder.name, state)
    outcome, best_step = last.payload, last.payload["best_step"]
    return Row(
        folder.name,
        state,
        step=str(last.step),
        best="-" if best_step is None else f"{outcome['best_value']:.4g}{_unit(reader)}",
        best_step="-" if best_step is None else str(best_step),
        minutes=f"{outcome['seconds'] / 60:.1f}",
        electrons=f"{outcome['electrons']:.3g}",
    )


def _state(folder: Path, reader: Reader) -> str:
    """Running while a live process holds the journal; else as its last event says, and killed without one."""
    from experiments.campaign.journal import is_held

    if is_held(folder / JOURNAL):
        return f"running (pid {reader.owner()['pid']})"
    closed = _final(reader)
    return "killed" if closed is None else str(closed.payload["status"])


def _final(reader: Reader) -> Event | None:
    """The event that closed the run; None where something came after it, or nothing closed it."""
    closed = reader.last("closed")
    return None if closed is None or next(reader.events(closed.seq), None) is not None else closed


def _unit(reader: Reader) -> str:
    brief = reader.last("brief")
    unit = "" if brief is None else brief.payload["value_unit"]
    return f" {unit}" if unit else ""


def _print_message(folder: Path) -> None:
    from experiments.campaign.journal import JournalError, open_reader

    try:
        with open_reader(folder / JOURNAL) as reader:
            closed = _final(reader)
    except JournalError:
        return
    if closed is None:
        print(f"continue it with: probewright resume {folder}")
    elif closed.payload["message"]:
        print(closed.payload["message"])

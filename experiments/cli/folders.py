"""Which run folder a command means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.config.errors import ConfigError

RUNS = Path("runs")
JOURNAL = "journal.sqlite"


def is_run(folder: Path) -> bool:
    """Whether a folder holds a campaign's journal."""
    return (folder / JOURNAL).is_file()


def runs_in(folder: Path) -> list[Path]:
    """The run folders in a runs folder, the one that began last at the end."""
    found = [entry for entry in folder.iterdir() if is_run(entry)] if folder.is_dir() else []
    return sorted(found, key=lambda run: (_began(run), run.name))


def one_run(folder: Path | None) -> Path:
    """The run that was named, or the latest one in `runs/`; raises ConfigError where there is none."""
    if folder is None:
        return _latest(RUNS)
    if is_run(folder):
        return folder
    if runs_in(folder):
        return _latest(folder)
    raise ConfigError(f"{folder} is no run folder: there is no {JOURNAL} in it")


def many_runs(folders: Sequence[Path]) -> list[Path]:
    """The runs that were named; a folder of runs stands for all of them, and no name for all in `runs/`."""
    return [run for folder in folders or [RUNS] for run in _expanded(folder)]


def _expanded(folder: Path) -> Iterator[Path]:
    found = [folder] if is_run(folder) else runs_in(folder)
    if not found:
        raise ConfigError(f"there is no run in {folder}: `probewright run` makes one")
    yield from found


def _latest(folder: Path) -> Path:
    return list(_expanded(folder))[-1]


def _began(run: Path) -> float:
    """When the run began: config.yaml is written once, a journal at every step."""
    first = run / "config.yaml"
    return (first if first.exists() else run / JOURNAL).stat().st_mtime

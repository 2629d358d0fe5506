"""What a training leaves: its configuration, the curve as it grows, checkpoints, the policy."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.config import ConfigError

KEPT = 2
"""Checkpoints that are kept, the newest ones."""
SUMMARY = "summary.json"
"""Written last, when a training is finished."""
_CURVE = "progress.csv"


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted(path for path in (folder / "checkpoints").glob("[0-9]*") if path.is_dir())


def write_checkpoint(folder: Path, steps: int, save: Any) -> Path:
    """A checkpoint that is there whole or not at all; older ones but `KEPT` go. `save` writes into a folder."""
    place = folder / "checkpoints"
    place.mkdir(exist_ok=True)
    temporary, final = place / f".{os.getpid()}.tmp", place / f"{steps:012d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    save(temporary)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    for old in checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old)
    return final


def last_checkpoint(folder: Path) -> Path:
    """The newest checkpoint; raises ConfigError where there is none."""
    found = checkpoints(folder)
    if not found:
        raise ConfigError(f"{folder} holds no checkpoint to go on from: begin again with probewright train")
    return found[-1]


def add_row(folder: Path, row: Mapping[str, float]) -> None:
    """One line more of the curve."""
    path = folder / _CURVE
    begun = path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if not begun:
            writer.writeheader()
        writer.writerow({name: f"{value:.8g}" for name, value in row.items()})


def rows(folder: Path) -> list[dict[str, float]]:
    """The curve so far; what a kill cut short is left out."""
    path = folder / _CURVE
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    whole = [row for row in read if None not in row and all(row.values())]
    return [{name: float(value) for name, value in row.items()} for row in whole]


def drop_rows_after(folder: Path, steps: int) -> None:
    """Forget what a training that is taken up again will go over anew."""
    kept = [row for row in rows(folder) if row["steps"] <= steps]
    (folder / _CURVE).unlink(missing_ok=True)
    for row in kept:
        add_row(folder, row)

"""How a run stands, read from outside while it may be running."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.campaign.journal import is_held, open_reader
from experiments.campaign.past import read_asked

State = Literal["running", "waiting", "finished", "interrupted", "failed", "refused", "killed", "never begun"]


@dataclass(frozen=True)
class RunState:
    """One run at a glance; best_value is NaN before there is one, pid None unless it runs."""

    folder: Path
    name: str
    state: State
    step: int
    best_value: float
    seconds: float
    electrons: float
    message: str
    pid: int | None = None


def status(folder: Path) -> RunState:
    """How the run in `folder` stands; raises JournalDamaged where there is none."""
    path = folder / "journal.sqlite"
    with open_reader(path) as reader:
        meta = reader.meta()
        if not meta:
            return RunState(folder, folder.name, "never begun", 0, math.nan, 0.0, 0.0, "run it again")
        outcome, closed, resumed = (reader.last(kind) for kind in ("outcome", "closed", "resumed"))
        held = is_held(path)
        question = read_asked(reader).open() if held else None
        pid = reader.owner()["pid"] if held else None
    state, message = _state(
        held, closed.payload if closed else None, bool(closed and resumed and resumed.seq > closed.seq)
    )
    if question is not None:
        state, message = "waiting", f"step {question.step} waits for: probewright answer {folder}"
    figures = outcome.payload if outcome else {}
    return RunState(
        folder,
        str(meta["name"]),
        state,
        outcome.step if outcome else 0,
        float(figures.get("best_value", math.nan)),
        float(figures.get("seconds", 0.0)),
        float(figures.get("electrons", 0.0)),
        message,
        pid,
    )


def _state(held: bool, closed: dict[str, str] | None, reopened: bool) -> tuple[State, str]:
    if held:
        return "running", ""
    if closed is None or reopened:
        return "killed", "go on with: probewright resume"
    names: dict[str, State] = {
        "finished": "finished",
        "interrupted": "interrupted",
        "failed": "failed",
        "refused": "refused",
    }
    return names[closed["status"]], closed["message"]

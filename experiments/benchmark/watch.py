"""Who looks on while a suite runs: a progress bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from experiments.benchmark.cell import Row
from experiments.benchmark.plan import Cell

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET_S = 5.0
"""Between two plain lines."""


class Terminal:
    """Progress on standard error; what goes wrong with a cell gets a line of its own."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._forecast = Forecast(cells)
        self._progress: Progress | None = None
        self._said = time.monotonic()

    def __enter__(self) -> Terminal:
        if sys.stderr.isatty():
            self._progress = self._bar()
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()

    def seen(self, row: Row, done: int, of: int) -> None:
        """A cell is done: `done` of `of` are."""
        self._forecast.add(row)
        if row.status != "ok":
            self._say(f"{_named(row)}: {row.status}: {' '.join(row.error.split())}")
        text = f"{done}/{of} cells | {_named(row)} | {self._forecast.text()}"
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=of, text=text)
        elif done == of or time.monotonic() - self._said >= QUIET_S:
            self._said = time.monotonic()
            print(text, file=sys.stderr)

    def _say(self, line: str) -> None:
        if self._progress is None:
            print(line, file=sys.stderr)
        else:
            self._progress.console.print(line, markup=False, highlight=False)

    def _bar(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        columns = (SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.fields[text]}", markup=False))
        progress = Progress(*columns, console=Console(stderr=True), refresh_per_second=8)
        self._task = progress.add_task("", total=None, text="starting the workers")
        return progress


class Forecast:
    """The time left, from how long cells of the same policy and task took and how many ran side by side.

    A count of cells alone would mislead: oracles come first and are quick.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._left: dict[tuple[str, str], int] = defaultdict(int)
        self._took: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._began = time.monotonic()
        for cell in cells:
            self._left[cell.policy, cell.task] += 1

    def add(self, row: Row) -> None:
        """A cell that is done."""
        self._left[row.policy, row.task] -= 1
        self._took[row.policy, row.task].append(row.wall_s)

    def left_s(self, elapsed_s: float) -> float:
        """Seconds left after `elapsed_s`; infinite while some policy has not been seen on any task."""
        known = {policy for policy, _ in self._took}
        if {policy for (policy, _), count in self._left.items() if count} - known:
            return float("inf")
        work = sum(count * self._mean(*pair) for pair, count in self._left.items())
        done = sum(sum(times) for times in self._took.values())
        return work / max(done / max(elapsed_s, 1e-9), 1e-9)

    def text(self) -> str:
        """The time left in words; empty where it cannot be said yet."""
        left = self.left_s(time.monotonic() - self._began)
        if left == float("inf"):
            return ""
        return f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left"

    def _mean(self, policy: str, task: str) -> float:
        times = self._took.get((policy, task)) or [t for (p, _), ts in self._took.items() if p == policy for t in ts]
        return sum(times) / len(times)


def _named(row: Row) -> str:
    return f"{row.policy} on {row.task}, {row.scenario}, seed {row.seed}"

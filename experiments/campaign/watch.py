"""Who looks on while a campaign runs: nobody, or a person at a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from experiments.campaign.ended import Result
from experiments.campaign.tally import Tally
from experiments.config.settings import Budget, CampaignSettings
from instruments.cost import Cost

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress

_FIRST_STEP_S = 3.0
_COMPILING = "no step yet: the first time on a machine kernels are compiled, which takes up to two minutes"


class Watch(Protocol):
    """Told what happens; it cannot change anything."""

    def begin(self, settings: CampaignSettings, folder: Path) -> None:
        """A campaign begins or goes on."""
        ...

    def say(self, line: str) -> None:
        """Something worth a line happened."""
        ...

    def ask(self, lines: Sequence[str]) -> None:
        """A person is asked; what follows on the terminal is theirs until the next step is done."""
        ...

    def step(self, tally: Tally, spent: Cost) -> None:
        """A step is done."""
        ...

    def end(self, result: Result) -> None:
        """It ended."""
        ...


class Nobody:
    """Looks at nothing."""

    def begin(self, settings: CampaignSettings, folder: Path) -> None:
        pass

    def say(self, line: str) -> None:
        pass

    def ask(self, lines: Sequence[str]) -> None:
        pass

    def step(self, tally: Tally, spent: Cost) -> None:
        pass

    def end(self, result: Result) -> None:
        pass


class Terminal:
    """A progress bar on standard error: running best, cost and time left; plain lines where it is no terminal."""

    def __init__(self, unit: str = "") -> None:
        self._progress: Progress | None = None
        self._began = self._said = time.monotonic()
        self._first: int | None = None
        self.unit = unit
        self._waiting = threading.Timer(_FIRST_STEP_S, self.say, (_COMPILING,))
        self._waiting.daemon = True

    def begin(self, settings: CampaignSettings, folder: Path) -> None:
        self._budget = settings.budget
        print(f"{settings.name}: running in {folder}", file=sys.stderr)
        if sys.stderr.isatty():
            self._progress = self._bar(settings.budget)
            self._progress.start()
        if "core" in settings.instrument:
            self._waiting.start()

    def say(self, line: str) -> None:
        if self._progress is not None:
            self._progress.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr)

    def ask(self, lines: Sequence[str]) -> None:
        self._waiting.cancel()
        self._stop()
        print("\n".join(lines), file=sys.stderr, flush=True)

    def step(self, tally: Tally, spent: Cost) -> None:
        now = time.monotonic()
        if self._first is None:
            self._waiting.cancel()
            self._first, self._began = tally.steps - 1, now
        if self._progress is None and now - self._said < 5.0:
            return
        text = self._text(tally, spent, now)
        if self._progress is None:
            self._said = now
            print(f"step {tally.steps}: {text}", file=sys.stderr)
        else:
            self._progress.start()  # no effect where it runs; a question stops it
            self._progress.update(self._task, completed=100 * self._fraction(tally.steps, spent), text=text)

    def end(self, result: Result) -> None:
        self._waiting.cancel()
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _bar(self, budget: Budget) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        columns = (SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.fields[text]}", markup=False))
        progress = Progress(*columns, console=Console(stderr=True), refresh_per_second=8)
        self._task = progress.add_task("", total=100, text="opening the instrument and loading the agent")
        return progress

    def _text(self, tally: Tally, spent: Cost, now: float) -> str:
        steps, best = tally.steps, tally.best()
        of = f"/{self._budget.steps}" if self._budget.steps else ""
        parts = [f"step {steps}{of}"]
        if best is not None:
            parts.append(f"best {tally.values[best]:.4g} {self.unit} at step {best + 1}".replace("  ", " "))
        parts.append(f"{spent.seconds:.4g} s")
        if spent.electrons:
            parts.append(f"{spent.electrons:.3g} electrons")
        return " | ".join([*parts, self._left(steps, spent, now)])

    def _left(self, steps: int, spent: Cost, now: float) -> str:
        done = self._fraction(steps, spent)
        began = self._fraction(self._first or 0, Cost())
        if done <= began:
            return ""
        left = (now - self._began) * (1 - done) / (done - began)
        return f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left"

    def _fraction(self, steps: int, spent: Cost) -> float:
        budget = self._budget
        shares = [
            steps / budget.steps if budget.steps else 0.0,
            spent.seconds / budget.seconds if budget.seconds else 0.0,
            spent.electrons / budget.electrons if budget.electrons else 0.0,
        ]
        return min(1.0, max(shares))

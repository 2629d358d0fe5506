"""Write as lithography software does: line after line of the target, all with one bias and one speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from agents.protocol import Decision, Observation, Problem
from agents.remembering import Remembering
from agents.writing.strokes import PULSE, Canvas, Stroke, runs
from physics_priors.bounds import Bounds

Share = Annotated[float, Bounds("", 0.0, 1.0)]


class RasterWriting(Remembering):
    """Lines `pitch_nm` apart over what is up in the target and was not up before, in serpentine order, then once more.

    It never looks at what it wrote. Ends of lines are drawn in by `inset_nm`, for the width of what a tip writes.
    """

    def __init__(
        self,
        bias: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 0.8,
        slow: Share = 0.5,
        pitch_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] = 50.0,
        inset_nm: Annotated[float, Bounds("nm", 0.0)] = 20.0,
    ) -> None:
        """`bias` is a fraction of the task's largest; `slow` runs from 0, fastest or shortest, to 1."""
        self.bias, self.slow, self.pitch_nm, self.inset_nm = bias, slow, pitch_nm, inset_nm

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        self._canvas = Canvas.of(problem)
        self._strokes = self._plan()

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        number = self.told + len(pending)
        place = number % len(self._strokes)
        action = self._canvas.action(self._strokes[place], self.bias, self.slow)
        return Decision(
            action, f"stroke {place + 1} of {len(self._strokes)} of the raster, pass {number // len(self._strokes) + 1}"
        )

    def _plan(self) -> list[Stroke]:
        """The strokes, bottom line first; every other line backwards."""
        canvas = self._canvas
        pitch, inset = self.pitch_nm / canvas.pixel_nm, self.inset_nm / canvas.pixel_nm
        wanted = (canvas.target > 0) & (canvas.before <= 0)
        strokes: list[Stroke] = []
        for line, y in enumerate(np.arange(pitch / 2, len(wanted), pitch)):
            row = min(int(y), len(wanted) - 1)
            found = [s for run in runs(wanted[row]) for s in self._over(run, float(row), pitch, inset)]
            strokes += found if line % 2 == 0 else [Stroke(s.last, s.first, s.sign) for s in reversed(found)]
        return strokes or [Stroke((0.0, 0.0), (0.0, 0.0), 1.0)]

    def _over(self, run: tuple[int, int], row: float, pitch: float, inset: float) -> list[Stroke]:
        """What covers a run of pixels of a row: one path, or pulses side by side."""
        first, last = run[0] + inset, run[1] - inset
        if first > last:
            first = last = (run[0] + run[1]) / 2
        if self._canvas.axes != PULSE:
            return [Stroke((first, row), (last, row), 1.0)]
        count = max(round((last - first) / pitch), 0) + 1
        return [Stroke((float(x), row), (float(x), row), 1.0) for x in np.linspace(first, last, count)]

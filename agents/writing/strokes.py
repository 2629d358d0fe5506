"""Strokes of a tip over the pixels of an image, and the actions that make them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Problem

Floats = NDArray[np.float64]
PATH, PULSE = 6, 4


@dataclass(frozen=True)
class Stroke:
    """From (x, y) to (x, y) in pixels, with the sign of what shall be written."""

    first: tuple[float, float]
    last: tuple[float, float]
    sign: float


@dataclass(frozen=True)
class Canvas:
    """The target [rows, columns] of +1 and -1, what was there before, and the side of a pixel [nm]."""

    target: Floats
    before: Floats
    pixel_nm: float
    axes: int

    @staticmethod
    def of(problem: Problem) -> Canvas:
        """The canvas of a problem; raises AgentError where it has no target, or actions of another length."""
        if not {"target", "before"} <= set(problem.images) or problem.extent_nm is None:
            raise AgentError("a writing agent needs the images 'target' and 'before' and their extent: use its task")
        axes = int(np.size(problem.low))
        if axes not in (PATH, PULSE):
            raise AgentError(f"a writing agent acts with {PATH} numbers (path) or {PULSE} (pulse), not {axes}")
        target = np.sign(problem.images["target"])
        x0, x1 = problem.extent_nm[:2]
        return Canvas(target, np.asarray(problem.images["before"]), (x1 - x0) / target.shape[1], axes)

    def action(self, stroke: Stroke, bias: float, slow: float) -> Floats:
        """The action for a stroke; bias is a size in (0, 1], `slow` runs from 0 (fast, short) to 1 (slow, long)."""
        ends = [self._unit(stroke.first), self._unit(stroke.last)]
        volts = float(np.clip(stroke.sign * bias, -1.0, 1.0))
        if self.axes == PATH:
            return np.array([*ends[0], *ends[1], volts, 1.0 - 2.0 * slow])
        return np.array([*ends[0], volts, 2.0 * slow - 1.0])

    def pixels(self, stroke: Stroke) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the pixels along a stroke."""
        (x0, y0), (x1, y1) = stroke.first, stroke.last
        t = np.linspace(0.0, 1.0, int(np.ceil(np.hypot(x1 - x0, y1 - y0))) + 1)
        rows, columns = np.rint(y0 + t * (y1 - y0)).astype(np.intp), np.rint(x0 + t * (x1 - x0)).astype(np.intp)
        return rows, columns

    def _unit(self, place: tuple[float, float]) -> tuple[float, float]:
        rows, columns = self.target.shape
        x, y = (2.0 * (v + 0.5) / n - 1.0 for v, n in zip(place, (columns, rows), strict=True))
        return float(np.clip(x, -1.0, 1.0)), float(np.clip(y, -1.0, 1.0))


def runs(chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of True in a row [n]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[0::2], edges[1::2], strict=True)]

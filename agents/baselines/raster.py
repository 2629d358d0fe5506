"""Raster: line after line, as microscopes scan, with a stride that lets the budget cover the whole field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from agents.options import Box, Options
from agents.protocol import AgentError, Decision, Observation, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds


class Raster(Remembering):
    """Scans the field in serpentine lines of at most `points` points in all, then once more twice as dense, and so on.

    Lattice points are snapped to the nearest candidate; none is visited twice before all were. One or two axes.
    """

    def __init__(self, points: Annotated[int, Bounds("points", 1, 1_000_000)] = 60) -> None:
        if points < 1:
            raise ValueError(f"points must be at least 1, got {points}")
        self.points = points

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        if self.options.axes not in (1, 2):
            raise AgentError(f"a raster scans one or two axes, not {self.options.axes}: use agent=sobol")
        if isinstance(self.options, Options):
            self._order = scan_order(self.options, self.points)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        number = self.told + len(pending)
        if isinstance(self.options, Box):
            line = _lattice(np.zeros(self.options.axes), np.ones(self.options.axes), self.points)
            return self.options.decide(line[number % len(line)], f"point {number % len(line) + 1} of the raster")
        free = np.isin(self._order, self.open_options(self.options, pending))
        place = int(np.argmax(free))
        return self.options.decide(int(self._order[place]), f"point {place + 1} of the raster")


def scan_order(options: Options, points: int) -> NDArray[np.int64]:
    """All options [n], coarse lattice first."""
    order: list[int] = []
    while points < len(options):
        order += [options.nearest(point, np.arange(len(options))) for point in _cover(options, points)]
        points *= 4
    return np.array(list(dict.fromkeys([*order, *_serpentine(options.unit)])), dtype=np.int64)


def _cover(options: Options, points: int) -> NDArray[np.float64]:
    return _lattice(options.unit.min(axis=0), options.unit.max(axis=0), points)


def _lattice(low: NDArray[np.float64], high: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """At most `points` cell centres of the rectangle, [at most points, d], in serpentine order."""
    if len(low) == 1:
        return low + (high - low) * _centres(points)[:, None]
    width, height = np.maximum(high - low, 1e-12)
    rows = int(np.clip(round(np.sqrt(points * height / width)), 1, points))
    columns = points // rows
    y, x = np.meshgrid(_centres(rows), _centres(columns), indexing="ij")
    x[1::2] = x[1::2, ::-1]
    return low + (high - low) * np.stack([x.ravel(), y.ravel()], axis=1)


def _centres(count: int) -> NDArray[np.float64]:
    return (np.arange(count) + 0.5) / count


def _serpentine(unit: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices [n] line by line, every other line backwards; a line is all that shares its last coordinate."""
    if unit.shape[1] == 1:
        return np.argsort(unit[:, 0], kind="stable")
    _, line = np.unique(np.round(unit[:, 1], 6), return_inverse=True)
    across = np.where(line % 2 == 0, unit[:, 0], -unit[:, 0])
    return np.lexsort((across, line))

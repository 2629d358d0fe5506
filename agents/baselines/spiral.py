"""Spiral and serpentine: paths as scanners draw them; for tasks whose actions are waypoints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from agents.options import Box
from agents.protocol import AgentError, Decision, Observation, Problem
from agents.remembering import Remembering
from physics_priors.bounds import Bounds

Waypoints = NDArray[np.float64]


class Following(Remembering, ABC):
    """Takes the waypoints [n, 2] of a path in the unit square one after the other, then backwards, and so on."""

    shape = "path"

    @abstractmethod
    def path(self) -> Waypoints:
        """The waypoints."""

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        if self.options.axes != 2:
            raise AgentError(f"a {self.shape} fills two axes, not {self.options.axes}: use agent=sobol")
        way = self.path()
        self._path = np.concatenate([way, way[::-1]])

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        number = self.told + len(pending)
        point, reason = self._path[number % len(self._path)], f"waypoint {number + 1} of the {self.shape}"
        if isinstance(self.options, Box):
            return self.options.decide(point, reason)
        return self.options.decide(self.options.nearest(point, np.arange(len(self.options))), reason)


class Spiral(Following):
    """An Archimedean spiral from the middle outwards, `points` waypoints equal ways apart; corners stay unvisited."""

    shape = "spiral"

    def __init__(
        self,
        points: Annotated[int, Bounds("points", 4, 1_000_000)] = 60,
        turns: Annotated[float, Bounds("turns", 0.5, 10_000.0)] = 9.0,
    ) -> None:
        self.points, self.turns = points, turns

    def path(self) -> Waypoints:
        share = np.sqrt((np.arange(self.points) + 0.5) / self.points)
        angle = 2 * np.pi * self.turns * share
        return np.asarray(0.5 + 0.5 * share[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))


class Serpentine(Following):
    """`lines` parallel lines, every other one backwards, each with `per_line` waypoints from end to end."""

    shape = "serpentine"

    def __init__(
        self,
        lines: Annotated[int, Bounds("lines", 2, 100_000)] = 15,
        per_line: Annotated[int, Bounds("points", 2, 100_000)] = 4,
    ) -> None:
        self.lines, self.per_line = lines, per_line

    def path(self) -> Waypoints:
        y, x = np.meshgrid((np.arange(self.lines) + 0.5) / self.lines, np.linspace(0, 1, self.per_line), indexing="ij")
        x[1::2] = x[1::2, ::-1]
        return np.stack([x.ravel(), y.ravel()], axis=1)

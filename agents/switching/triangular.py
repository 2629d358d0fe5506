"""The standard waveform of piezoresponse spectroscopy: a triangle between the limits, over and over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from agents.protocol import Decision, Observation
from agents.switching.believing import BelievingInLoops
from physics_priors.bounds import Bounds
from physics_priors.lgd import loops


class Triangular(BelievingInLoops):
    """Sends the triangle 0, high, low, 0 of `points` steps a cycle part by part, whatever it sees."""

    def __init__(
        self,
        *,
        points: Annotated[int, Bounds("points", 4, 65536)] = 64,
        particles: Annotated[int, Bounds("particles", 50, 100_000)] = 300,
    ) -> None:
        self._points, self._count = points, particles

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        pulses = self.options.axes
        begin = (self.told + len(pending)) * pulses
        cycle = loops.staircase(-1.0, 1.0, self._points)
        action = cycle[(begin + np.arange(pulses)) % self._points]
        return Decision(action, f"pulses {begin} to {begin + pulses - 1} of a triangle of {self._points} steps a cycle")

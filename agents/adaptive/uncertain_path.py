"""Uncertain path: the next stroke is the one along which least is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from agents.adaptive.most_uncertain import MostUncertain
from agents.options import Options
from agents.protocol import AgentError, Decision, Observation, Problem
from physics_priors.bounds import Bounds

_ALONG = np.linspace(0.15, 1.0, 12)
"""Where on a stroke its uncertainty is looked up."""


class UncertainPath(MostUncertain):
    """Weighs every candidate by the mean uncertainty of the stroke towards it, and of what lies around its end.

    For tasks that observe `position`, `stroke` (the longest stroke) and one `uncertainty` for each candidate of a grid.
    """

    def __init__(self, ahead: Annotated[float, Bounds("", 0.0, 10.0)] = 0.5) -> None:
        """`ahead` is the weight of the surroundings of the stroke's end, from which the next one has to begin."""
        super().__init__(seeds=0)
        self.ahead = ahead

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        if self._options().axes != 2:
            raise AgentError("uncertain_path walks in a plane: use agent=most_uncertain")

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        options = self._options()
        doubt = self._doubt(observation, options)
        if "position" not in observation or "stroke" not in observation:
            raise AgentError("uncertain_path needs the observations position and stroke: use it with task=reconstruct")
        here, reach = np.ravel(observation["position"]), float(np.ravel(observation["stroke"])[0])
        score = self._scores(options, doubt, here.astype(np.float64), reach)
        score += 1e-9 * self.generator(pending).uniform(size=len(score))  # ties are broken by the seed
        chosen = int(np.argmax(score))
        return options.decide(chosen, "the stroke along which least is known", {"uncertainty": float(score[chosen])})

    def _scores(
        self, options: Options, doubt: NDArray[np.float64], here: NDArray[np.float64], reach: float
    ) -> NDArray[np.float64]:
        from scipy.spatial import KDTree

        way = options.actions - here
        length = np.linalg.norm(way, axis=1)
        ends = here + way * np.minimum(1.0, reach / np.maximum(length, 1e-9))[:, None]
        tree = KDTree(options.actions)
        along = here + (ends - here)[:, None] * _ALONG[None, :, None]
        own = doubt[np.asarray(tree.query(along)[1])].mean(axis=1)
        around = doubt[np.asarray(tree.query(ends, k=min(9, len(options)))[1]).reshape(len(ends), -1)].mean(axis=1)
        full = np.minimum(np.linalg.norm(ends - here, axis=1) / reach, 1.0)
        return np.asarray(own * full + self.ahead * around)

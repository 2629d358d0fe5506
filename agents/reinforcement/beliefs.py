"""The belief that goes with a policy: from dwells or strokes to sufficient statistics to what the network sees.

Whoever lets a policy act keeps one of these beside it: many copies of a twin in training, one environment's rows in an
evaluation, the agent in a campaign. It is the same in all three.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.reinforcement.physics import Physics
from agents.reinforcement.task_physics import of_task

Floats = NDArray[np.float64]
Observations = Mapping[str, NDArray[Any]]


class Beliefs:
    """Of B rows. Where `physics` keeps none, observations are handed on as they are."""

    def __init__(self, physics: Physics) -> None:
        self._kept = physics.belief
        self.statistics: Floats | None = None
        """[B, k], None before anything was seen."""

    def begin(self, observation: Observations) -> Observations:
        """Nothing was done yet: the observation with the prior."""
        if self._kept:
            self.statistics = of_task(observation).first_belief(observation)
        return self.shown(observation)

    def shown(self, observation: Observations) -> Observations:
        """An observation with what is believed now, which is the prior before anything was done. Changes nothing."""
        if not self._kept:
            return observation
        task = of_task(observation)
        known = task.first_belief(observation) if self.statistics is None else self.statistics
        return {**observation, **task.shown(known)}

    def after(
        self, before: Observations, actions: NDArray[Any], observation: Observations, electrons: Floats
    ) -> Observations:
        """Actions [B, d] that cost electrons [B] led from `before` to an observation: the latter with what is believed.

        Observations are of the whole batch, also those of rows that ended with it.
        """
        if self._kept:
            task, seen = of_task(observation), self.shown(before)
            known = task.first_belief(before) if self.statistics is None else self.statistics
            self.statistics = task.learned(known, seen, np.asarray(actions), observation, electrons)
        return self.shown(observation)

    def forget(self, rows: NDArray[np.intp], observation: Observations) -> Observations:
        """Some rows begin anew: the observation, of the whole batch, with what is believed now."""
        if self._kept and self.statistics is not None:
            self.statistics = np.array(self.statistics)
            self.statistics[rows] = of_task(observation).first_belief(observation)[rows]
        return self.shown(observation)

"""The oracle of identify_switching: it is given the truth and chooses the design that is best for exactly that spot.

It weighs the same kind of waveforms as the adaptive agent by their Fisher information at the true parameters, on top of
the prior's and of what was measured already; the estimate and the moment to stop are the task's, as for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_STEP = 1e-3


class Oracle:
    """Chooses waveforms for the spot with the given parameters."""

    def __init__(self, parameters: Mapping[str, float], task: Any) -> None:
        from scipy.special import ndtr, ndtri

        from physics_priors.lgd import loops

        self._task, self._loops = task, loops
        z = ndtri(np.clip(loops.PRIOR.cumulative(loops.PRIOR.ordered(parameters)), 1e-9, 1 - 1e-9))
        moves = np.concatenate([np.zeros((1, 8)), _STEP * np.eye(8), -_STEP * np.eye(8)])
        self._theta = loops.PRIOR.sample(ndtr(z + moves))
        self._memory = loops.Ensembles.fresh(self._theta)
        self._targets = self._slope(loops.targets_V(self._theta, task.dwell_s).T)
        self._information = np.eye(8)
        self._library = self._candidates()

    def decide(self, observation: Any) -> tuple[Floats, Callable[..., None]]:
        """The best next waveform, in units of the limit; and nothing to be told, for the truth is known."""
        ahead = self._memory.ahead(self._theta, self._library, self._task.dwell_s)
        gains = [self._gained(part) for part in ahead]
        left = [np.trace(self._targets @ np.linalg.solve(self._information + g, self._targets.T)) for g in gains]
        best = int(np.argmin(left))
        self._information = self._information + gains[best]
        self._memory.drive(self._theta, self._library[best], self._task.dwell_s)
        return self._library[best] / self._task.limit_V, lambda *_: None

    def _gained(self, part_up: Floats) -> Floats:
        reading = self._loops.piezoresponse_pm(self._theta, part_up)
        slope = self._slope(reading.T)
        return np.asarray(slope.T @ slope / self._task.noise_pm**2)

    def _slope(self, values: Floats) -> Floats:
        """Derivatives [m, 8] of values [m, 17] by the parameters as standard normal numbers."""
        return np.asarray((values[:, 1:9] - values[:, 9:17]) / (2 * _STEP))

    def _candidates(self) -> Floats:
        from agents.switching import designs

        theta = self._theta[:1]
        up, down = self._loops.switching_V(theta, self._task.dwell_s)
        width = float(theta[0, 2] / theta[0, 6])
        offsets = np.array([-0.6, 0.0, 0.6]) * width
        waveforms = designs.candidates_V(up + offsets, down + offsets, width, self._task.limit_V, self._task.pulses)
        return np.asarray(waveforms)

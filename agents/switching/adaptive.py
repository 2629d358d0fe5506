"""Bayesian experimental design: the next waveform is the one that leaves the least doubt about switching voltages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from agents.protocol import Decision, Observation
from agents.switching import designs
from agents.switching.believing import BelievingInLoops
from physics_priors.bounds import Bounds
from physics_priors.lgd import loops

Floats = NDArray[np.float64]


class AdaptiveWaveform(BelievingInLoops):
    """Judges a library of waveforms about the believed switching voltages by `designs.gains` on posterior draws."""

    def __init__(
        self,
        *,
        particles: Annotated[int, Bounds("particles", 50, 100_000)] = 300,
        draws: Annotated[int, Bounds("draws", 20, 10_000)] = 120,
    ) -> None:
        self._count, self._draws = particles, draws

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        self._settle(observation)
        limit_V, dwell_s, noise_pm = (float(v) for v in self._settings)
        theta = self._drawn(pending)
        applied = np.concatenate([self._bias_V, *(limit_V * np.ravel(d.action) for d in pending)])
        memory = loops.Ensembles.fresh(theta)
        memory.drive(theta, applied, dwell_s)
        waveforms = self._library(theta, limit_V, dwell_s)
        left = designs.gains(theta, memory.ahead(theta, waveforms, dwell_s), noise_pm, dwell_s)
        best = int(np.argmin(left))
        mean, sd = loops.told_V(theta, np.full(len(theta), 1 / len(theta)), dwell_s)
        figures = {"coercive_V": mean[0], "imprint_V": mean[1], "coercive_sd_V": sd[0], "imprint_sd_V": sd[1]}
        figures["expected_sd_V"] = float(np.sqrt(left[best] / 2))
        reason = f"of {len(waveforms)} waveforms this one is expected to leave {1e3 * figures['expected_sd_V']:.0f} mV"
        return Decision(waveforms[best] / limit_V, reason, figures={k: float(v) for k, v in figures.items()})

    def _drawn(self, pending: Sequence[Decision]) -> Floats:
        uniforms = (np.arange(self._draws) + self.generator(pending).uniform()) / self._draws
        return self._posterior.sample(np.tile(uniforms[:, None], (1, len(loops.PRIOR))))

    def _library(self, theta: Floats, limit_V: float, dwell_s: float) -> Floats:
        up, down = loops.switching_V(theta, dwell_s)
        width = float(np.median(theta[:, 2] / theta[:, 6])) + float(np.std(up) + np.std(down)) / 4
        levels = (0.15, 0.5, 0.85)
        return designs.candidates_V(
            np.quantile(up, levels), np.quantile(down, levels), width, limit_V, self.options.axes
        )

"""Sobol: a scrambled low-discrepancy sequence, space-filling at every length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.options import Box
from agents.protocol import Decision, Observation
from agents.remembering import Remembering


class Sobol(Remembering):
    """Takes point after point of a Sobol sequence that the seed scrambles, each snapped to the nearest open option."""

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        number = self.told + len(pending)
        reason = f"point {number + 1} of the Sobol sequence"
        if isinstance(self.options, Box):
            return self.options.decide(sobol_point(self.options.axes, self.seed, number), reason)
        point = sobol_point(self.options.axes, self.seed, number)
        free = self.open_options(self.options, pending)
        return self.options.decide(self.options.nearest(point, free), reason)


def sobol_point(dimensions: int, seed: int, number: int) -> NDArray[np.float64]:
    """Point `number` (from 0) of the scrambled Sobol sequence of this seed, [dimensions], in the unit cube."""
    from scipy.stats import qmc

    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    if number:  # scipy overflows on fast_forward(0)
        sequence.fast_forward(number)
    return np.asarray(sequence.random(1)[0], dtype=np.float64)

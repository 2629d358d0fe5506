"""What a measurement costs: learned from what those before it did cost, and from how far each had to travel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError

Unit = Literal["none", "seconds", "electrons"]
Floats = NDArray[np.float64]
_LEAST = 1e-3
"""No measurement is taken to cost less than this part of the mean."""


@dataclass(frozen=True)
class CostLaw:
    """Cost = fixed + per_nm times the distance from the last place."""

    fixed: float
    per_nm: float

    def at(self, away_nm: Floats) -> Floats:
        """Cost [n] of measurements `away_nm` [n] from the last one."""
        return np.asarray(self.fixed + self.per_nm * away_nm)


def cost_law(spent: Floats, travelled_nm: Floats) -> CostLaw:
    """By least squares, from what measurements cost [n] after they travelled [n], n >= 1; neither part is negative."""
    mean, centred = float(spent.mean()), travelled_nm - travelled_nm.mean()
    varied = float(centred @ centred)
    slope = max(float(centred @ spent) / varied, 0.0) if varied > 0 else 0.0
    fixed = mean - slope * float(travelled_nm.mean())
    if fixed < _LEAST * mean:
        fixed = _LEAST * mean
        slope = float(travelled_nm @ (spent - fixed)) / float(travelled_nm @ travelled_nm)
    return CostLaw(fixed, slope)


def foreseen(
    unit: Unit, spent: Floats, taken: NDArray[np.int64], positions_nm: Floats, pending: NDArray[np.int64]
) -> Floats:
    """Cost of every candidate [N] at positions [N, 2], once the tip or beam was at the last of those pending.

    spent [n] is what the candidates `taken` [n] cost, one after the other; where a measurement was refused it is zero,
    and nothing moved. The journey to the first is not known, so it serves only where it is the only one. Raises
    AgentError where nothing was ever spent.
    """
    spent, taken = spent[spent > 0], taken[spent > 0]
    if not len(spent):
        raise AgentError(f"no measurement so far spent any {unit}: use cost_aware=none, or another unit")
    journeys = np.linalg.norm(np.diff(positions_nm[taken], axis=0), axis=1)
    law = cost_law(spent[1:], journeys) if len(spent) > 1 else CostLaw(float(spent[0]), 0.0)
    last = pending[-1] if len(pending) else taken[-1]
    return law.at(np.linalg.norm(positions_nm - positions_nm[last], axis=1))

"""The chance that a value counts and what it costs: what a worth is weighed with, and how that is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.spending import Unit


@dataclass(frozen=True)
class Terms:
    """Chance [seen] and cost [seen] in `unit`, of each candidate seen; None where it is not asked for."""

    chance: NDArray[np.float64] | None
    cost: NDArray[np.float64] | None
    unit: Unit

    def told(self, row: int) -> tuple[dict[str, float], str]:
        """Figures of the candidate at `row`, and what its reason says of them."""
        figures: dict[str, float] = {}
        also = ""
        if self.cost is not None:
            figures[f"expected_{self.unit}"] = float(self.cost[row])
            also += f", to cost {self.cost[row]:.3g} {self.unit}"
        if self.chance is not None:
            figures["chance"] = float(self.chance[row])
            also += f", to count with a chance of {self.chance[row]:.2f}"
        return figures, also

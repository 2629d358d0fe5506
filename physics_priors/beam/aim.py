"""Where a parked beam really is, learned from how bright the column is that it is meant for.

A column's image is a hump on the tails of its neighbours. A beam that is off sees less than the survey saw, and a few
short dwells around the column say by how much it is off and in which direction: the same for drift since the last
look and for a parked beam that is not where a scanned one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physics_priors.distributions import Normal
from physics_priors.posterior import Data
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]

_SAID = "where the beam is, less where it is said to be: a tunable"
OFFSET: Final = Parameters(
    (
        Parameter("offset_x_nm", "nm", Normal(0.0, 0.035), _SAID),
        Parameter("offset_y_nm", "nm", Normal(0.0, 0.035), _SAID),
    )
)


@dataclass(frozen=True)
class Hump:
    """Model over theta [n, 2] = (offset_x_nm, offset_y_nm); design: "aim_nm" [m, 2] relative to the column, outcome:
    "level" [m], brightness over that of the column in the survey.
    """

    width_nm: float = 0.05
    """Standard deviation of a column's image."""
    floor: float = 0.3
    """What is seen between columns."""
    noise: float = 0.06
    """Scale of a level's error: counting, and the survey's own. Its tails are wide (Student's t with three degrees of
    freedom), because beyond 0.07 nm heavy neighbours make the image no hump."""

    def mean(self, theta: Floats, design: Data) -> Floats:
        """Expected levels [n, m]."""
        away = theta[:, None] + np.asarray(design["aim_nm"], dtype=np.float64)
        hump = np.exp(-0.5 * np.square(away).sum(-1) / self.width_nm**2)
        return np.asarray(self.floor + (1.0 - self.floor) * hump)

    def log_likelihood(self, theta: Floats, design: Data, outcome: Data) -> Floats:
        away = (np.asarray(outcome["level"], dtype=np.float64) - self.mean(theta, design)) / self.noise
        return np.asarray(-2.0 * np.log1p(np.square(away) / 3.0).sum(-1))

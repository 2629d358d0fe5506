"""Healing: vacancies are filled again by mobile atoms at a rate per time, beam or no beam.

With healing the same dose in ten exposures, with pauses between them, leaves fewer vacancies than in one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import not_negative
from physics_priors.distributions import LogUniform
from physics_priors.prior import Parameter

Floats = NDArray[np.float64]

HEALING: Final = Parameter("healing_per_s", "1/s", LogUniform(1e-5, 1e-2), "a vacancy's rate of being filled: tunable")


def vacant_fraction(
    loss_per_s: ArrayLike, healing_per_s: ArrayLike, seconds: ArrayLike, vacant_at_first: ArrayLike = 0.0
) -> Floats:
    """Fraction of sites that are vacant after a time of constant loss and healing (both first order)."""
    loss, heal = not_negative(loss_per_s, "loss_per_s"), not_negative(healing_per_s, "healing_per_s")
    total = loss + heal
    steady = np.divide(loss, total, out=np.zeros(np.shape(total)), where=total > 0)
    decay = np.exp(-total * not_negative(seconds, "seconds"))
    return np.asarray(steady + (np.asarray(vacant_at_first) - steady) * decay)

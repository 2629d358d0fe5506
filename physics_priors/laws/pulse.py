"""How much of a ferroelectric under a tip a single pulse switches, by its voltage and its length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physics_priors.laws.law import Floats
from physics_priors.lgd.loops import PRIOR, REFERENCE_DWELL_S
from physics_priors.prior import Parameters

_NAMES = ("coercive_V", "imprint_V", "width_V", "rate")


@dataclass(frozen=True)
class PulseSwitching:
    """The part up after one pulse on a wholly down volume, x = (voltage [V], log10 of the length [s]).

    One shell of the ensemble of `physics_priors.lgd.loops`, with its priors: activation voltages are normal, and fall
    with the logarithm of the length.
    """

    name: str = "activated switching"

    @property
    def parameters(self) -> Parameters:
        return Parameters(tuple(PRIOR[name] for name in _NAMES))

    def mean(self, theta: Floats, x: Floats) -> Floats:
        from scipy.special import ndtr

        coercive, imprint, width, rate = (theta[:, i, None] for i in range(4))
        hold = 1.0 - rate * (np.log(10.0) * x[None, :, 1] - np.log(REFERENCE_DWELL_S))
        return np.asarray(ndtr((x[None, :, 0] - imprint - coercive * hold) / width))

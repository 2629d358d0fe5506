"""Signal to noise of what fades under the beam: more dose counts more, until there is nothing left to count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from physics_priors.beam.radiolysis import left_fraction
from physics_priors.bounds import Bounds
from physics_priors.distributions import LogNormal
from physics_priors.laws.law import Floats
from physics_priors.prior import Parameter, Parameters


@dataclass(frozen=True)
class FadingSignal:
    """a sqrt(D) times the fraction of the signal left after the fluence D, log10 D [e/A^2] one axis of the setting.

    characteristic_e_A2 and height, a sqrt(D_c), are (median, factor of one standard deviation) of log-normal priors.
    The largest value lies at half of the characteristic fluence D_c.
    """

    characteristic_e_A2: tuple[float, float] = (60.0, 2.0)
    height: tuple[float, float] = (10.0, 1.5)
    axis: Annotated[int, Bounds("", 0, 100)] = 0
    name: str = "radiolysis"

    def __post_init__(self) -> None:
        for name in ("characteristic_e_A2", "height"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def parameters(self) -> Parameters:
        return Parameters(
            (
                Parameter("characteristic_e_A2", "e/A^2", LogNormal(*self.characteristic_e_A2)),
                Parameter("height", "", LogNormal(*self.height)),
            )
        )

    def mean(self, theta: Floats, x: Floats) -> Floats:
        fluence = 10.0 ** x[None, :, self.axis]
        characteristic = theta[:, :1]
        return np.asarray(theta[:, 1:] * np.sqrt(fluence / characteristic) * left_fraction(fluence, characteristic))

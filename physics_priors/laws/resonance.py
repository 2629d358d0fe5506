"""The amplitude of a driven oscillator against the frequency of its drive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from physics_priors.bounds import Bounds
from physics_priors.distributions import LogNormal, Normal
from physics_priors.laws.law import Floats
from physics_priors.oscillator.response import response
from physics_priors.prior import Parameter, Parameters


@dataclass(frozen=True)
class Resonance:
    """|H(f)| of `oscillator.response`, f [Hz] one axis of the setting.

    resonance_Hz is (mean, standard deviation) of a normal prior; quality and amplitude, the response far below the
    resonance, are (median, factor of one standard deviation) of log-normal ones.
    """

    resonance_Hz: tuple[float, float] = (3.5e5, 2.5e4)
    quality: tuple[float, float] = (80.0, 1.5)
    amplitude: tuple[float, float] = (1.0, 1.5)
    axis: Annotated[int, Bounds("", 0, 100)] = 0
    name: str = "driven oscillator"

    def __post_init__(self) -> None:
        for name in ("resonance_Hz", "quality", "amplitude"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def parameters(self) -> Parameters:
        return Parameters(
            (
                Parameter("resonance_Hz", "Hz", Normal(*self.resonance_Hz)),
                Parameter("quality", "", LogNormal(*self.quality)),
                Parameter("amplitude", "", LogNormal(*self.amplitude)),
            )
        )

    def mean(self, theta: Floats, x: Floats) -> Floats:
        resonance, quality, amplitude = (theta[:, i, None] for i in range(3))
        return np.abs(response(x[None, :, self.axis], amplitude, resonance, quality))

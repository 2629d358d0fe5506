"""Conduction over a barrier that the field lowers: the logarithm of the current is linear in the root of the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from physics_priors.bounds import Bounds
from physics_priors.distributions import Normal
from physics_priors.laws.law import Floats
from physics_priors.prior import Parameter, Parameters


@dataclass(frozen=True)
class SchottkyEmission:
    """log10 |J| = a + b sqrt(|V|), V one axis of the setting: Schottky or Poole-Frenkel emission.

    intercept and slope are (mean, standard deviation) of normal priors, in decades and decades / sqrt(V).
    """

    intercept: tuple[float, float] = (-11.0, 2.0)
    slope: tuple[float, float] = (1.0, 1.0)
    axis: Annotated[int, Bounds("", 0, 100)] = 0
    name: str = "log J linear in sqrt(V)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "intercept", tuple(self.intercept))
        object.__setattr__(self, "slope", tuple(self.slope))

    @property
    def parameters(self) -> Parameters:
        return Parameters(
            (
                Parameter("intercept", "decades", Normal(*self.intercept)),
                Parameter("slope", "decades/sqrt(V)", Normal(*self.slope)),
            )
        )

    def mean(self, theta: Floats, x: Floats) -> Floats:
        return np.asarray(theta[:, :1] + theta[:, 1:] * np.sqrt(np.abs(x[None, :, self.axis])))

"""The likelihood of a measured order-parameter profile at a surface or interface, with the exact form of `surfaces`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physics_priors.distributions import LogNormal
from physics_priors.lgd import surfaces
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]
PRIOR: Final = Parameters(
    (
        Parameter("bulk", "", LogNormal(1.0, 1.5), "of the order parameter's own unit"),
        Parameter("correlation", "", LogNormal(1.5, 2.0), "lengths in the unit of z"),
        Parameter("extrapolation", "", LogNormal(1.0, 2.5), "lengths in the unit of z"),
    )
)


@dataclass(frozen=True)
class ProfileModel:
    """Profiles eta(z) with normal noise of the standard deviation `noise`, relative to eta where `relative`."""

    noise: float
    relative: bool = False

    def mean(self, theta: Floats, design: Any) -> Floats:
        """Expected profile [n, m] at design["z"] [m]."""
        z = np.asarray(design["z"], dtype=np.float64)
        return np.stack([surfaces.exact_profile(z, *map(float, row)) for row in np.atleast_2d(theta)])

    def log_likelihood(self, theta: Floats, design: Any, outcome: Any) -> Floats:
        expected = self.mean(theta, design)
        sd = self.noise * (np.abs(expected) if self.relative else 1.0) + np.zeros_like(expected)
        away = (np.asarray(outcome["eta"]) - expected) / sd
        return np.asarray(-0.5 * np.square(away).sum(-1) - np.log(sd).sum(-1))

"""Electrons per area and second under a focused probe, with the tails that real probes have.

For the middle of a single Gaussian there is `physics_priors.optics.probe.gaussian_rate_per_barn`; the physical probe of
the same width has a lower peak and longer tails (0.86 of it at 60 kV and 30 mrad).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import BARN_NM2, not_negative, positive
from physics_priors.distributions import Uniform
from physics_priors.electron import ELECTRONS_PER_PA_S
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]

FWHM_PER_SD: Final = float(2.0 * np.sqrt(2.0 * np.log(2.0)))
TAILS: Final = Parameters(
    (
        Parameter("tail_fraction", "", Uniform(0.05, 0.3), "current outside of the core, 0.1 to 0.3 is usual: tunable"),
        Parameter("tail_fwhm_nm", "nm", Uniform(0.25, 0.6), "tunable"),
    )
)


@dataclass(frozen=True)
class Probe:
    """A Gaussian core, and tails that are a second, wider Gaussian with a fraction of the current."""

    current_pA: float
    fwhm_nm: float
    tail_fraction: float = 0.0
    tail_fwhm_nm: float = 0.4

    def __post_init__(self) -> None:
        not_negative(self.current_pA, "current_pA")
        positive((self.fwhm_nm, self.tail_fwhm_nm), "fwhm_nm")
        if not 0.0 <= self.tail_fraction < 1.0:
            raise ValueError(f"tail_fraction={self.tail_fraction!r} is outside [0, 1)")

    def flux_e_nm2_s(self, distance_nm: ArrayLike) -> Floats:
        """Electrons per nm^2 and second at a distance from the probe's centre."""
        r2 = np.square(np.asarray(distance_nm, dtype=np.float64))
        parts = [part * np.exp(-0.5 * r2 / v) / (2.0 * np.pi * v) for part, v in self.parts]
        return np.asarray(self.current_pA * ELECTRONS_PER_PA_S * sum(parts))

    def rate_per_s(self, barn: ArrayLike, distance_nm: ArrayLike = 0.0) -> Floats:
        """Events per second of an atom with a cross section [barn], `distance_nm` from the probe's centre."""
        return np.asarray(not_negative(barn, "barn") * BARN_NM2 * self.flux_e_nm2_s(distance_nm))

    def beyond(self, distance_nm: ArrayLike) -> Floats:
        """Fraction of the current that lands farther away than a distance."""
        r2 = np.square(np.asarray(distance_nm, dtype=np.float64))
        return np.asarray(sum(part * np.exp(-0.5 * r2 / v) for part, v in self.parts))

    @property
    def parts(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """(fraction of the current, variance [nm^2]) of core and tails."""
        widths = (self.fwhm_nm / FWHM_PER_SD) ** 2, (self.tail_fwhm_nm / FWHM_PER_SD) ** 2
        return (1.0 - self.tail_fraction, widths[0]), (self.tail_fraction, widths[1])

"""Dose: what it costs to see something, what it breaks, and how warm the sample gets (it does not)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import BARN_A2, not_negative, positive

Floats = NDArray[np.float64]

EULER: Final = 0.5772156649
ROSE: Final = 5.0
"""Signal over noise that makes a feature at an unknown place certain; 3 where the place is known (A. Rose, 1948).

The dose that this takes is `physics_priors.counts.rose_dose_e_A2`.
"""


@dataclass(frozen=True)
class Conductor:
    """How much energy electrons leave in a material [eV/nm], and how well it leads heat away [W/(m K)]."""

    stopping_eV_nm: float
    conductivity_W_mK: float


MATERIALS: Final = {
    "graphene": Conductor(0.54, 2000.0),
    "amorphous carbon": Conductor(0.54, 1.7),
    "MoS2": Conductor(1.3, 35.0),
    "SrTiO3": Conductor(1.2, 20.0),
    "polymer": Conductor(0.4, 0.2),
}
"""Orders of magnitude, enough to see that heating does not matter: R. F. Egerton, P. Li, M. Malac, Micron 35 (2004)."""


def expected_events(barn: ArrayLike, fluence_e_A2: ArrayLike) -> Floats:
    """Mean number of events of an atom with a cross section [barn] after a fluence."""
    return np.asarray(not_negative(barn, "barn") * BARN_A2 * not_negative(fluence_e_A2, "fluence_e_A2"))


def characteristic_fluence_e_A2(barn: ArrayLike) -> Floats:
    """Fluence after which 1/e of the atoms are left."""
    return np.asarray(1.0 / (positive(barn, "barn") * BARN_A2))


def relative_rate_error(events: ArrayLike) -> Floats:
    """Relative standard error of a rate from a number of counted events: 1 / root n."""
    return np.asarray(1.0 / np.sqrt(positive(events, "events")))


def dose_limited_resolution_A(
    contrast: ArrayLike, tolerated_e_A2: ArrayLike, collected: ArrayLike, efficiency: float = 1.0, k: float = ROSE
) -> Floats:
    """Smallest feature [angstrom] that is seen before the sample is gone after `tolerated_e_A2`."""
    counts = positive(collected, "collected") * positive(efficiency, "efficiency") * positive(tolerated_e_A2, "dose")
    return np.asarray(k / (positive(contrast, "contrast") * np.sqrt(counts)))


def localisation_counts(precision_nm: ArrayLike, spot_sd_nm: ArrayLike) -> Floats:
    """Counts in an atom's Gaussian spot that an unbiased localisation to a precision needs, without background."""
    return np.asarray((positive(spot_sd_nm, "spot_sd_nm") / positive(precision_nm, "precision_nm")) ** 2)


def heating_K(
    current_pA: ArrayLike, material: Conductor, diameter_nm: ArrayLike = 0.1, radius_nm: ArrayLike = 1000.0
) -> Floats:
    """Rise of temperature [K] under a beam of a diameter in a thin disc held at its edge: below 1 K at 100 pA."""
    ratio = 2.0 * positive(radius_nm, "radius_nm") / positive(diameter_nm, "diameter_nm")
    power_W_m = not_negative(current_pA, "current_pA") * 1e-12 * material.stopping_eV_nm * 1e9
    return np.asarray(power_W_m * (EULER + 2.0 * np.log(ratio)) / (4.0 * np.pi * material.conductivity_W_mK))

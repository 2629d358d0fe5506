"""Etching by residual gas: below the knock-on threshold this is how holes grow.

Molecules land on an edge atom at a rate of the vacuum, and the beam dissociates them at a rate of the flux; an atom is
taken when both have happened. At low flux the rate goes with the dose, at high flux the gas is the limit and it goes
with time: equal doses at different currents do not etch equally. All numbers are tunables.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import BARN_NM2, not_negative
from physics_priors.beam.vibration import ATOMIC_MASS_KG, BOLTZMANN_J_K
from physics_priors.distributions import LogUniform
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]

SITE_NM2: Final = 0.05
_SAID = "tunable: from vacuum and edge"
ETCHING: Final = Parameters(
    (
        Parameter("pressure_Pa", "Pa", LogUniform(1e-8, 1e-6), _SAID),
        Parameter("sticking", "", LogUniform(0.01, 1.0), _SAID),
        Parameter("dissociation_barn", "barn", LogUniform(10.0, 1e4), _SAID),
    )
)


def arrival_per_s(pressure_Pa: ArrayLike, mass_u: float = 32.0, temperature_K: float = 300.0) -> Floats:
    """Molecules per second that hit an edge site of 0.05 nm^2: p / root(2 pi m k T) (Hertz and Knudsen)."""
    momentum = np.sqrt(2.0 * np.pi * mass_u * ATOMIC_MASS_KG * BOLTZMANN_J_K * temperature_K)
    return np.asarray(not_negative(pressure_Pa, "pressure_Pa") / momentum * SITE_NM2 * 1e-18)


def etch_rate_per_s(arriving_per_s: ArrayLike, dissociation_barn: ArrayLike, flux_e_nm2_s: ArrayLike) -> Floats:
    """Rate [1/s] at which an edge atom is taken under a steady flux: both steps in turn, as slow as the slower one.

    Under a scanned probe the flux is the average over the frame: molecules stay until the beam comes.
    """
    gas = not_negative(arriving_per_s, "arriving_per_s")
    beam = not_negative(dissociation_barn, "dissociation_barn") * BARN_NM2 * not_negative(flux_e_nm2_s, "flux_e_nm2_s")
    total = gas + beam
    return np.divide(gas * beam, total, out=np.zeros(np.shape(total)), where=total > 0)

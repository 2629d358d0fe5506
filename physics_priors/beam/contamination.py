"""Contamination: hydrocarbons that the beam fixes where it looks, a growing background in the image.

The layer grows with the fluence until the supply of molecules balances it. All numbers are tunables.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import not_negative, positive
from physics_priors.distributions import LogUniform
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]

CONTAMINATION: Final = Parameters(
    (
        Parameter("growth_fluence_e_A2", "e/A^2", LogUniform(1e5, 1e8), "fluence of 63 % of the full layer: tunable"),
        Parameter("full_nm", "nm", LogUniform(0.1, 5.0), "thickness where growth and supply balance: tunable"),
    )
)


def thickness_nm(fluence_e_A2: ArrayLike, growth_fluence_e_A2: ArrayLike, full_nm: ArrayLike) -> Floats:
    """Thickness [nm] of the layer after a fluence."""
    grown = not_negative(fluence_e_A2, "fluence_e_A2") / positive(growth_fluence_e_A2, "growth_fluence_e_A2")
    return np.asarray(not_negative(full_nm, "full_nm") * -np.expm1(-grown))


def background_fraction(thickness: ArrayLike, scattered_per_nm: float = 2e-4) -> Floats:
    """Electrons scattered onto the annular detector, per incident electron, by a layer [nm] of carbon."""
    return np.asarray(not_negative(thickness, "thickness") * scattered_per_nm)

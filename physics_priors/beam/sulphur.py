"""Sulphur lost from MoS2 and WS2: the measured inelastic cross section and the elastic one above it.

S. Kretschmer et al., Nano Lett. 20, 2865 (2020), supporting information: sulphur of MoS2 is lost far below the
knock-on threshold. Between the five measured energies the cross section is a monotone cubic (PCHIP). The measured value
at 80 keV holds the elastic part there, so above 80 keV only the elastic cross section's growth is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import BARN_A2, not_negative
from physics_priors.beam.vibration import SULPHUR_MOS2, SULPHUR_WS2, Target
from physics_priors.bounds import Bounds
from physics_priors.distributions import LogUniform, Normal
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]
Metal = Literal["Mo", "W"]

MEASURED_KEV: Final = (20.0, 30.0, 40.0, 60.0, 80.0)
MEASURED_BARN: Final = (6.7, 11.6, 9.0, 4.2, 5.3)
MEASURED_SD_BARN: Final = (0.5, 0.5, 1.0, 0.4, 0.4)
RANGE_KEV: Final = Bounds("keV", 20.0, 300.0)
LATTICE_NM: Final = 0.315
"""Lattice constant of WS2 and, within a percent, of MoS2."""

_TABLE = "Kretschmer et al., Nano Lett. 20, 2865 (2020), SI"
SULPHUR: Final = Parameters(
    (
        Parameter("table_z", "sd", Normal(0.0, 1.0), _TABLE + ": by how many of its errors the whole table is off"),
        Parameter("support", "", LogUniform(0.1, 1.0), "factor of substrate or encapsulation: a tunable; 1 is free"),
        Parameter("top_over_bottom", "", LogUniform(0.2, 1.0), "entrance against exit surface: a tunable"),
    )
)


@dataclass(frozen=True)
class SulphurLoss:
    """Cross sections of sulphur in a free sheet; the two sides share the measured mean as `top_over_bottom` says.

    `metal` chooses the elastic part. For WS2 the table of MoS2 is used: nothing specific to WS2 was measured.
    """

    metal: Metal = "Mo"
    table_z: float = 0.0
    support: float = 1.0
    top_over_bottom: float = 0.5

    def __post_init__(self) -> None:
        if self.metal not in ("Mo", "W"):
            raise ValueError(f"metal={self.metal!r}: choose Mo or W")
        if not (self.support > 0.0 and self.top_over_bottom > 0.0):
            raise ValueError(f"support={self.support!r} and top_over_bottom={self.top_over_bottom!r} must be above 0")

    def mean_barn(self, energy_keV: ArrayLike) -> Floats:
        """Cross section [barn] per sulphur, averaged over both sides."""
        return self.support * sputtering_barn(energy_keV, self.metal, self.table_z)

    def bottom_barn(self, energy_keV: ArrayLike) -> Floats:
        """Of sulphur on the exit surface, which leaves into the vacuum."""
        return np.asarray(2.0 * self.mean_barn(energy_keV) / (1.0 + self.top_over_bottom))

    def top_barn(self, energy_keV: ArrayLike) -> Floats:
        """Of sulphur on the entrance surface."""
        return np.asarray(self.top_over_bottom * self.bottom_barn(energy_keV))


def sputtering_barn(energy_keV: ArrayLike, metal: Metal = "Mo", table_z: float = 0.0) -> Floats:
    """Mean cross section [barn] per sulphur of a free sheet; raises ValueError outside of `RANGE_KEV`."""
    from scipy.interpolate import PchipInterpolator

    energy = np.asarray(energy_keV, dtype=np.float64)
    if not np.all((energy >= RANGE_KEV.low) & (energy <= RANGE_KEV.high)):
        raise ValueError(f"beam energy {energy_keV!r} keV is outside {RANGE_KEV}, where sulphur loss is known")
    table = np.array(MEASURED_BARN) + table_z * np.array(MEASURED_SD_BARN)
    last = MEASURED_KEV[-1]
    measured = PchipInterpolator(MEASURED_KEV, np.maximum(table, 0.0))(np.minimum(energy, last))
    beyond = elastic_barn(np.maximum(energy, last), metal) - elastic_barn(last, metal)
    return np.asarray(measured + beyond)


def elastic_barn(energy_keV: ArrayLike, metal: Metal = "Mo") -> Floats:
    """Knock-on of vibrating sulphur on the exit surface [barn]; cannot explain what is measured below 80 keV."""
    return target(metal).barn(energy_keV)


def target(metal: Metal) -> Target:
    """The sulphur atom that a hit can eject."""
    return SULPHUR_MOS2 if metal == "Mo" else SULPHUR_WS2


def lost_fraction(barn: ArrayLike, fluence_e_A2: ArrayLike) -> Floats:
    """Probability that an atom is gone after a fluence, 1 - exp(-sigma D)."""
    return np.asarray(-np.expm1(-not_negative(barn, "barn") * BARN_A2 * not_negative(fluence_e_A2, "fluence_e_A2")))


def hop_rate_per_s(diffusion_nm2_s: ArrayLike, lattice_nm: float = LATTICE_NM) -> Floats:
    """Total hop rate [1/s] of a vacancy on the sulphur lattice with a diffusion coefficient: 4 D / a^2.

    Under the beam a coefficient per time means nothing without its dose rate: state both, let data decide.
    """
    return np.asarray(4.0 * not_negative(diffusion_nm2_s, "diffusion_nm2_s") / lattice_nm**2)


MAKSOV_NM2_S: Final = LogUniform(3e-4, 6e-4)
"""Diffusion of sulphur vacancies in WS2 at 60 kV: A. Maksov et al., npj Comput. Mater. 5, 12 (2019)."""
HOP_BARN: Final = Parameter(
    "hop_barn",
    "barn",
    LogUniform(0.3, 5.0),
    "a sulphur atom's hop into a vacant neighbour; about 1.5 barn makes Maksov's D at 2e5 e/A^2/s: a tunable",
)

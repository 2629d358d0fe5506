"""Knock-on of a vibrating atom: its own motion along the beam adds to what the electron can give it.

J. C. Meyer et al., PRL 108, 196102 (2012) with erratum (2013); T. Susi et al., Nat. Commun. 7, 13040 (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import above_barn, positive
from physics_priors.distributions import LogNormal, Normal
from physics_priors.electron import largest_transfer_moving_eV
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]

BOLTZMANN_J_K: Final = 1.380649e-23
ATOMIC_MASS_KG: Final = 1.66053906660e-27
_REACH, _POINTS = 8.0, 2401
_DEBYE_POINTS = 4001


@dataclass(frozen=True)
class Target:
    """An atom that may be knocked out: what it is, and what is believed of its binding and its motion."""

    name: str
    atomic_number: int
    mass_u: float
    displacement_eV: Normal
    velocity2_m2_s2: LogNormal
    """Mean square velocity along the beam at 300 K."""
    source: str

    @property
    def parameters(self) -> Parameters:
        """Displacement energy and mean square velocity as a prior."""
        return Parameters(
            (
                Parameter("displacement_eV", "eV", self.displacement_eV, self.source),
                Parameter("velocity2_m2_s2", "m^2/s^2", self.velocity2_m2_s2, self.source),
            )
        )

    def barn(self, energy_keV: ArrayLike, theta: Floats | None = None) -> Floats:
        """Cross section [barn] for parameters [..., 2], at their medians if none are given."""
        values = self.parameters.medians if theta is None else theta
        return vibrating_barn(energy_keV, self.atomic_number, self.mass_u, values[..., 0], values[..., 1])


_SUSI = "Susi et al., Nat. Commun. 7, 13040 (2016): 21.14 eV; its spread (0.3 eV) and that of the velocity are tunables"
CARBON_12: Final = Target("12C in graphene", 6, 12.0, Normal(21.14, 0.3), LogNormal(3.17e5, 1.1), _SUSI)
CARBON_13: Final = Target("13C in graphene", 6, 13.00335, Normal(21.14, 0.3), LogNormal(2.93e5, 1.1), _SUSI)
_KOMSA = "Komsa et al., PRL 109, 035503 (2012), and 6.9155 eV (optB88); the velocity, 1.15 kT/M, is a tunable"
SULPHUR_MOS2: Final = Target("bottom S of MoS2", 16, 31.972071, Normal(6.9155, 0.2), LogNormal(8.97e4, 1.2), _KOMSA)
SULPHUR_WS2: Final = Target("bottom S of WS2", 16, 31.972071, Normal(7.0, 0.3), LogNormal(8.97e4, 1.2), _KOMSA)


def vibrating_barn(
    energy_keV: ArrayLike,
    atomic_number: int,
    mass_u: ArrayLike,
    displacement_eV: ArrayLike,
    velocity2_m2_s2: ArrayLike,
) -> Floats:
    """Cross section [barn] averaged over a normal distribution of the atom's velocity along the beam.

    All arguments but the atomic number broadcast. The velocity is integrated over eight standard deviations.
    """
    energy, mass, needed = (np.asarray(a, dtype=np.float64)[..., None] for a in (energy_keV, mass_u, displacement_eV))
    rms = np.sqrt(positive(velocity2_m2_s2, "velocity2_m2_s2"))[..., None]
    z = np.linspace(-_REACH, _REACH, _POINTS)
    weight = np.exp(-0.5 * z**2)
    largest = largest_transfer_moving_eV(energy, mass, z * rms)
    hit = above_barn(energy, atomic_number, largest, needed)
    return np.asarray((hit * weight).sum(-1) / weight.sum())


def debye_velocity2_m2_s2(debye_K: ArrayLike, temperature_K: ArrayLike, mass_u: ArrayLike) -> Floats:
    """Mean square velocity [m^2/s^2] along one axis of an atom in a Debye solid, zero-point motion included."""
    debye, warm = positive(debye_K, "debye_K"), positive(temperature_K, "temperature_K")
    mass_kg = positive(mass_u, "mass_u") * ATOMIC_MASS_KG
    x = np.linspace(0.0, 1.0, _DEBYE_POINTS)[1:] * (debye / warm)[..., None]
    curve = np.concatenate([np.zeros((*x.shape[:-1], 1)), x**3 / np.expm1(x)], axis=-1)
    integral = np.trapezoid(curve, dx=1.0 / (_DEBYE_POINTS - 1), axis=-1) * debye / warm
    zero_point = 3 * BOLTZMANN_J_K * debye / (8 * mass_kg)
    return np.asarray(zero_point + 3 * BOLTZMANN_J_K * warm / mass_kg * (warm / debye) ** 3 * integral)


def classical_velocity2_m2_s2(temperature_K: ArrayLike, mass_u: ArrayLike) -> Floats:
    """Mean square velocity [m^2/s^2] without zero-point motion, kT / M: 35 % too little for graphene at 300 K."""
    mass_kg = positive(mass_u, "mass_u") * ATOMIC_MASS_KG
    return np.asarray(BOLTZMANN_J_K * positive(temperature_K, "temperature_K") / mass_kg)

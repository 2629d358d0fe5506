"""The depolarising field of a plate: imperfect electrodes, a gap under a planar electrode, ions on the surface.

P is along the plate's normal and uniform; P > 0 points at the upper surface, where the gap and the ions are. SI units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

VACUUM_F_M, CHARGE_C, BOLTZMANN_J_K = 8.8541878128e-12, 1.602176634e-19, 1.380649e-23


def screened_V_m(
    P: float, thickness_m: float, screening_m: float, eps_electrode: float, eps_background: float
) -> float:
    """Field in a short-circuited plate whose electrodes screen over `screening_m` at both faces."""
    return -2 * screening_m * P / (VACUUM_F_M * (eps_electrode * thickness_m + 2 * eps_background * screening_m))


@dataclass(frozen=True)
class Gap:
    """Potential 0 at z = 0 and V at z = L + gap (the talk's condition): lengths [m], relative permittivities."""

    thickness_m: float
    gap_m: float
    eps_background: float = 7.0
    eps_gap: float = 1.0

    def field_V_m(self, P: float, planar_V: float, surface_charge_C_m2: float = 0.0) -> float:
        """E_z in the plate: eps0 eps_b E + P = D, and D + surface charge goes on in the gap."""
        film, air = VACUUM_F_M * self.eps_background, VACUUM_F_M * self.eps_gap
        return -(planar_V + (P + surface_charge_C_m2) * self.gap_m / air) / (self.thickness_m + film * self.gap_m / air)

    def surface_V(self, P: float, planar_V: float, surface_charge_C_m2: float = 0.0) -> float:
        """Potential of the plate's upper surface."""
        return -self.thickness_m * self.field_V_m(P, planar_V, surface_charge_C_m2)

    @property
    def factor(self) -> float:
        """N of E = -N P [V m/C] at zero bias: adds N / 2 to a1."""
        return -self.field_V_m(1.0, 0.0)


@dataclass(frozen=True)
class SurfaceIons:
    """Two kinds of ions at the upper surface, vacancies and adsorbed oxygen (Stephenson and Highland, 2011).

    charge = sum_i Z_i e / A / (1 + p^(-1/n_i) exp((energy_i + Z_i e phi) / kT)), with the relative oxygen pressure p,
    the sites' area A, standard energies [eV], and n = (-2, 2): the more oxygen, the fewer vacancies and the more of it
    adsorbed.
    """

    area_m2: float = 1e-19
    energies_eV: tuple[float, float] = (0.2, 0.2)
    valences: tuple[int, int] = (2, -2)
    pressure: float = 1.0
    temperature_K: float = 298.0

    def charge_C_m2(self, surface_V: float) -> float:
        """Charge density at a surface potential; falls as the potential rises."""
        thermal_V = BOLTZMANN_J_K * self.temperature_K / CHARGE_C
        total = 0.0
        for energy, valence, order in zip(self.energies_eV, self.valences, (-2, 2), strict=True):
            exponent = (energy + valence * surface_V) / thermal_V - math.log(self.pressure) / order
            total += valence * CHARGE_C / self.area_m2 / (1 + math.exp(min(exponent, 700.0)))
        return total

    def equilibrium(self, gap: Gap, P: float, planar_V: float = 0.0) -> tuple[float, float]:
        """Surface charge [C/m^2] and the field [V/m] in the plate once the ions have come to rest."""
        from scipy.optimize import brentq

        reach = 2 * CHARGE_C * max(abs(v) for v in self.valences) / self.area_m2
        low, high = (gap.surface_V(P, planar_V, charge) for charge in (-reach, reach))
        span = sorted((low, high))

        def misfit(surface_V: float) -> float:
            return gap.surface_V(P, planar_V, self.charge_C_m2(surface_V)) - surface_V

        surface_V = float(brentq(misfit, span[0] - 1, span[1] + 1, xtol=1e-13))
        charge = self.charge_C_m2(surface_V)
        return charge, gap.field_V_m(P, planar_V, charge)


def ripple_factor(wavenumber_1_m: float, thickness_m: float, eps_background: float) -> float:
    """N(k) of E = -N P in an unscreened plate whose P varies along its face: (1 - exp(-k d)) / (k d) / (eps0 eps_b)."""
    kd = wavenumber_1_m * thickness_m
    return float(-np.expm1(-kd) / kd if kd else 1.0) / (VACUUM_F_M * eps_background)

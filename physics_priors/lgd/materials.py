"""Coefficients of lead, barium and strontium titanate, SI units; temperatures in kelvin.

Stress-free Landau coefficients: the elastic energy to go with them is 1/2 C (strain - eigenstrain)^2, and clamped
coefficients must not be used beside it (electrostriction would be counted twice). Q44 is the tensor one, strain_ij =
Q44 P_i P_j, half of the engineering one. The gradient energy is 1/2 G (dP/dx)^2.

Sources: PbTiO3 Haun, JAP 62 3331 (1987), Li, Hu and Chen (2001). BaTiO3 Li, Cross and Chen, JAP 98 064101 (2005);
Bell, JAP 89 3907 (2001) with gradients of Hlinka and Marton, PRB 74 104104 (2006). SrTiO3 Li, PRB 73 184112 (2006).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from physics_priors.lgd.landau import Landau

CELSIUS_K = 273.15


@dataclass(frozen=True)
class Elastic:
    """Cubic stiffness [Pa] and electrostriction [m^4/C^2], tensor Q44."""

    c11: float
    c12: float
    c44: float
    q11: float
    q12: float
    q44: float

    @property
    def coupling(self) -> tuple[float, float, float]:
        """q11, q12, q44 [J m/C^2] of the term -q strain P P."""
        q11 = self.c11 * self.q11 + 2 * self.c12 * self.q12
        q12 = self.c11 * self.q12 + self.c12 * (self.q11 + self.q12)
        return q11, q12, 2 * self.c44 * self.q44


@dataclass(frozen=True)
class Gradient:
    """G11, G12, G44 and G44' [J m^3/C^2] of the energy 1/2 G P_i,j P_k,l."""

    g11: float
    g12: float
    g44: float
    g44_prime: float

    @property
    def across(self) -> float:
        """What a component sees along an axis that it is not parallel to."""
        return self.g44 + self.g44_prime

    @property
    def cross(self) -> float:
        """Factor of P_1,1 P_2,2 after integration by parts."""
        return self.g12 + self.g44 - self.g44_prime


@dataclass(frozen=True)
class Material:
    """A ferroelectric: `landau(temperature_K)`, elasticity, gradients."""

    name: str
    landau: Callable[[float], Landau]
    elastic: Elastic
    gradient: Gradient


def _lead_titanate(temperature_K: float) -> Landau:
    return Landau(3.8e5 * (temperature_K - CELSIUS_K - 479), -7.3e7, 7.5e8, 2.6e8, 6.1e8, -3.7e9)


def _barium_titanate(temperature_K: float) -> Landau:
    a1 = 4.124e5 * (temperature_K - CELSIUS_K - 115)
    return Landau(a1, -2.097e8, 7.974e8, 1.294e9, -1.950e9, -2.500e9, 3.863e10, 2.529e10, 1.637e10, 1.367e10)


def _barium_titanate_bell(temperature_K: float) -> Landau:
    above = temperature_K - 393
    a11, a111 = 4.69e6 * above - 2.02e8, -5.52e7 * above + 2.76e9
    return Landau(3.34e5 * (temperature_K - 381), a11, 3.23e8, a111, 4.47e9, 4.91e9)


def _strontium_titanate(temperature_K: float) -> Landau:
    a1 = 4.05e7 * (1 / math.tanh(54 / temperature_K) - 1 / math.tanh(54 / 30))
    return Landau(a1, 1.7e9, 1.37e9)


_G110 = 1.73e-10
_LEAD_GRADIENT = Gradient(0.6 * _G110, 0.0, 0.3 * _G110, 0.3 * _G110)
_BARIUM_GRADIENT = Gradient(51e-11, -2e-11, 2e-11, 0.0)

LEAD_TITANATE = Material(
    "PbTiO3", _lead_titanate, Elastic(174.6e9, 79.4e9, 111.1e9, 0.089, -0.026, 0.03375), _LEAD_GRADIENT
)
BARIUM_TITANATE = Material(
    "BaTiO3", _barium_titanate, Elastic(178e9, 96.4e9, 122e9, 0.10, -0.034, 0.029), _BARIUM_GRADIENT
)
"""Eighth order; its own source gives no gradients, so those that belong to Bell's coefficients are used."""
BARIUM_TITANATE_BELL = Material(
    "BaTiO3 (Bell)", _barium_titanate_bell, Elastic(275e9, 179e9, 54.3e9, 0.11, -0.045, 0.029), _BARIUM_GRADIENT
)
STRONTIUM_TITANATE = Material(
    "SrTiO3", _strontium_titanate, Elastic(336e9, 107e9, 127e9, 0.0457, -0.01348, 0.00957), _LEAD_GRADIENT
)
"""Its gradients are not known well: those of PbTiO3 are used."""
MATERIALS = {m.name: m for m in (LEAD_TITANATE, BARIUM_TITANATE, BARIUM_TITANATE_BELL, STRONTIUM_TITANATE)}

"""Flexoelectric coupling in volts: its scale, the bound beyond which it makes the crystal unstable, its field.

Convention: F = 1/2 f_ijkl (P_k,l strain_ij - strain_ij,l P_k), the Lifshitz pair with the factor 1/2, so that a strain
gradient acts as the field f d(strain)/dx. In the talk's form, without the 1/2, f is half as large.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from physics_priors.lgd.materials import Elastic, Gradient

CHARGE_C, VACUUM_F_M = 1.602176634e-19, 8.8541878128e-12


class FlexoelectricInstability(UserWarning):
    """A flexoelectric coefficient beyond sqrt(g c): the uniform state is unstable against a short modulation."""


@dataclass(frozen=True)
class Flexoelectric:
    """f11, f12, f44 [V]; the defaults are the talk's 3 V with f11 = -f12, of which only the size is known."""

    f11: float = 3.0
    f12: float = -3.0
    f44: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.f11, self.f12, self.f44)):
            raise ValueError(f"a flexoelectric coefficient is not finite: {self.f11}, {self.f12}, {self.f44}")


def kogan_V(lattice_nm: float = 0.39) -> float:
    """Kogan's scale e / (4 pi eps0 a)."""
    return CHARGE_C / (4 * math.pi * VACUUM_F_M * lattice_nm * 1e-9)


def bounds(gradient: Gradient, elastic: Elastic) -> tuple[float, float]:
    """Largest |f11| and |f44| for stability, sqrt(G11 C11) and sqrt(G44 C44) (Yudin, Ahluwalia and Tagantsev)."""
    return math.sqrt(gradient.g11 * elastic.c11), math.sqrt(gradient.g44 * elastic.c44)


def check(flexoelectric: Flexoelectric, gradient: Gradient, elastic: Elastic) -> bool:
    """Whether f11 and f44 lie within `bounds`; warns with FlexoelectricInstability, which says why, where not.

    The shear bound takes what a transverse wave sees, G44 + G44'; G44 alone is the stricter value of `bounds`.
    """
    longitudinal = math.sqrt(gradient.g11 * elastic.c11)
    transverse = math.sqrt(gradient.across * elastic.c44)
    said = [
        f"{name}={value:g} V is beyond {limit:.3g} V = sqrt(g c)"
        for name, value, limit in (
            ("f11", flexoelectric.f11, longitudinal),
            ("f44", flexoelectric.f44, transverse),
        )
        if abs(value) > limit
    ]
    if said:
        why = "; ".join(said) + ": strain then lowers the energy of ever shorter waves of P without end"
        warnings.warn(why, FlexoelectricInstability, stacklevel=2)
    return not said


def field_V_m(coefficient_V: float, strain_gradient_1_m: float) -> float:
    """Field of a strain gradient, f d(strain)/dx."""
    return coefficient_V * strain_gradient_1_m

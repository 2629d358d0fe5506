"""Tilts of the oxygen octahedra beside the polarisation, coupled as P^2 Phi^2: SrTiO3 below 105 K and its interfaces.

f = t11 S(P_i^2 Phi_i^2) + t12 S(P_i^2 (Phi_j^2 + Phi_k^2)) + t44 S_(i<j)(P_i P_j Phi_i Phi_j), and a polynomial of
each. A tilt is given as the displacement of an oxygen [m]. `STRONTIUM_TITANATE_COUPLING` is quoted from memory of Li,
PRB 73 184112 (2006), where signs differ by convention: tunable numbers, not published ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.lgd.forward import Forward
from physics_priors.lgd.landau import Landau
from physics_priors.lgd.system import System, UnstableStep

Array = NDArray[Any]


@dataclass(frozen=True)
class Coupling:
    """t11, t12, t44 [J m^-1 C^-2 where P is in C/m^2 and Phi in m], or in reduced units."""

    t11: float
    t12: float = 0.0
    t44: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(t) for t in (self.t11, self.t12, self.t44)):
            raise ValueError("a coefficient of the tilt coupling is not finite")

    def energy(self, P: Array, tilt: Array) -> Array:
        """Density [B, rows, columns] of P and tilt [B, C, rows, columns]."""
        own = np.sum(P**2 * tilt**2, axis=1)
        others = np.sum(P**2, axis=1) * np.sum(tilt**2, axis=1) - own
        mixed = (np.sum(P * tilt, axis=1) ** 2 - own) / 2
        return np.asarray(self.t11 * own + self.t12 * others + self.t44 * mixed)

    def field(self, P: Array, tilt: Array) -> Array:
        """-d energy / dP; exchange the arguments for the field on the tilt."""
        squares = tilt**2
        others = np.sum(squares, axis=1, keepdims=True) - squares
        mixed = tilt * np.sum(P * tilt, axis=1, keepdims=True) - P * squares
        return np.asarray(-2 * P * (self.t11 * squares + self.t12 * others) - self.t44 * mixed)

    def stiffness(self, largest: float, components: int) -> float:
        """A bound on the curvature by one field while the other is at most `largest` in every component."""
        per_square = max(abs(self.t11), abs(self.t12)) * components + abs(self.t44) * components / 2
        return 2 * per_square * largest**2


STRONTIUM_TITANATE_COUPLING = Coupling(1.74e29, 0.755e29, -5.85e29)


def strontium_titanate_tilt(temperature_K: float) -> Landau:
    """Polynomial of the tilt [m] in SrTiO3, unstable below 105 K (Li, PRB 73 184112, quoted from memory)."""
    b1 = 1.32e29 * (1 / math.tanh(145 / temperature_K) - 1 / math.tanh(145 / 105))
    return Landau(b1, 1.69e50, 3.88e50)


@dataclass(frozen=True)
class Tilted:
    """A System for P and one for the tilt, on one grid, in consistent units; each with a mobility of its own."""

    polarisation: System
    tilt: System
    coupling: Coupling

    def __post_init__(self) -> None:
        if self.polarisation.components != self.tilt.components:
            raise ValueError("polarisation and tilt need the same number of components")

    def stable_step(self) -> float:
        """The largest stable step of both together."""
        steps = []
        for system, other in ((self.polarisation, self.tilt), (self.tilt, self.polarisation)):
            largest = other.largest or 1.5 * other.landau.spontaneous()
            extra = 2 * self.coupling.stiffness(largest, system.components)
            steps.append(2 / (system.mobility * (system.stiffness + extra)))
        return min(steps)

    def advance(self, P: Array, tilt: Array, steps: int, *, step: float | None = None) -> tuple[Array, Array]:
        """P and tilt [B, C, rows, columns] after `steps` simultaneous steps; raises UnstableStep."""
        stable = self.stable_step()
        length = 0.4 * stable if step is None else step
        if not 0 < length <= stable:
            raise UnstableStep(
                f"a step of {length:g} is not in (0, {stable:.4g}], where explicit integration is stable"
            )
        shape = (P.shape[2], P.shape[3])
        first, second = Forward(self.polarisation, shape), Forward(self.tilt, shape)
        for _ in range(steps):
            on_P, on_tilt = self.coupling.field(P, tilt), self.coupling.field(tilt, P)
            P, tilt = first.advance(P, 1, step=length, field=on_P), second.advance(tilt, 1, step=length, field=on_tilt)
        return P, tilt

    def without_coupling(self) -> Tilted:
        """The same with the coupling switched off."""
        return replace(self, coupling=Coupling(0.0))

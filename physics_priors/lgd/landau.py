"""The bulk Landau polynomial up to eighth order in up to three components, its slopes, phases and permittivity.

f = a1 S(P_i^2) + a11 S(P_i^4) + a12 S(P_i^2 P_j^2)
  + a111 S(P_i^6) + a112 S(P_i^4 (P_j^2 + P_k^2)) + a123 P1^2 P2^2 P3^2
  + a1111 S(P_i^8) + a1112 S(P_i^6 (P_j^2 + P_k^2)) + a1122 S(P_i^4 P_j^4) + a1123 S(P_i^4 P_j^2 P_k^2)

with f in J/m^3 and P in C/m^2, or everything in one consistent set of reduced units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
VACUUM_F_M = 8.8541878128e-12
PHASES = {"cubic": (0, 0, 0), "tetragonal": (0, 0, 1), "orthorhombic": (0, 1, 1), "rhombohedral": (1, 1, 1)}


@dataclass(frozen=True)
class Landau:
    """Coefficients of the polynomial above; raises ValueError where one is not finite, or where nothing bounds P."""

    a1: float
    a11: float = 0.0
    a12: float = 0.0
    a111: float = 0.0
    a112: float = 0.0
    a123: float = 0.0
    a1111: float = 0.0
    a1112: float = 0.0
    a1122: float = 0.0
    a1123: float = 0.0

    def __post_init__(self) -> None:
        wrong = [f.name for f in fields(self) if not math.isfinite(getattr(self, f.name))]
        if wrong:
            raise ValueError(f"Landau coefficient {wrong[0]}={getattr(self, wrong[0])} is not finite")
        highest = next((c for c in (self.a1111, self.a111, self.a11, self.a1) if c), 0.0)
        if highest <= 0:
            raise ValueError(
                f"the highest power of P_i has the coefficient {highest:g}: above 0, or P grows without end"
            )

    @property
    def vector(self) -> Floats:
        """The ten coefficients in the order of the fields."""
        return np.array([getattr(self, f.name) for f in fields(self)])

    def shifted(self, a1: float) -> Landau:
        """The same with `a1` added to a1: another temperature, or a uniform depolarising factor / 2."""
        return replace(self, a1=self.a1 + a1)

    def energy(self, P: ArrayLike) -> Floats:
        """f [...] at P [..., 3]."""
        x, y, z = np.moveaxis(np.asarray(P, dtype=np.float64) ** 2, -1, 0)
        second = self.a1 * (x + y + z)
        fourth = self.a11 * (x**2 + y**2 + z**2) + self.a12 * (x * y + y * z + z * x)
        sixth = self.a111 * (x**3 + y**3 + z**3) + self.a123 * x * y * z
        sixth += self.a112 * (x**2 * (y + z) + y**2 * (x + z) + z**2 * (x + y))
        eighth = self.a1111 * (x**4 + y**4 + z**4) + self.a1123 * x * y * z * (x + y + z)
        eighth += self.a1112 * (x**3 * (y + z) + y**3 * (x + z) + z**3 * (x + y))
        eighth += self.a1122 * ((x * y) ** 2 + (y * z) ** 2 + (z * x) ** 2)
        return np.asarray(second + fourth + sixth + eighth)

    def slope(self, P: ArrayLike) -> Floats:
        """df/dP [..., 3]: the field that holds P where it is."""
        P = np.asarray(P, dtype=np.float64)
        x, y, z = np.moveaxis(P**2, -1, 0)
        return 2 * P * np.stack([self._per_square(x, y, z), self._per_square(y, z, x), self._per_square(z, x, y)], -1)

    def _per_square(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Derivative of f by the square x of one component, with the squares y and z of the others."""
        low = self.a1 + 2 * self.a11 * x + self.a12 * (y + z)
        sixth = 3 * self.a111 * x**2 + self.a112 * (2 * x * (y + z) + y**2 + z**2) + self.a123 * y * z
        eighth = 4 * self.a1111 * x**3 + self.a1112 * (3 * x**2 * (y + z) + y**3 + z**3)
        eighth += 2 * self.a1122 * x * (y**2 + z**2) + self.a1123 * y * z * (2 * x + y + z)
        return np.asarray(low + sixth + eighth)

    def curvature(self, P: ArrayLike) -> Floats:
        """d2f/dP_i dP_j [..., 3, 3], by complex steps (exact to rounding)."""
        P = np.asarray(P, dtype=np.float64)
        columns = []
        for j in range(3):
            moved = P.astype(np.complex128)
            moved[..., j] += 1e-30j
            squares = np.moveaxis(moved**2, -1, 0)
            turns = [np.roll(squares, -i, axis=0) for i in range(3)]
            slope = np.stack([2 * moved[..., i] * self._per_square(*turns[i]) for i in range(3)], -1)
            columns.append(slope.imag / 1e-30)
        return np.stack(columns, axis=-1)

    def along(self, direction: ArrayLike) -> tuple[float, float, float, float]:
        """Coefficients of p^2, p^4, p^6, p^8 of f at P = p * direction, a unit vector."""
        n = np.asarray(direction, dtype=np.float64)
        n = n / np.linalg.norm(n)
        parts = [(0, 1), (1, 3), (3, 6), (6, 10)]
        return tuple(float(self._only(*part).energy(n)) for part in parts)  # type: ignore[return-value]

    def _only(self, first: int, last: int) -> Landau:
        part = object.__new__(Landau)
        for index, (f, value) in enumerate(zip(fields(self), self.vector, strict=True)):
            object.__setattr__(part, f.name, float(value) if first <= index < last else 0.0)
        return part

    def spontaneous(self, direction: ArrayLike = (0, 0, 1)) -> float:
        """Size of the stable polarisation along a direction, 0 where there is none but P = 0."""
        a, b, c, d = self.along(direction)
        roots = np.roots([4 * d, 3 * c, 2 * b, a])
        squares = np.real(roots[np.abs(np.imag(roots)) < 1e-9 * np.abs(roots)])
        stable = [s for s in squares if s > 0 and 2 * b + 6 * c * s + 12 * d * s**2 > 0]
        return math.sqrt(max(stable)) if stable else 0.0

    def phase(self) -> tuple[str, Floats]:
        """The stable one of PHASES and its polarisation [3]."""
        states = {name: _unit(n) * (self.spontaneous(n) if any(n) else 0.0) for name, n in PHASES.items()}
        name = min(states, key=lambda which: float(self.energy(states[which])))
        return name, states[name]

    def permittivity(self, P: ArrayLike) -> Floats:
        """Relative permittivity [3, 3] of the soft mode, 1 / (eps0 d2f/dP2), at P; SI units only."""
        return np.asarray(np.linalg.inv(self.curvature(P)) / VACUUM_F_M)


def transition(first: str, second: str, at: Callable[[float], Landau], low: float, high: float) -> float:
    """Where two PHASES have the same energy: `at(temperature)` gives the Landau; low and high lie on either side.

    Both phases must exist in between. Raises ValueError where the energies do not cross.
    """
    from scipy.optimize import brentq

    def difference(temperature: float) -> float:
        landau = at(temperature)
        energies = [float(landau.energy(_unit(PHASES[n]) * _size(landau, n))) for n in (first, second)]
        return energies[0] - energies[1]

    if difference(low) * difference(high) >= 0:
        raise ValueError(f"{first} and {second} do not change places between {low:g} and {high:g}")
    return float(brentq(difference, low, high, xtol=1e-8))


def first_order(a11: float, a111: float) -> tuple[float, float, float]:
    """Of a 2-4-6 along one axis: a1 at the transition, jump of P there, a1 at the limit of superheating (a11 < 0)."""
    return a11**2 / (4 * a111), math.sqrt(-a11 / (2 * a111)), a11**2 / (3 * a111)


def _size(landau: Landau, phase: str) -> float:
    return landau.spontaneous(PHASES[phase]) if any(PHASES[phase]) else 0.0


def _unit(direction: tuple[int, int, int]) -> Floats:
    return np.asarray(np.array(direction, dtype=np.float64) / max(float(np.linalg.norm(direction)), 1e-300))

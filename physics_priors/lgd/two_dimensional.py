"""The talk's free energy of a two-dimensional material (eta1, eta2 in the plane, eta3 out of it) bent to a curvature.

f = a11 t^2 + a33 e3^2 + b11 t^4 + b13 t^2 e3^2 + b33 e3^4 + b15 e1 e3 (e1^2 - 3 e2^2) + c111 e1^2 (e1^2 - 3 e2^2)^2
  + c222 e2^2 (3 e1^2 - e2^2)^2 + c113 t^4 e3^2 + c133 t^2 e3^4 + c333 e3^6,  t^2 = e1^2 + e2^2.

Turns by 120 degrees, the mirror e2 -> -e2 and inversion are its symmetries; a turn by 60 degrees is one
only at b15 = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TwoDimensional:
    """Coefficients, in one consistent set of units; gradient g and flexoelectric f [V] as in the talk."""

    a11: float = -1.0
    a33: float = 1.0
    b11: float = 1.0
    b13: float = 0.0
    b33: float = 1.0
    b15: float = 0.0
    c111: float = 0.0
    c222: float = 0.0
    c113: float = 0.0
    c133: float = 0.0
    c333: float = 0.0
    g: float = 1.0
    f: float = 0.0

    def energy(self, eta: ArrayLike) -> Floats:
        """Density [...] at eta [..., 3]."""
        e1, e2, e3 = np.moveaxis(np.asarray(eta, dtype=np.float64), -1, 0)
        t, z = e1**2 + e2**2, e3**2
        three, six = e1 * (e1**2 - 3 * e2**2), e2 * (3 * e1**2 - e2**2)
        low = self.a11 * t + self.a33 * z + self.b11 * t**2 + self.b13 * t * z + self.b33 * z**2 + self.b15 * three * e3
        high = self.c111 * three**2 + self.c222 * six**2 + self.c113 * t**2 * z + self.c133 * t * z**2
        return np.asarray(low + high + self.c333 * z**3)

    def slope(self, eta: ArrayLike) -> Floats:
        """Derivatives [..., 3] of `energy`."""
        e1, e2, e3 = np.moveaxis(np.asarray(eta, dtype=np.float64), -1, 0)
        t, z = e1**2 + e2**2, e3**2
        three, six = e1 * (e1**2 - 3 * e2**2), e2 * (3 * e1**2 - e2**2)
        by_t = self.a11 + 2 * self.b11 * t + self.b13 * z + 2 * self.c113 * t * z + self.c133 * z**2
        by_z = (
            self.a33 + self.b13 * t + 2 * self.b33 * z + self.c113 * t**2 + 2 * self.c133 * t * z + 3 * self.c333 * z**2
        )
        by_three, by_six = self.b15 * e3 + 2 * self.c111 * three, 2 * self.c222 * six
        first = 2 * e1 * by_t + by_three * 3 * (e1**2 - e2**2) + by_six * 6 * e1 * e2
        second = 2 * e2 * by_t - by_three * 6 * e1 * e2 + by_six * 3 * (e1**2 - e2**2)
        return np.stack([first, second, 2 * e3 * by_z + self.b15 * three], axis=-1)

    def curvature_field(self, curvature: ArrayLike) -> Floats:
        """Field on eta3 of bending, strain(z) = strain0 - z curvature: -f curvature (talk's pair with the 1/2)."""
        return np.asarray(-self.f * np.asarray(curvature, dtype=np.float64))

    def relax(self, start: ArrayLike, curvature: ArrayLike = 0.0, *, rate: float = 0.05, steps: int = 20_000) -> Floats:
        """Where eta [..., 3] comes to rest under a curvature [...]; raises FloatingPointError where it does not."""
        eta = np.array(start, dtype=np.float64)
        field = np.zeros_like(eta)
        field[..., 2] = self.curvature_field(curvature)
        for _ in range(steps):
            change = rate * (field - self.slope(eta))
            eta += change
            if not np.all(np.isfinite(eta)):
                break
            if np.max(np.abs(change)) < 1e-13:
                return eta
        raise FloatingPointError(f"no rest after {steps} steps of {rate}: take a smaller rate or bounded coefficients")

    def energy_of_field(self, eta: Floats, spacing: float, curvature: ArrayLike = 0.0) -> float:
        """Total energy of a periodic sheet eta [rows, columns, 3] with gradients and bending."""
        steps = [(np.roll(eta, -1, axis) - eta) / spacing for axis in (0, 1)]
        gradient = 0.5 * self.g * sum(np.sum(step**2, axis=-1) for step in steps)
        bending = -self.curvature_field(curvature) * eta[..., 2]
        return float(np.sum(self.energy(eta) + gradient + bending) * spacing**2)

"""Domain walls in closed form or by one quadrature: profiles, widths, energies, the speed of a driven wall."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.lgd.landau import Landau
from physics_priors.lgd.materials import Elastic

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wall:
    """A 180 degree wall, P = P0 sinh(x / width) / sqrt(shape + sinh^2(x / width)), with its energy per area."""

    P0: float
    width: float
    shape: float
    energy: float

    def profile(self, x: ArrayLike) -> Floats:
        """P at the distance x from the wall's middle."""
        s = np.sinh(np.asarray(x, dtype=np.float64) / self.width)
        return np.asarray(self.P0 * s / np.sqrt(self.shape + s**2))

    @property
    def full_width(self) -> float:
        """2 P0 over the slope in the middle."""
        return 2 * self.width * math.sqrt(self.shape)


def kink(a: float, b: float, g: float) -> tuple[float, float, float]:
    """P0, delta and energy of P0 tanh(x / delta) in f = a P^2/2 + b P^4/4 + g P'^2/2 with a < 0."""
    P0, delta = math.sqrt(-a / b), math.sqrt(2 * g / abs(a))
    return P0, delta, 4 / 3 * g * P0**2 / delta


def wall(landau: Landau, g: float, clamping: float = 0.0) -> Wall:
    """The wall of a 2-4-6 polynomial along one axis, with `clamping` (P0^2 - P^2)^2 added to f."""
    P0 = landau.spontaneous()
    beta, gamma = landau.a11 + clamping, landau.a111
    if landau.a1111 or not P0:
        raise ValueError("a closed form needs a 2-4-6 polynomial with a spontaneous polarisation")
    width = 2 * math.sqrt(g / (8 * P0**2 * (beta + 3 * gamma * P0**2)))
    shape = (beta + 3 * gamma * P0**2) / (beta + 2 * gamma * P0**2)

    def above(P: Floats) -> Floats:
        return excess(landau, P, P0, clamping)

    return Wall(P0, width, shape, energy(above, g, P0))


def excess(landau: Landau, P: Floats, P0: float, clamping: float = 0.0) -> Floats:
    """f(P) - f(P0) along [001], and the elastic energy of a wall whose strains across are those of the domains."""
    state = np.zeros((*np.shape(P), 3))
    state[..., 2] = P
    bulk = landau.energy(state) - landau.energy((0.0, 0.0, P0))
    return np.asarray(bulk + clamping * (P0**2 - np.asarray(P) ** 2) ** 2)


def clamping(elastic: Elastic) -> float:
    """k of k (P0^2 - P^2)^2: the strains in the plane of a 180 degree {100} wall are those of the domains."""
    c11, c12, q11, q12 = elastic.c11, elastic.c12, elastic.q11, elastic.q12
    k1, k2 = c11 - c12**2 / c11, c12 - c12**2 / c11
    return 0.5 * (k1 * (q11**2 + q12**2) + 2 * k2 * q11 * q12)


def energy(excess_of: Callable[[Floats], Floats], g: float, P0: float, nodes: int = 400) -> float:
    """Energy per area of a wall from -P0 to P0: the integral of sqrt(2 g (f - f0)) dP."""
    x, weight = np.polynomial.legendre.leggauss(nodes)
    return float(P0 * np.sum(weight * np.sqrt(2 * g * np.maximum(excess_of(P0 * x), 0.0))))


def tanh_width(profile: Callable[[Floats], Floats], P0: float, guess: float) -> float:
    """Twice the delta of P0 tanh(x / delta) fitted by least squares to a profile within 5 guesses of its middle."""
    from scipy.optimize import least_squares

    x = np.linspace(-5 * guess, 5 * guess, 2001)
    seen = profile(x)

    def misfit(p: Floats) -> Floats:
        return np.asarray(P0 * np.tanh(x / p[0]) - seen)

    found = least_squares(misfit, [guess])
    return float(2 * found.x[0])


def velocity(mobility: float, field: float, delta: float, P0: float) -> float:
    """Speed of a 2-4 wall in a small field: 3/2 L E delta / P0."""
    return 1.5 * mobility * field * delta / P0

"""Exact results of infinite lattices, J = k_B = 1: L. Onsager 1944, R. M. F. Houtappel 1950, G. H. Wannier 1950."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from physics_priors.ising.errors import LatticeError

Kind = Literal["square", "triangular", "honeycomb"]
_CRITICAL = {
    "square": 2 / math.log(1 + math.sqrt(2)),
    "triangular": 4 / math.log(3),
    "honeycomb": 2 / math.log(2 + math.sqrt(3)),
}


def critical_temperature(kind: Kind, coupling: float = 1.0) -> float:
    """T_c of the ferromagnet with nearest neighbours; raises LatticeError where it has none."""
    if kind not in _CRITICAL or coupling <= 0:
        raise LatticeError(f"no critical temperature is known for {kind} with J = {coupling:g}: J must be positive")
    return _CRITICAL[kind] * coupling


def onsager(temperature: float) -> tuple[float, float, float]:
    """(u, c, m) per site of the square lattice; raises LatticeError at zero, and at T_c where c diverges."""
    from scipy.special import ellipe, ellipk

    _positive(temperature)
    k = 1 / temperature
    kappa2 = (2 * math.sinh(2 * k) / math.cosh(2 * k) ** 2) ** 2
    if kappa2 >= 1:
        raise LatticeError("at T_c the heat capacity diverges: ask a little beside it")
    second = 2 * math.tanh(2 * k) ** 2 - 1
    first_kind, second_kind = float(ellipk(kappa2)), float(ellipe(kappa2))
    u = -(1 + 2 / math.pi * second * first_kind) / math.tanh(2 * k)
    bracket = 2 * (first_kind - second_kind) - (1 - second) * (math.pi / 2 + second * first_kind)
    c = 2 / math.pi * (k / math.tanh(2 * k)) ** 2 * bracket
    ordered = math.sinh(2 * k) ** -4
    return u, c, (1 - ordered) ** 0.125 if ordered < 1 else 0.0


def triangular_energy(temperature: float, coupling: float = 1.0) -> float:
    """u per site of the triangular lattice: minus the derivative of log Z by K."""
    _positive(temperature)
    k, step = coupling / temperature, 1e-4
    return -coupling * (triangular_log_z(k + step) - triangular_log_z(k - step)) / (2 * step)


def triangular_log_z(k: float) -> float:
    """log Z per site of the triangular lattice, by integrating Houtappel's formula once in closed form."""
    a = math.cosh(2 * k) ** 3 + math.sinh(2 * k) ** 3
    s = math.sinh(2 * k)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x = np.pi * (nodes + 1) / 2
    inner = a - s * np.cos(x)
    amplitude = 2 * s * np.cos(x / 2)
    root = np.sqrt(np.maximum(inner**2 - amplitude**2, 0.0))
    integral = float(weights @ np.log((inner + root) / 2)) * np.pi / 2
    return math.log(2) + integral / (2 * np.pi)


def triangular_magnetisation(temperature: float) -> float:
    """m of the triangular ferromagnet, 0 above T_c."""
    _positive(temperature)
    if temperature >= _CRITICAL["triangular"]:
        return 0.0
    x = math.exp(-2 / temperature)
    return float((1 - 16 * x**6 / ((1 + 3 * x**2) * (1 - x**2) ** 3)) ** 0.125)


def triangular_residual_entropy() -> float:
    """Entropy per site of the triangular antiferromagnet at zero temperature [k_B]: (2/pi) int log(2 cos w) to pi/3."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    w = np.pi / 3 * (nodes + 1) / 2
    return float(2 / np.pi * (weights @ np.log(2 * np.cos(w))) * np.pi / 6)


def antiferromagnet_boundary(coupling: float, field: float) -> float:
    """T at which the square antiferromagnet E = J sum s s - h sum s orders; 0 where the field is 4 J or more.

    cosh(h / T) = sinh^2(2 J / T), exact without a field and within a part in a thousand elsewhere
    (E. Mueller-Hartmann and J. Zittartz, Z. Phys. B 27, 261, 1977).
    """
    if coupling <= 0:
        raise LatticeError("an antiferromagnet needs a coupling above zero")
    if abs(field) >= 4 * coupling:
        return 0.0
    low, high = 1e-3 * coupling, 3.0 * coupling
    for _ in range(80):
        middle = (low + high) / 2
        ordered = _log_cosh(field / middle) < 2 * _log_sinh(2 * coupling / middle)
        low, high = (middle, high) if ordered else (low, middle)
    return low


def _log_cosh(x: float) -> float:
    return abs(x) + math.log1p(math.exp(-2 * abs(x))) - math.log(2)


def _log_sinh(x: float) -> float:
    return x + math.log1p(-math.exp(-2 * x)) - math.log(2)


def _positive(temperature: float) -> None:
    if not temperature > 0:
        raise LatticeError(f"temperature {temperature:g}: it must be above zero")

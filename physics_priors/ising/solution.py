"""Thermodynamics of a solid solution from its interactions: mixing enthalpy and entropy, chemical potential, gap.

Everything is per metal site and against unmixed pure components. The semi-grand lattice is simulated over chemical
potentials: composition and energy are measured, the free energy follows by integrating along the potential, the entropy
from both. A first-order transition shows as a jump of composition, which is the miscibility gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.kawasaki import KB_EV
from physics_priors.ising.lattice import Floats, triangular
from physics_priors.ising.model import Field, Model, Pair, Triangle
from physics_priors.ising.tempering import Ladder

_FAR_APART = 0.5


@dataclass(frozen=True)
class Solution:
    """Curves over composition [n] of D draws: enthalpy, free energy [eV] and entropy [k_B] of mixing, mu [eV]."""

    fraction: Floats
    temperature_K: float
    enthalpy_eV: Floats
    free_energy_eV: Floats
    entropy_kB: Floats
    chemical_potential_eV: Floats
    gap: Floats
    """[D, 2] the compositions that coexist, equal where everything mixes."""


def mixing(
    draws_eV: Floats, temperature_K: float, *, side: int = 16, points: int = 31, rounds: int = 120, seed: int = 0
) -> Solution:
    """Of energies draws_eV [D, 2 or 3]: nearest pairs, second pairs, triangles; positive where like atoms attract.

    Raises LatticeError at zero temperature, where the mixture is a ground state.
    """
    if not temperature_K > 0:
        raise LatticeError(f"temperature {temperature_K:g} K: mixing needs a temperature above zero")
    energies = np.atleast_2d(np.asarray(draws_eV, np.float64))
    terms = (Field(), Pair(1), Pair(2), Triangle())[: energies.shape[1] + 1]
    model = Model(triangular(side, side), terms)
    grid = np.linspace(0.0, 1.0, 41)
    found = [_one(model, e, temperature_K, grid, points, rounds, seed + n) for n, e in enumerate(energies)]
    h, g, s, mu = (np.array([f[i] for f in found]) for i in range(4))
    return Solution(grid, temperature_K, h, g, s, mu, np.array([f[4] for f in found]))


def _one(
    model: Model, energies: Floats, temperature_K: float, grid: Floats, points: int, rounds: int, seed: int
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    kT = KB_EV * temperature_K
    inner, sites = energies / kT, len(model.lattice)
    pure = model.statistics(np.stack([-np.ones(sites, np.int8), np.ones(sites, np.int8)]))[:, 1:] @ inner / sites
    reach = 3.0 + float(np.abs(inner) @ np.array([2.0, 2.0, 3.0])[: len(inner)])
    even = (pure[0] - pure[1]) / 2  # the field at which both pure components are as likely: where they may coexist
    fields = even + reach * np.sinh(np.linspace(-2.2, 2.2, points)) / np.sinh(2.2)
    chain = Ladder(model, np.column_stack([fields, np.tile(inner, (points, 1))]), replicas=6, seed=seed)
    chain.record(rounds // 2)
    phi = chain.record(rounds).mean((0, 2)) / sites
    m = np.maximum.accumulate(phi[:, 0])
    return _curves(m, -phi[:, 1:] @ inner, fields, pure, grid, kT)


def _curves(
    m: Floats, energy: Floats, fields: Floats, pure: Floats, grid: Floats, kT: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Curves on the grid of compositions from mean spin and energy [kT] along the field, and the gap.

    log Z along the field is the integral of the mean spin, begun where the few spins up are independent; its Legendre
    transform is the free energy. Across a gap it is a straight line, the common tangent.
    """
    x = (m + 1) / 2
    steps = np.diff(fields) * (m[1:] + m[:-1]) / 2
    log_z = pure[0] - fields[0] + x[0] + np.concatenate([[0.0], np.cumsum(steps)])
    drift = pure[1] + fields[-1] + (1 - x[-1]) - log_z[-1]  # what the sum over a coarse field has lost on the way
    log_z = log_z + drift * np.linspace(0.0, 1.0, len(log_z))
    base = -(pure[0] + (pure[1] - pure[0]) * x)
    ends = np.concatenate([[0.0], x, [1.0]])
    h = np.interp(grid, ends, np.concatenate([[0.0], energy - base, [0.0]])) * kT
    g = np.interp(grid, ends, np.concatenate([[0.0], fields * m - log_z - base, [0.0]])) * kT
    potential = np.interp(grid, x, 2 * fields + pure[1] - pure[0]) * kT
    return h, g, (h - g) / kT, np.where((grid > 0) & (grid < 1), potential, np.nan), _gap(x)


def _gap(x: Floats) -> Floats:
    """Compositions at the fields next to the one of coexistence where they lie far apart, else twice a half."""
    middle = len(x) // 2
    low, high = x[middle - 1], x[middle + 1]
    return np.array([low, high]) if high - low > _FAR_APART else np.array([0.5, 0.5])

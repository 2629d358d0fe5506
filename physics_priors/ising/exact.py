"""Exact answers by listing every configuration of a small lattice."""

from __future__ import annotations

import numpy as np

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.lattice import Floats
from physics_priors.ising.model import Model, Spins

_MOST_SITES = 20


def configurations(sites: int, up: int | None = None) -> Spins:
    """All 2^N configurations [n, N], or those with `up` spins up; raises LatticeError for more than 20 sites."""
    if sites > _MOST_SITES:
        raise LatticeError(f"{sites} sites have too many configurations to list: at most {_MOST_SITES}")
    numbers = np.arange(2**sites, dtype=np.int64)
    spins = (2 * ((numbers[:, None] >> np.arange(sites)) & 1) - 1).astype(np.int8)
    return spins if up is None else spins[(spins == 1).sum(1) == up]


def probabilities(model: Model, theta: Floats, spins: Spins) -> Floats:
    """Probabilities [n] of listed configurations among themselves."""
    log = model.statistics(spins) @ np.asarray(theta, np.float64)
    weight = np.exp(log - log.max())
    return np.asarray(weight / weight.sum())


def log_partition(model: Model, theta: Floats) -> float:
    """log Z."""
    log = model.statistics(configurations(len(model.lattice))) @ np.asarray(theta, np.float64)
    return float(log.max() + np.log(np.exp(log - log.max()).sum()))


def thermodynamics(model: Model, temperature: float, coupling: float = 1.0) -> dict[str, float]:
    """u, c, |m|, m^2 per site and Binder's U4 of a model with one pair term, E = -J phi."""
    sites = len(model.lattice)
    spins = configurations(sites)
    p = probabilities(model, np.array([coupling / temperature]), spins)
    energy = -coupling * model.statistics(spins)[:, 0] / sites
    m = spins.mean(1)
    u, m2 = float(p @ energy), float(p @ m**2)
    return {
        "u": u,
        "c": float(p @ (energy - u) ** 2) * sites / temperature**2,
        "abs_m": float(p @ np.abs(m)),
        "m2": m2,
        "binder": 1 - float(p @ m**4) / (3 * m2**2),
    }

"""Slow and plain samplers: what the compiled ones are held against, in tests and in figures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.lattice import Floats, Lattice
from physics_priors.ising.model import Model, Spins


def heat_bath_sweep(model: Model, theta: Floats, spins: Spins, rng: np.random.Generator) -> None:
    """Site after site, in place, straight from the definition of the statistics: spins [N]."""
    for site in range(len(spins)):
        up, down = spins.copy(), spins.copy()
        up[site], down[site] = 1, -1
        odds = float((model.statistics(up) - model.statistics(down)) @ theta)
        spins[site] = 1 if rng.uniform() < 1 / (1 + np.exp(-odds)) else -1


def metropolis_sweep(model: Model, theta: Floats, spins: Spins, rng: np.random.Generator) -> None:
    """As `heat_bath_sweep`, by accepting or refusing a flip."""
    for site in range(len(spins)):
        flipped = spins.copy()
        flipped[site] *= -1
        if np.log(rng.uniform()) < float((model.statistics(flipped) - model.statistics(spins)) @ theta):
            spins[:] = flipped


def exchange_sweep(model: Model, theta: Floats, spins: Spins, rng: np.random.Generator) -> None:
    """Metropolis exchanges of any two sites, in place."""
    for _ in range(len(spins)):
        i, j = rng.integers(len(spins), size=2)
        changed = spins.copy()
        changed[i], changed[j] = spins[j], spins[i]
        if np.log(rng.uniform()) < float((model.statistics(changed) - model.statistics(spins)) @ theta):
            spins[:] = changed


def wolff_cluster(lattice: Lattice, k: float, spins: Spins, rng: np.random.Generator) -> int:
    """Flip one Wolff cluster in place; its size."""
    near = lattice.neighbours()
    first = int(rng.integers(len(spins)))
    cluster, todo = {first}, [first]
    while todo:
        for other in near[todo.pop()].tolist():
            if spins[other] == spins[first] and other not in cluster and rng.uniform() < 1 - np.exp(-2 * k):
                cluster.add(other)
                todo.append(other)
    spins[list(cluster)] *= -1
    return len(cluster)


def checkerboard_sweep(spins: NDArray[np.int8], k: float, rng: np.random.Generator) -> None:
    """Vectorised heat bath of periodic square lattices [R, L, L], in place: NumPy's way, one colour at a time."""
    rows = np.arange(spins.shape[1])
    colour = (rows[:, None] + rows) % 2
    for which in (0, 1):
        near = np.roll(spins, 1, 1) + np.roll(spins, -1, 1) + np.roll(spins, 1, 2) + np.roll(spins, -1, 2)
        up = rng.random(spins.shape, np.float32) < (1 / (1 + np.exp(-2 * k * np.arange(-4, 5))))[near + 4]
        np.copyto(spins, np.where(up, np.int8(1), np.int8(-1)), where=colour == which)

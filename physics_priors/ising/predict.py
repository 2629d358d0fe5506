"""What a posterior says of the same material elsewhere: at another temperature and composition, with intervals.

Energies of the interactions stay, temperature scales them: theta' = theta T / T'. At fixed composition the field
drops out and exchanges keep the numbers of the two species.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.alloy import warren_cowley
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.histograms import by_likes
from physics_priors.ising.kawasaki import Kawasaki, with_composition
from physics_priors.ising.lattice import Floats, Lattice
from physics_priors.ising.model import Model, Term
from physics_priors.ising.sampling import Sampler


@dataclass(frozen=True)
class Prediction:
    """Draws [D, ...] by name; the spread over draws is what the posterior does not know."""

    draws: Mapping[str, Floats]
    simulation_std: Mapping[str, Floats]
    """[...] standard error that the simulation of one draw adds, by name."""

    def mean(self, name: str) -> Floats:
        """Mean over the draws."""
        return np.asarray(self.draws[name].mean(0))

    def interval(self, name: str, level: float = 0.95) -> Floats:
        """Equal-tailed intervals [..., 2]."""
        tails = np.quantile(self.draws[name], [(1 - level) / 2, (1 + level) / 2], axis=0)
        return np.moveaxis(tails, 0, -1)


def elsewhere(
    lattice: Lattice,
    terms: tuple[Term, ...],
    draws: Floats,
    *,
    scale: float = 1.0,
    fraction: float | None = None,
    replicas: int = 16,
    sweeps: int = 100,
    seed: int = 0,
) -> Prediction:
    """Histogram, short-range order and heat capacity at theta = scale x draws [D, K].

    `scale` is T / T'; `fraction` is the part of spins up where composition is fixed. Heat capacity is in k_B a site,
    from the fluctuations of the interactions' energy.
    """
    if not (np.isfinite(scale) and scale >= 0):
        raise LatticeError("a prediction at zero temperature is a ground state: ask for a temperature above zero")
    model = Model(lattice, terms)
    found = [
        _at(model, theta * scale, fraction, replicas, sweeps, seed * 10_007 + number)
        for number, theta in enumerate(draws)
    ]
    names = found[0][0].keys()
    values = {name: np.array([f[0][name] for f in found]) for name in names}
    errors = {name: np.sqrt(np.mean([f[1][name] ** 2 for f in found], axis=0)) for name in names}
    return Prediction(values, errors)


def _at(
    model: Model, theta: Floats, fraction: float | None, replicas: int, sweeps: int, seed: int
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    sites, rounds = len(model.lattice), 10
    chain = _chain(model, theta, fraction, replicas, seed)
    _moved(chain, sweeps)
    inner = np.array([cluster.shape[1] > 1 for cluster in model.clusters])
    samples: list[dict[str, Floats]] = []
    energy = []
    for _ in range(rounds):
        _moved(chain, max(sweeps // rounds, 1))
        spins = chain.configurations()
        energy.append(chain.statistics()[:, inner] @ theta[inner])
        samples.append(_observed(model.lattice, spins))
    values = {name: np.mean([s[name] for s in samples], axis=(0, 1)) for name in samples[0]}
    errors = {name: np.std([s[name].mean(0) for s in samples], axis=0) / np.sqrt(rounds / 2) for name in samples[0]}
    values["heat_capacity"] = np.asarray(np.var(energy) / sites)
    errors["heat_capacity"] = np.asarray(np.std(np.var(energy, axis=1)) / sites / np.sqrt(rounds / 2))
    return values, errors


def _observed(lattice: Lattice, spins: NDArray[np.int8]) -> dict[str, Floats]:
    counts = by_likes(lattice, spins).astype(np.float64).reshape(len(spins), -1)
    shells = range(1, min(len(lattice.bonds), 3) + 1)
    order = np.stack([warren_cowley(lattice, spins, shell) for shell in shells], axis=-1)
    return {"histogram": counts / counts.sum(1, keepdims=True), "order": order, "fraction": (spins == 1).mean(1)}


def _chain(model: Model, theta: Floats, fraction: float | None, replicas: int, seed: int) -> Sampler | Kawasaki:
    if fraction is None:
        return Sampler(model, theta, replicas=replicas, seed=seed)
    return Kawasaki(model, theta, with_composition(len(model.lattice), fraction, seed), replicas=replicas, seed=seed)


def _moved(chain: Sampler | Kawasaki, sweeps: int) -> None:
    (chain.run if isinstance(chain, Sampler) else chain.anywhere)(sweeps)

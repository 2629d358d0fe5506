"""Exchanges at fixed composition: anywhere for equilibrium, along bonds as kinetics with Arrhenius rates."""

from __future__ import annotations

from typing import Any

import numpy as np

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.lattice import Floats
from physics_priors.ising.model import Model, Spins, checked_spins, padded, two_classes
from physics_priors.ising.sampling import checked_theta
from physics_priors.ising.seeding import replica_keys

KB_EV = 8.617333e-5
"""Boltzmann's constant [eV/K]."""


class Kawasaki:
    """R replicas of a model whose numbers of up spins never change; resumable."""

    def __init__(self, model: Model, theta: Floats, start: Spins, *, replicas: int = 1, seed: int = 0) -> None:
        self.model, self.theta = model, checked_theta(model, theta)
        spins = checked_spins(start, len(model.lattice))
        two_classes(spins)
        self.keys = replica_keys(seed, replicas)
        self._spins = padded(np.array(np.broadcast_to(spins, (replicas, len(model.lattice)))))
        acts = self.theta[model.owner] != 0.0
        self._weight = self.theta[model.owner][acts]
        self._partners = np.ascontiguousarray(model.partners[:, acts].astype(np.int64))
        self.done = 0

    def anywhere(self, sweeps: int) -> None:
        """Metropolis exchanges of any two sites, one try a site and sweep: the fast way to equilibrium."""
        from physics_priors.ising import kernels

        tries = sweeps * len(self.model.lattice)
        kernels.kawasaki_anywhere(self._spins, self._partners, self._weight, self.keys, self.done, tries)
        self.done += tries

    def along_bonds(self, sweeps: int) -> Floats:
        """Kinetics: nearest neighbours exchange at exp(-dE / 2 kT) times the bare rate; the time passed, in 1 / rate.

        One try a bond and sweep. The time is the mean of the waiting times, so it is the same for all replicas [R].
        """
        from physics_priors.ising import kernels

        bonds = np.ascontiguousarray(self.model.lattice.shell(1)[0])
        fastest = float(np.exp(self._largest_gain() / 2))
        tries = sweeps * len(bonds)
        first = -(-3 * self.done // 2)
        kernels.kawasaki_bonds(
            self._spins, bonds, self._partners, self._weight, fastest, self.keys, first, tries
        )  # fmt: skip
        self.done = -(-2 * (first + tries) // 3)
        return np.full(len(self.keys), sweeps / fastest)

    def configurations(self) -> Spins:
        """All replicas [R, N], copied."""
        return self._spins[:, : len(self.model.lattice)].copy()

    def statistics(self) -> Floats:
        """phi [R, K] now."""
        return self.model.statistics(self.configurations())

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"spins": self._spins.copy(), "done": self.done}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state of a sampler of the same model and seed."""
        self._spins, self.done = state["spins"].copy(), int(state["done"])

    def _largest_gain(self) -> float:
        """No exchange gains more log probability than this."""
        sums = np.array([(self.model.owner == k).sum() for k in range(len(self.theta))])
        fields = np.array([cluster.shape[1] == 1 for cluster in self.model.clusters])
        return float(4 * (np.abs(self.theta) * sums)[~fields].sum())


def arrhenius_rate_Hz(barrier_eV: float, temperature_K: float, attempt_Hz: float = 1e13) -> float:
    """Bare exchange rate; raises LatticeError at zero temperature, where nothing moves and no rate is defined."""
    if not temperature_K > 0:
        raise LatticeError(f"temperature {temperature_K:g} K: a rate needs a temperature above zero")
    return float(attempt_Hz * np.exp(-barrier_eV / (KB_EV * temperature_K)))


def freezing_temperature_K(barrier_eV: float, cooling_K_s: float, attempt_Hz: float = 1e13) -> float:
    """Where order freezes in while cooling: one exchange takes as long as the rate needs to fall by a factor e.

    Solves rate(T) k T^2 / (barrier x cooling) = 1; below it an image shows interactions over k times this temperature.
    """
    if not (barrier_eV > 0 and cooling_K_s > 0):
        raise LatticeError("freezing needs a barrier and a cooling rate above zero")
    low, high = 1.0, 1e5
    for _ in range(80):
        middle = (low * high) ** 0.5
        slow = arrhenius_rate_Hz(barrier_eV, middle, attempt_Hz) * KB_EV * middle**2 < barrier_eV * cooling_K_s
        low, high = (middle, high) if slow else (low, middle)
    return float(high)


def with_composition(sites: int, fraction: float, seed: int) -> Spins:
    """Random spins [N] of which the nearest whole number to `fraction` is up."""
    up = round(fraction * sites)
    spins = np.full(sites, -1, np.int8)
    spins[np.random.default_rng([seed, 2]).permutation(sites)[:up]] = 1
    return spins

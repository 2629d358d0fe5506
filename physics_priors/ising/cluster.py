"""Cluster algorithms for nearest neighbours without a field: ferromagnets, and antiferromagnets on two sublattices.

U. Wolff, Phys. Rev. Lett. 62, 361 (1989); R. H. Swendsen and J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.lattice import Floats, Ints, Lattice
from physics_priors.ising.model import Spins, padded
from physics_priors.ising.sampling import Start, started
from physics_priors.ising.seeding import replica_keys


class ClusterSampler:
    """R replicas at nearest-neighbour coupling k = J / kT, moved by whole clusters; resumable.

    Raises LatticeError for a frustrated model: there clusters span the lattice and nothing is gained.
    """

    def __init__(
        self, lattice: Lattice, k: float, *, replicas: int = 1, seed: int = 0, start: Start = "random"
    ) -> None:
        if not np.isfinite(k):
            raise LatticeError("an infinite coupling, as of zero temperature, leaves nothing to sample")
        if k < 0 and not lattice.bipartite:
            raise LatticeError(
                f"an antiferromagnet on this {lattice.kind} lattice is frustrated: no cluster moves; use Sampler"
            )
        self.lattice, self.k = lattice, float(k)
        self._add = 1.0 - np.exp(-2.0 * abs(k))
        self._stagger = _stagger(lattice) if k < 0 else np.ones(len(lattice), np.int8)
        self.keys = replica_keys(seed, replicas)
        self._spins = padded(started(start, replicas, len(lattice), seed) * self._stagger)
        self._counts = np.zeros(replicas, np.int64)
        self._near = _table(lattice)

    def wolff(self, clusters: int) -> Ints:
        """Flip so many clusters in every replica, each grown from a random site; their sizes [R, clusters]."""
        from physics_priors.ising import kernels

        sizes = np.empty((len(self.keys), clusters), np.int64)
        kernels.wolff(self._spins, self._near, self._add, self.keys, self._counts, clusters, sizes)
        return sizes

    def swendsen_wang(self, sweeps: int) -> None:
        """Give every cluster of the lattice a new random spin, so many times."""
        from physics_priors.ising import kernels

        bonds = np.ascontiguousarray(self.lattice.shell(1)[0])
        draws = len(bonds) + len(self.lattice)
        first = -(-int(self._counts.max()) // draws)
        kernels.swendsen_wang(self._spins, bonds, self._add, 1, self.keys, first, sweeps)
        self._counts[:] = (first + sweeps) * draws

    def configurations(self) -> Spins:
        """All replicas [R, N]."""
        return self._spins[:, : len(self.lattice)] * self._stagger

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"spins": self._spins.copy(), "counts": self._counts.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state of a sampler of the same lattice and seed."""
        self._spins, self._counts = state["spins"].copy(), state["counts"].copy()


def improved_m2(sizes: Ints, sites: int) -> Floats:
    """<m^2> per replica from Wolff sizes [R, n]: the mean size of a cluster is N <m^2>."""
    return np.asarray(sizes.mean(1) / sites)


def _stagger(lattice: Lattice) -> NDArray[np.int8]:
    """1 on one of the two sublattices and -1 on the other: it makes an antiferromagnet a ferromagnet."""
    sign = np.zeros(len(lattice), np.int8)
    near = lattice.neighbours()
    for first in range(len(lattice)):
        if sign[first]:
            continue
        sign[first], todo = 1, [first]
        while todo:
            site = todo.pop()
            fresh = [int(other) for other in near[site] if sign[other] == 0]
            sign[fresh] = -sign[site]
            todo += fresh
    return sign


def _table(lattice: Lattice) -> NDArray[np.int32]:
    """Neighbours [N, z], padded with the auxiliary spin 0, which never joins a cluster."""
    near = lattice.neighbours()
    table = np.full((len(near), max(len(n) for n in near)), len(near) + 1, np.int32)
    for site, partners in enumerate(near):
        table[site, : len(partners)] = partners
    return table

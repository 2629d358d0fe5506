"""Many replicas of the square lattice at once: 64 in the bits of a word, with random numbers of their own.

Metropolis by sublattice. Every replica compares its own binary digits, SplitMix64 words read bit by bit, with the
acceptance probability (to 2^-53), so that replicas are independent: the variance of their mean is that of one over
their number.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.model import at_temperature
from physics_priors.ising.seeding import replica_keys

BITS = 64


@dataclass
class MultiSpin:
    """W words of 64 replicas on a periodic square lattice of even sides; `run` goes on where it stopped."""

    rows: int
    columns: int
    words: int = 1
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.rows % 2 or self.columns % 2 or min(self.rows, self.columns) < 4:
            raise LatticeError(f"{self.rows} x {self.columns}: two sublattices need even sides of 4 at least")
        self._keys = replica_keys(self.seed, self.words)
        start = np.random.default_rng([self.seed, 64])
        shape = (self.words, self.rows, self.columns)
        self._spins = start.integers(0, 2**64, shape, dtype=np.uint64, endpoint=False)
        self._counts = np.zeros(self.words, np.int64)

    @property
    def replicas(self) -> int:
        """How many lattices."""
        return BITS * self.words

    def run(self, coupling: float, temperature: float, sweeps: int) -> None:
        """Sweeps at J = `coupling` and T = `temperature`; raises LatticeError at zero temperature."""
        from physics_priors.ising.multispin_kernel import sweeps_square

        k = at_temperature(coupling, temperature)
        flip = np.uint64(0 if k >= 0 else 2**64 - 1)
        once = np.uint64(min(round(np.exp(-4 * abs(k)) * 2.0**53), 2**53 - 1))

        def part(w: int) -> None:
            one = slice(w, w + 1)
            sweeps_square(self._spins[one], flip, once, self._keys[one], self._counts[one], sweeps)

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(part, range(self.words)))

    def spins(self) -> NDArray[np.int8]:
        """All replicas, [R, rows * columns]."""
        bits = np.unpackbits(self._spins.view(np.uint8).reshape(self.words, -1, 8), axis=-1, bitorder="little")
        return np.moveaxis(2 * bits.astype(np.int8) - 1, -1, 1).reshape(self.replicas, -1)

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"spins": self._spins.copy(), "counts": self._counts.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state of a sampler with the same sizes and seed."""
        self._spins, self._counts = state["spins"].copy(), state["counts"].copy()

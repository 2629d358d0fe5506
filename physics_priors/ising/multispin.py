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

BITS, WIDTH = 64, 8
"""Replicas of a word, and words that are swept side by side."""


@dataclass
class MultiSpin:
    """Blocks of 512 replicas on a periodic square lattice of even sides; `run` goes on where it stopped."""

    rows: int
    columns: int
    blocks: int = 1
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if self.rows % 2 or self.columns % 2 or min(self.rows, self.columns) < 4:
            raise LatticeError(f"{self.rows} x {self.columns}: two sublattices need even sides of 4 at least")
        self._keys = replica_keys(self.seed, self.blocks * WIDTH).reshape(self.blocks, WIDTH)
        start = np.random.default_rng([self.seed, 64])
        shape = (self.blocks, self.rows, self.columns, WIDTH)
        self._spins = start.integers(0, 2**64, shape, dtype=np.uint64, endpoint=False)
        self._counts = np.zeros(self.blocks, np.int64)

    @property
    def replicas(self) -> int:
        """How many lattices."""
        return BITS * WIDTH * self.blocks

    def run(self, coupling: float, temperature: float, sweeps: int) -> None:
        """Sweeps at J = `coupling` and T = `temperature`; raises LatticeError at zero temperature."""
        from physics_priors.ising.multispin_kernel import sweeps_square

        k = at_temperature(coupling, temperature)
        flip = np.uint64(0 if k >= 0 else 2**64 - 1)
        once = min(round(np.exp(-4 * abs(k)) * 2.0**53), 2**53 - 1)
        digits = np.array([2**64 - 1 if once >> bit & 1 else 0 for bit in reversed(range(53))], np.uint64)

        def part(b: int) -> None:
            self._counts[b] = sweeps_square(
                self._spins[b], flip, digits, self._keys[b], self._counts[b], sweeps
            )  # fmt: skip

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(part, range(self.blocks)))

    def spins(self) -> NDArray[np.int8]:
        """All replicas, [R, rows * columns]."""
        words = np.moveaxis(self._spins, 3, 1).reshape(self.blocks * WIDTH, -1, 1)
        bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")
        return np.ascontiguousarray(np.moveaxis(2 * bits.astype(np.int8) - 1, -1, 1)).reshape(self.replicas, -1)

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"spins": self._spins.copy(), "counts": self._counts.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state of a sampler with the same sizes and seed."""
        self._spins, self._counts = state["spins"].copy(), state["counts"].copy()

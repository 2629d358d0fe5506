"""A memory as numbers: one layer of long short-term memory (S. Hochreiter, J. Schmidhuber, 1997), in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Memory:
    """What B rows remember: what is put out, and the cells behind it, each [B, n]."""

    hidden: Floats
    cells: Floats


@dataclass(frozen=True)
class Lstm:
    """Weights of n cells that see d numbers: `into` [4n, d], `back` [4n, n] and `bias` [4n].

    Gates in torch's order: input, forget, candidate, output.
    """

    into: Floats
    back: Floats
    bias: Floats

    def fresh(self, rows: int) -> Memory:
        """Of `rows` rows that have seen nothing."""
        nothing = np.zeros((rows, self.back.shape[1]))
        return Memory(nothing, nothing)

    def step(self, values: Floats, memory: Memory) -> Memory:
        """The memory after values [B, d]."""
        gates = values @ self.into.T + memory.hidden @ self.back.T + self.bias
        let_in, kept, candidate, let_out = np.split(gates, 4, axis=1)
        cells = _sigmoid(kept) * memory.cells + _sigmoid(let_in) * np.tanh(candidate)
        return Memory(_sigmoid(let_out) * np.tanh(cells), cells)


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))

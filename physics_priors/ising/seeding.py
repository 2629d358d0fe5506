"""Keys of replicas, made of a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def replica_keys(seed: int, replicas: int) -> NDArray[np.uint64]:
    """A 64-bit key for each replica [R]; replica r of a seed has the same key however many there are."""
    return np.array([_mixed(_mixed(seed) + r) for r in range(replicas)], np.uint64)


def _mixed(value: int) -> int:
    """SplitMix64's finaliser of the next state."""
    z = (value + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return z ^ (z >> 31)

# mypy: disable-error-code="untyped-decorator, no-any-return"
"""`instruments.keys` compiled, bit for bit the same numbers: for many keys, and inside of kernels. Loads Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF, _TWELVE = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(12)
_NONE, _ONE = np.uint64(0), np.uint64(1)


@njit(cache=True, forceinline=True)
def _philox(c0: np.uint64, c1: np.uint64, c3: np.uint64, key: np.uint64) -> Any:
    """The first two words of ten rounds of Philox4x32 on the counter (c0, c1, 0, c3), as 64 bits."""
    c2, k0, k1 = _NONE, key & _LOW, key >> _HALF
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0 | (c1 << _HALF)


@njit(cache=True, forceinline=True)
def child(parent: np.uint64, word: np.uint64) -> np.uint64:
    """`keys.fold` of one key."""
    return _philox(word & _LOW, word >> _HALF, _ONE, parent)


@njit(cache=True, forceinline=True)
def first_uniform(key: np.uint64) -> float:
    """The first number of `keys.uniform` of one key."""
    return (np.float64(_philox(_NONE, _NONE, _NONE, key) >> _TWELVE) + 0.5) * 2.0**-52


@njit(cache=True)
def fold(parents: NDArray[np.uint64], words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`keys.fold` of many: parents and words [B]."""
    out = np.empty_like(parents)
    for row in range(len(parents)):
        out[row] = child(parents[row], words[row])
    return out

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
    """The words of ten rounds of Philox4x32 on the counter (c0, c1, 0, c3), as twice 64 bits."""
    c2, k0, k1 = _NONE, key & _LOW, key >> _HALF
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0 | (c1 << _HALF), c2 | (c3 << _HALF)


@njit(cache=True, forceinline=True)
def _unit(bits: np.uint64) -> float:
    """64 bits as a number in the open interval (0, 1)."""
    return (np.float64(bits >> _TWELVE) + 0.5) * 2.0**-52


@njit(cache=True, forceinline=True)
def child(parent: np.uint64, word: np.uint64) -> np.uint64:
    """`keys.fold` of one key."""
    return _philox(word & _LOW, word >> _HALF, _ONE, parent)[0]


@njit(cache=True, forceinline=True)
def first_uniform(key: np.uint64) -> float:
    """The first number of `keys.uniform` of one key."""
    return _unit(_philox(_NONE, _NONE, _NONE, key)[0])


@njit(cache=True)
def fold(parents: NDArray[np.uint64], words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`keys.fold` of many: parents and words [B]."""
    out = np.empty_like(parents)
    for row in range(len(parents)):
        out[row] = child(parents[row], words[row])
    return out


@njit(cache=True)
def uniform(parents: NDArray[np.uint64], draws: int) -> NDArray[np.float64]:
    """`keys.uniform` of many: [B, draws]."""
    out = np.empty((len(parents), draws))
    for row in range(len(parents)):
        for block in range((draws + 1) // 2):
            one, two = _philox(np.uint64(block), _NONE, _NONE, parents[row])
            out[row, 2 * block] = _unit(one)
            if 2 * block + 1 < draws:
                out[row, 2 * block + 1] = _unit(two)
    return out

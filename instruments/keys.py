"""Counter-based random numbers: value = hash(seed, request index, draw), never a generator with state.

Philox4x32-10 (Salmon et al., SC 2011, doi 10.1145/2063384.2063405), vectorised over keys, so that a batch of one
and a batch of thousands agree bit for bit and resuming needs no generator state.
"""

from __future__ import annotations

import sys
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Keys = NDArray[np.uint64]
"""One 64-bit key per row."""

_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_M0: Final = np.uint64(_MULTIPLIERS[0])
_M1: Final = np.uint64(_MULTIPLIERS[1])
_W0: Final = 0x9E3779B9
_W1: Final = 0xBB67AE85
_MASK: Final = 0xFFFFFFFF
_LOW: Final = np.uint64(_MASK)
_HALF: Final = np.uint64(32)
_FEW: Final = 16
"""Up to so many numbers of one key, Python's integers are faster than arrays."""
_MANY: Final = 2
"""From so many keys, compiled code is a hundred times faster than arrays, where Numba is loaded in any case; same
bits."""


def philox(counter: NDArray[np.uint64], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Ten rounds of Philox4x32: counter [..., 4] and key [..., 2] of 32-bit words to [..., 4] words."""
    c0, c1, c2, c3 = (counter[..., i] for i in range(4))
    k0, k1 = key[..., 0], key[..., 1]
    for round_ in range(10):
        r0 = (k0 + np.uint64(round_ * _W0 & 0xFFFFFFFF)) & _LOW
        r1 = (k1 + np.uint64(round_ * _W1 & 0xFFFFFFFF)) & _LOW
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ r0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ r1, p0 & _LOW
    return np.stack([c0, c1, c2, c3], axis=-1)


def keys(seeds: ArrayLike) -> Keys:
    """Root keys [B] of non-negative seeds [B] (or of one seed)."""
    return fold(np.atleast_1d(np.asarray(seeds)).astype(np.uint64), 0x5EED)


def fold(parents: Keys, word: ArrayLike | int) -> Keys:
    """Child keys: `word` (one, or one a row) chooses the child; different words give unrelated keys."""
    if len(parents) == 1 and isinstance(word, int):
        low, high, _, _ = _philox_one((word & _MASK, word >> 32 & _MASK, 0, 1), int(parents[0]))
        return np.array([low | high << 32], np.uint64)
    words = np.asarray(word).astype(np.uint64)
    if words.shape != parents.shape:
        words = np.broadcast_to(words, parents.shape)
    if len(parents) >= _MANY and "numba" in sys.modules:
        from instruments import compiled_keys

        return np.asarray(compiled_keys.fold(np.ascontiguousarray(parents), np.ascontiguousarray(words)))
    zero = np.zeros_like(parents)
    out = philox(np.stack([words & _LOW, words >> _HALF, zero, zero + np.uint64(1)], -1), _words(parents))
    return out[..., 0] | (out[..., 1] << _HALF)


def _philox_one(counter: tuple[int, int, int, int], key: int) -> tuple[int, int, int, int]:
    """`philox` of one counter in Python's integers, bit for bit: ten times faster than arrays of one."""
    c0, c1, c2, c3 = counter
    k0, k1 = key & _MASK, key >> 32
    for _ in range(10):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & _MASK, (p0 >> 32) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


def uniform(parents: Keys, draws: int) -> NDArray[np.float64]:
    """[B, draws] numbers in the open interval (0, 1) with 53 bits; draw j of a key does not depend on `draws`."""
    if len(parents) == 1 and draws <= _FEW:
        return np.array([_few_uniform(int(parents[0]), draws)])
    if len(parents) >= _MANY and "numba" in sys.modules:
        from instruments import compiled_keys

        return np.asarray(compiled_keys.uniform(np.ascontiguousarray(parents), draws))
    blocks = np.arange((draws + 1) // 2, dtype=np.uint64)
    zero = np.zeros_like(blocks)
    counter = np.stack([blocks & _LOW, blocks >> _HALF, zero, zero], -1)
    out = philox(counter[None, :, :], _words(parents)[:, None, :])
    bits = out[..., 0::2] | (out[..., 1::2] << _HALF)
    mantissa = (bits.reshape(len(parents), -1)[:, :draws] >> np.uint64(12)).astype(np.float64)
    return (mantissa + 0.5) * 2.0**-52


def _few_uniform(parent: int, draws: int) -> list[float]:
    words = [word for block in range((draws + 1) // 2) for word in _philox_one((block, 0, 0, 0), parent)]
    bits = (low | high << 32 for low, high in zip(words[0::2], words[1::2], strict=True))
    return [((value >> 12) + 0.5) * 2.0**-52 for value in bits][:draws]


def normal(parents: Keys, draws: int) -> NDArray[np.float64]:
    """[B, draws] standard normal numbers by inversion, so that each uses exactly one uniform."""
    from scipy.special import ndtri

    return np.asarray(ndtri(uniform(parents, draws)), dtype=np.float64)


def _words(parents: Keys) -> NDArray[np.uint64]:
    return np.stack([parents & _LOW, parents >> _HALF], axis=-1)

# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Counter-based random numbers for compiled kernels: value = hash(key, index), with no state to keep.

The hash is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over key + (index + 1) times the golden
ratio; keys come from `instruments.keys`, which mixes them with Philox. Import this inside the function that needs it:
it loads Numba.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S12, _ONE = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12), np.uint64(1)
FAST = {"reassoc", "contract", "arcp", "nsz"}
"""What a compiler may do to sums, so that they run in parallel: nothing that changes infinities or NaN."""
_SCALE = 2.0**-52
_SMALL = 10.0
"""Below this mean, counts are drawn by inversion, above by transformed rejection."""
_RECIPROCALS: NDArray[np.float64] = np.concatenate([[0.0], 1.0 / np.arange(1.0, 128.0)])


@njit(cache=True, inline="always")
def mixed(key: np.uint64, index: np.uint64) -> np.uint64:
    """64 bits of a key and an index; also a key for a stream of its own."""
    z = uint64(key) + (uint64(index) + _ONE) * _GOLDEN
    z = (z ^ (z >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return z ^ (z >> _S31)


@njit(cache=True, inline="always")
def uniform(key: np.uint64, index: np.uint64) -> float:
    """A number in the open interval (0, 1) with 52 bits."""
    return (float(mixed(key, index) >> _S12) + 0.5) * _SCALE


@njit(cache=True, fastmath=FAST)
def poisson(mean: float, key: np.uint64, index: np.uint64) -> int:
    """A Poisson count; 0 where the mean is not positive."""
    if not mean > 0.0:
        return 0
    if mean < _SMALL:
        return _by_inversion(mean, uniform(key, index))
    return _by_rejection(mean, mixed(key, index))


@njit(cache=True, inline="always", fastmath=FAST)
def _by_inversion(mean: float, draw: float) -> int:
    """The smallest count whose distribution function reaches the draw.

    Most of them in a loop of foreseeable length without branches, which is faster than to stop at the right one.
    """
    chance = math.exp(-mean)
    reached = chance
    count = 0
    sure = int(1.5 * mean + 5.0)
    for number in range(1, sure):
        count += draw > reached
        chance *= mean * _RECIPROCALS[number]
        reached += chance
    if count == sure - 1:
        while draw > reached and count < 127:
            count += 1
            chance *= mean * _RECIPROCALS[count]
            reached += chance
    return count


@njit(cache=True)
def _by_rejection(mean: float, stream: np.uint64) -> int:
    """Hormann's PTRS (Insurance: Mathematics and Economics 12, 39, 1993)."""
    slope = 0.931 + 2.53 * math.sqrt(mean)
    shift = -0.059 + 0.02483 * slope
    inverse = 1.1239 + 1.1328 / (slope - 3.4)
    quick = 0.9277 - 3.6224 / (slope - 2.0)
    draw = np.uint64(0)
    while True:
        u = uniform(stream, draw) - 0.5
        v = uniform(stream, draw + _ONE)
        draw += _ONE + _ONE
        margin = 0.5 - abs(u)
        count = math.floor((2.0 * shift / margin + slope) * u + mean + 0.43)
        if margin >= 0.07 and v <= quick:
            return int(count)
        if count < 0 or (margin < 0.013 and v > margin):
            continue
        if math.log(v * inverse / (shift / (margin * margin) + slope)) <= _log_chance(float(count), mean):
            return int(count)


@njit(cache=True, inline="always")
def _log_chance(count: float, mean: float) -> float:
    """Logarithm of a Poisson count's chance; of ten and more by Stirling's series, wrong by 1e-10 at most."""
    if count < _SMALL:
        return count * math.log(mean) - mean - math.lgamma(count + 1.0)
    inverse = 1.0 / count
    series = inverse * (1.0 / 12.0 - inverse * inverse * (1.0 / 360.0 - inverse * inverse / 1260.0))
    return count * math.log(mean * inverse) + (count - mean) - 0.5 * math.log(2.0 * math.pi * count) - series


@njit(cache=True, forceinline=True, error_model="numpy")
def poisson_each(
    count: int, means: NDArray[np.float64], key: np.uint64, indices: NDArray[np.int64], stride: int,
    first: NDArray[np.float64], second: NDArray[np.float64],
) -> None:  # fmt: skip
    """`poisson` of the first `count` means at stride times their indices, in place: the same counts, sooner.

    First all as if their first draw were accepted, without branches, then those for which it was not. `first` and
    `second` are room for as many numbers.
    """
    for m in range(count):
        stream = mixed(key, np.uint64(stride * indices[m]))
        first[m], second[m] = uniform(stream, np.uint64(0)) - 0.5, uniform(stream, np.uint64(1))
    for m in range(count):
        slope = 0.931 + 2.53 * math.sqrt(means[m])
        shift = -0.059 + 0.02483 * slope
        margin = 0.5 - abs(first[m])
        drawn = math.floor((2.0 * shift / margin + slope) * first[m] + means[m] + 0.43)
        quick = 0.9277 - 3.6224 / (slope - 2.0)
        first[m] = drawn if (margin >= 0.07) & (second[m] <= quick) & (means[m] >= _SMALL) else -1.0
    for m in range(count):
        means[m] = first[m] if first[m] >= 0.0 else float(poisson(means[m], key, np.uint64(stride * indices[m])))


@njit(cache=True)
def poisson_counts(means: NDArray[np.float64], keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Counts [B, C] of means [B, C], one key a row."""
    out = np.empty(means.shape)
    for row in range(means.shape[0]):
        for column in range(means.shape[1]):
            out[row, column] = poisson(means[row, column], keys[row], np.uint64(column))
    return out

# mypy: disable-error-code="no-untyped-def"
"""Compiled Metropolis sweeps of 64 replicas in the bits of a word, eight words side by side; loaded when sampled."""

from __future__ import annotations

import numpy as np
from numba import njit

from physics_priors.ising.kernels import word

WIDTH = 8
_NONE = np.uint64(0)
_BITS = 53


@njit(cache=True, inline="always", nogil=True)
def _coins(keys, count, digits, open_, below):
    """Coins for the bits in `open_` [WIDTH], 1 with the probability of `digits`; the count after the draws.

    Every bit compares the binary digits of its own random number with those of the probability, `digits` [53] of all
    ones or none, highest first, until it is decided: ten to twelve draws for 8 x 64 coins.
    """
    for w in range(WIDTH):
        below[w] = _NONE
    for bit in range(_BITS):
        left, one = _NONE, digits[bit]
        for w in range(WIDTH):
            drawn = word(keys[w], count)
            below[w] |= open_[w] & ~drawn & one
            open_[w] &= ~(drawn ^ one)
            left |= open_[w]
        count += 1
        if left == _NONE:
            break
    return count


@njit(cache=True, nogil=True)
def sweeps_square(spins, flip, digits, keys, count, sweeps):
    """Checkerboard Metropolis of words [rows, columns, WIDTH] on the periodic square lattice; the count at the end.

    A flip that changes nothing in energy is taken with probability one half, see `kernels.sweep`. `flip` is all ones
    for antiferromagnets (agreement and disagreement trade places), `digits` [53] the probability of an energy rise of
    one step (4 |J|); two steps need two such coins.
    """
    rows, columns = spins.shape[0], spins.shape[1]
    two, three, four = np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64)
    first, second, open_ = np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64)
    for _ in range(sweeps):
        for colour in range(2):
            for i in range(rows):
                up, down = spins[i - 1 if i else rows - 1], spins[i + 1 if i + 1 < rows else 0]
                for j in range((i + colour) % 2, columns, 2):
                    here, above, under = spins[i, j], up[j], down[j]
                    left = spins[i, j - 1 if j else columns - 1]
                    right = spins[i, j + 1 if j + 1 < columns else 0]
                    for w in range(WIDTH):
                        own = here[w] ^ flip
                        a, b, c, d = ~(above[w] ^ own), ~(under[w] ^ own), ~(left[w] ^ own), ~(right[w] ^ own)
                        ab, cd, either, other = a & b, c & d, a | b, c | d
                        four[w] = ab & cd
                        three[w] = (ab & other) | (cd & either)
                        two[w] = ab | cd | (either & other)
                        open_[w] = three[w]
                    count = _coins(keys, count, digits, open_, first)
                    for w in range(WIDTH):
                        open_[w] = four[w] & first[w]
                    count = _coins(keys, count, digits, open_, second)
                    for w in range(WIDTH):
                        level = two[w] & ~three[w] & word(keys[w], count)
                        here[w] ^= ~two[w] | level | (first[w] & (~four[w] | second[w]))
                    count += 1
    return count

# mypy: disable-error-code="no-untyped-def"
"""Compiled Metropolis sweeps of 64 replicas in the bits of a word; loaded only when they are sampled."""

from __future__ import annotations

import numpy as np
from numba import njit

from physics_priors.ising.kernels import word

_NONE = np.uint64(0)
_ONE = np.uint64(1)
_BITS = 53


@njit(cache=True, inline="always", nogil=True)
def _coins(key, count, threshold, asked):
    """Independent coins for the bits in `asked`, 1 with probability threshold / 2^53, and the count after the draws.

    Every bit compares the binary digits of its own random number with those of the threshold, highest first, until
    it is decided; a full word of 64 takes seven to eight random words.
    """
    open_, below, bit = asked, _NONE, np.uint64(_BITS - 1)
    while open_ != _NONE:
        digits = word(key, count)
        count += 1
        if (threshold >> bit) & _ONE:
            below |= open_ & ~digits
            open_ &= digits
        else:
            open_ &= ~digits
        if bit == _NONE:
            break
        bit -= _ONE
    return below, count


@njit(cache=True, nogil=True)
def sweeps_square(words, flip, once, keys, counts, sweeps):
    """Checkerboard Metropolis of words [W, rows, columns] on the periodic square lattice.

    A flip that changes nothing in energy is taken with probability one half, see `kernels.sweep`. `flip` is all
    ones for antiferromagnets (agreement and disagreement trade places), `once` the probability of an
    energy rise of one step (4 |J|) in units of 2^-53; two steps need two such coins. `counts` [W] go on.
    """
    rows, columns = words.shape[1], words.shape[2]
    for w in range(words.shape[0]):
        s, key, count = words[w], keys[w], counts[w]
        for _ in range(sweeps):
            for colour in range(2):
                for i in range(rows):
                    above, here, under = s[i - 1], s[i], s[i + 1 - rows if i + 1 == rows else i + 1]
                    for j in range((i + colour) % 2, columns, 2):
                        own = here[j] ^ flip
                        a = ~(above[j] ^ own)
                        b = ~(under[j] ^ own)
                        c = ~(here[j - 1] ^ own)
                        d = ~(here[j + 1 - columns if j + 1 == columns else j + 1] ^ own)
                        ab, cd = a & b, c & d
                        either, other = a | b, c | d
                        four = ab & cd
                        three = (ab & other) | (cd & either)
                        first, count = _coins(key, count, once, three)
                        second, count = _coins(key, count, once, four & first)
                        two = ab | cd | (either & other)
                        here[j] ^= ~two | (two & ~three & word(key, count)) | (first & (~four | second))
                        count += 1
        counts[w] = count

"""Of very many values, those that a posterior is conditioned on, so that its time and memory are bounded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 3000
"""Values that one exact Gaussian process is conditioned on at once; a quarter more may follow."""


def spread_over(count: int, most: int) -> NDArray[np.int64]:
    """`most` of `count` values, evenly spread over the order in which they came; all where there are no more."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def conditioned_on(block: int, count: int, most: int) -> tuple[NDArray[np.int64], int]:
    """Which of `count` values to condition on, in order, and how many of them at once.

    All, where there are no more than `most`. Else of the first `block` >= 1, which go in at once, `most` evenly spread,
    and those told since, which follow one by one; with every quarter of `most` told since, that goes in too.
    """
    quarter = max(1, most // 4)
    if count > most:
        block += (count - block) // quarter * quarter
    first = spread_over(block, most)
    return np.concatenate([first, np.arange(block, count)]), len(first)

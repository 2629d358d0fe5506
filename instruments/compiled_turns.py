# mypy: disable-error-code="untyped-decorator, no-any-return"
"""Rows shared out among threads a few at a time. Importing loads Numba.

Threads that take equal halves wait for the slower one; threads that take the next few rows end together.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Turns = NDArray[np.int64]
FEW = 16
"""Rows that are taken at once."""
APART = 8
"""Numbers between those of two threads, so that they do not wait for each other's."""


def turns_of(first: int, last: int, threads: int) -> Turns:
    """Rows first to last for so many threads: of each thread's share the next row and the last + 1."""
    return shared_out(first, last, threads).copy()


@lru_cache
def shared_out(first: int, last: int, threads: int) -> Turns:
    """The same, not to be changed."""
    turns = np.zeros((threads, APART), np.int64)
    cuts = np.linspace(first, last, threads + 1).astype(np.int64)
    turns[:, 0], turns[:, 1] = cuts[:-1], cuts[1:]
    return turns


@njit(cache=True, forceinline=True)
def next_rows(turns: Turns, thread: int) -> Any:
    """First and last + 1 of the rows that a thread takes next: of its own share, then of others; equal for none."""
    for k in range(len(turns)):
        share = (thread + k) % len(turns)
        first, end = _moved(turns, share, FEW), turns[share, 1]
        if first < end:
            return first, min(first + FEW, end)
    return 0, 0


@intrinsic
def _moved(typing_context: Any, turns: Any, share: Any, count: Any) -> Any:
    """Add a number to the first of a share as one act, whatever other threads do; what it was before."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole, kinds = context.make_array(signature.args[0])(context, builder, arguments[0]), signature.args[1:]
        row, added = (context.cast(builder, a, k, types.intp) for a, k in zip(arguments[1:], kinds, strict=True))
        index = [row, context.get_constant(types.intp, 0)]
        place = cgutils.get_item_pointer(context, builder, signature.args[0], whole, index)
        return builder.atomic_rmw("add", place, added, "monotonic")

    return types.int64(turns, share, count), generated

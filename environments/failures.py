"""Which actions brought nothing: kept only as far as the last of them, so that a long episode costs nothing."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
_MANY: Final = 10_000


def with_failures(failed: Bools, done: Bools, counts: NDArray[Any], steps: int) -> Bools:
    """Which actions brought nothing [B, steps], after one more of which `done` [B] did not fail.

    counts [B] are the actions of each row before it, steps the most of any row with it.
    """
    after = np.pad(failed, [(0, 0), (0, max(0, steps - failed.shape[1]))])
    rows = np.flatnonzero(~done)
    after[rows, counts[rows].astype(np.int64)] = True
    return after


def accepted(failed: Bools, steps: int) -> Bools:
    """Which actions brought something, [B, steps]; one number for all where none failed and they are many."""
    if failed.shape[1]:
        return ~np.pad(failed, [(0, 0), (0, max(0, steps - failed.shape[1]))])[:, :steps]
    shape = (len(failed), steps)
    return np.ones(shape, dtype=bool) if shape[0] * shape[1] < _MANY else np.broadcast_to(np.True_, shape)

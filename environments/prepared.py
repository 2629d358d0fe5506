"""Fresh samples made many at a time, before the rows that take them have ended: one by one they cost far more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.rows import put, take
from instruments.keys import Keys

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Begun:
    """B samples after their survey: the core's world, the task's state, keys, requests sent, and costs [B, 2]."""

    world: Any
    state: Any
    roots: Keys
    sent: NDArray[np.int64]
    costs: NDArray[np.float64]


class Prepared:
    """For each of `rows` rows the sample that it will take next, or none yet.

    `make` begins samples of given seeds, `draw` takes the next seed of a row. `own` names the arrays of a world that
    may be edited in place.
    """

    def __init__(
        self,
        rows: int,
        make: Callable[[Sequence[int]], Begun],
        draw: Callable[[int], int],
        own: Collection[str] = (),
    ) -> None:
        self._make, self._draw, self._own = make, draw, own
        self._seeds: list[int | None] = [None] * rows
        self._begun: Begun | None = None

    def taken(self, rows: Rows) -> Begun:
        """The next samples of some rows; where one is missing, all that are missing are made."""
        if any(self._seeds[row] is None for row in rows):
            self._fill()
        for row in rows:
            self._seeds[row] = None
        begun = self._begun
        if begun is not None and len(rows) == len(self._seeds):  # nothing is left that could be taken twice
            self._begun = None
            return begun
        return take(begun, rows)  # type: ignore[return-value]

    def seed(self, row: int, seed: int | None) -> int | None:
        """The seed of a sample that will not be taken, where the row's next one is asked for; else None."""
        kept, self._seeds[row] = self._seeds[row], None
        return kept if seed is None else None

    def _fill(self) -> None:
        missing = np.array([row for row, seed in enumerate(self._seeds) if seed is None], dtype=np.intp)
        drawn = [self._draw(int(row)) for row in missing]
        for row, seed in zip(missing, drawn, strict=True):
            self._seeds[row] = seed
        fresh = self._make(drawn)
        old = self._begun if len(missing) < len(self._seeds) else None
        self._begun = fresh if old is None else self._renewed(old, missing, fresh)

    def _renewed(self, begun: Begun, rows: Rows, fresh: Begun) -> Begun:
        world = put(begun.world, rows, fresh.world, self._own)
        return replace(put(replace(begun, world=None), rows, replace(fresh, world=None)), world=world)

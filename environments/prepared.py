"""Fresh samples made many at a time, before the rows that take them have ended: one by one they cost far more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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


class Part(NamedTuple):
    """Samples `at` [n] of those begun, for rows [n]."""

    begun: Begun
    rows: Rows
    at: Rows

    @property
    def whole(self) -> bool:
        """Whether these are all that were begun, in their order."""
        return len(self.at) == len(self.begun.roots) and bool((self.at == np.arange(len(self.at))).all())


class Prepared:
    """For each of `rows` rows the sample that it will take next, or none yet.

    `make` begins samples of given seeds, `draw` takes the next seed of a row.
    """

    def __init__(self, rows: int, make: Callable[[Sequence[int]], Begun], draw: Callable[[int], int]) -> None:
        self._make, self._draw = make, draw
        self._seeds: list[int | None] = [None] * rows
        self._where: dict[int, tuple[Begun, int]] = {}
        """Of a row with a sample: which it is of those begun with it."""

    def taken(self, rows: Rows) -> list[Part]:
        """The next samples of some rows, by what they were begun with; where one is missing, all missing are made."""
        if any(self._seeds[row] is None for row in rows):
            self._fill()
        together: dict[int, tuple[Begun, list[int], list[int]]] = {}
        for row in rows.tolist():
            begun, at = self._where.pop(row)
            self._seeds[row] = None
            own = together.setdefault(id(begun), (begun, [], []))
            own[1].append(row)
            own[2].append(at)
        return [Part(begun, np.array(own, np.intp), np.array(at, np.intp)) for begun, own, at in together.values()]

    def seed(self, row: int, seed: int | None) -> int | None:
        """The seed of a sample that will not be taken, where the row's next one is asked for; else None."""
        kept, self._seeds[row] = self._seeds[row], None
        self._where.pop(row, None)
        return kept if seed is None else None

    def _fill(self) -> None:
        missing = [row for row, seed in enumerate(self._seeds) if seed is None]
        drawn = [self._draw(row) for row in missing]
        fresh = self._make(drawn)
        for at, (row, seed) in enumerate(zip(missing, drawn, strict=True)):
            self._seeds[row], self._where[row] = seed, (fresh, at)

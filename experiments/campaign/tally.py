"""The running score of a campaign: values, which of them stand, the best ones, and what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.protocol import Decision

Place = tuple[float, float] | None


@dataclass
class Tally:
    """Grows by one entry a step; `accepted` is replaced as a whole, since later data may unmask an outlier."""

    objective: Literal["maximise", "minimise", "map"] = "maximise"
    values: list[float] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    candidates: list[int | None] = field(default_factory=list)
    accepted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    failed_in_a_row: int = 0
    failed: int = 0

    def add(self, decision: Decision, value: float, accepted: NDArray[np.bool_], place: Place, arrived: bool) -> None:
        """Take the outcome of one step in."""
        self.values.append(value)
        self.places.append(place)
        self.candidates.append(decision.candidate)
        self.accepted = accepted
        self.failed += not arrived
        self.failed_in_a_row = 0 if arrived else self.failed_in_a_row + 1

    @property
    def steps(self) -> int:
        """Decisions so far."""
        return len(self.values)

    @property
    def rejected(self) -> int:
        """Values that arrived and do not stand."""
        return sum(1 for v, ok in zip(self.values, self.accepted, strict=True) if math.isfinite(v) and not ok)

    def best(self) -> int | None:
        """Index of the best standing value; None before there is one, and on mapping tasks."""
        order = self._order()
        return int(order[0]) if len(order) and self.objective != "map" else None

    def top(self, count: int = 5) -> list[dict[str, Any]]:
        """The best standing values, each place once."""
        found: list[dict[str, Any]] = []
        seen: set[Any] = set()
        for i in self._order() if self.objective != "map" else ():
            place = self.candidates[i] if self.candidates[i] is not None else self.places[i]
            if place is None or place not in seen:
                seen.add(place)
                found.append(self.entry(int(i)))
        return found[:count]

    def entry(self, index: int) -> dict[str, Any]:
        """One outcome as plain values."""
        return {
            "value": self.values[index],
            "step": index + 1,
            "candidate": self.candidates[index],
            "position_nm": self.places[index],
        }

    def _order(self) -> NDArray[np.intp]:
        values = np.array(self.values, dtype=float)
        standing = np.flatnonzero(np.isfinite(values) & self.accepted) if len(values) else np.zeros(0, np.intp)
        sign = 1.0 if self.objective == "minimise" else -1.0
        return standing[np.argsort(sign * values[standing], kind="stable")]

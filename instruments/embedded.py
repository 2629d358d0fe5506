"""A twin's kernel as an instrument: one row of a batch, with ids, chunks, stop and snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.keys import Keys

W = TypeVar("W")


class Core(Protocol[W]):
    """A kernel over a batch of worlds: what a twin or a recording is, without any of an instrument's ceremony.

    A world is a frozen dataclass of arrays [B, ...]; `changing` names its fields that differ after `begin`, which
    are all that a snapshot needs. Nothing in here holds state; a batch of one and of thousands agree bit for bit.
    """

    changing: ClassVar[tuple[str, ...]]

    def describe(self) -> Capabilities:
        """What it can do; the same for all rows."""
        ...

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> W:
        """Fresh worlds, one per key; raises DataInvalid on an unknown scenario key."""
        ...

    def price(self, world: W, batch: RequestBatch) -> CostBatch:
        """Worst-case cost of every row from where its probe is; raises NotSupported, OutOfReach, CalibrationUnknown."""
        ...

    def perform(self, world: W, batch: RequestBatch, keys: Keys) -> tuple[W, ResultBatch]:
        """Carry the requests out with the randomness of `keys` [B], fresh for every request."""
        ...

    def truth(self, world: W, row: int) -> Mapping[str, Any]:
        """What only the twin knows of one row."""
        ...

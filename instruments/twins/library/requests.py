"""The frames that a batch of `AtomPositions` asks for."""

from __future__ import annotations

from instruments.batch import RequestBatch
from instruments.requests import ScanImage


def frames(batch: RequestBatch) -> list[ScanImage]:
    """The frame of every row."""
    return list(batch.each["frame"]) if "frame" in batch.each else [batch.shared["frame"]] * batch.rows

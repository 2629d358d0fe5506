"""Columns of a batch of requests that stand for an object in every row, without making the objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch
from instruments.requests import ScanImage, Until


@dataclass(frozen=True)
class Frames:
    """The frame of every row, as a column `frame` of a batch: `template` at centers_nm [B, 2].

    It stands for an array of objects: an index gives one frame, rows give those of some rows.
    """

    centers_nm: NDArray[np.float64]
    template: ScanImage

    def __len__(self) -> int:
        return len(self.centers_nm)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            x, y = self.centers_nm[index]
            return replace(self.template, center_nm=(float(x), float(y)))
        return Frames(self.centers_nm[index], self.template)

    def __iter__(self) -> Iterator[ScanImage]:
        return (self[row] for row in range(len(self)))


@dataclass(frozen=True)
class Conditions:
    """What ends the dwell of every row, as a column `until`: bands [B, 3] are (low, high, samples), 0 samples: nothing.

    All are about one channel.
    """

    bands: NDArray[np.float64]
    channel: str = "haadf"

    def __len__(self) -> int:
        return len(self.bands)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            low, high, samples = (float(v) for v in self.bands[index])
            return Until(self.channel, low, high, int(samples)) if samples else None
        return Conditions(self.bands[index], self.channel)

    def __iter__(self) -> Iterator[Until | None]:
        return (self[row] for row in range(len(self)))


def atom_positions(centers_nm: NDArray[np.float64], template: ScanImage) -> RequestBatch:
    """AtomPositions of B rows whose frames differ by their centres [B, 2]."""
    frames: Any = Frames(centers_nm, template)
    return RequestBatch("AtomPositions", len(centers_nm), {"frame": frames}, {})


def frames_of(batch: RequestBatch) -> tuple[NDArray[np.float64], ScanImage]:
    """Centres [B, 2] and what the frames of AtomPositions or SubScan share; they must differ by nothing else."""
    column: Any = batch.each.get("frame")
    if isinstance(column, Frames):
        return column.centers_nm, column.template
    if column is None:
        same: ScanImage = batch.shared["frame"]
        return np.tile(np.array(same.center_nm, dtype=np.float64), (batch.rows, 1)), same
    frames = list(column)
    first: ScanImage = frames[0]
    if any(replace(frame, center_nm=first.center_nm) != first for frame in frames):
        from instruments.errors import NotSupported

        raise NotSupported(f"{batch.kind}: the frames of all rows of a batch may differ by their centres only")
    return np.array([frame.center_nm for frame in frames], dtype=np.float64), first

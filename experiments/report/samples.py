"""The few measurements that the report shows, fetched from the journal one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Reader
from experiments.report.story import Step, Story
from instruments.measurement import Channel, Measurement
from instruments.requests import ScanImage

_FEWEST = 4
"""Points that make a curve."""


@dataclass(frozen=True)
class Sample:
    """A measurement worth showing: which one it is ("best"), its step and what was measured."""

    role: str
    step: Step
    measurement: Measurement


@dataclass(frozen=True)
class Picture:
    """An image with the place it shows: extent (x0, x1, y0, y1) [nm], row 0 at y0."""

    name: str
    values: NDArray[np.float64]
    extent_nm: tuple[float, float, float, float]


def chosen(story: Story) -> dict[str, Step]:
    """The best, the median and the worst value that stands, and the largest that does not; each step once."""
    values = story.values()
    standing, off = np.flatnonzero(story.standing()), np.flatnonzero(story.rejected())
    order = standing[np.argsort((1 if story.minimises else -1) * values[standing], kind="stable")]
    names = ("best", "median", "worst accepted") if story.seeks else ("largest", "median", "smallest")
    picks = list(zip(names, (order[0], order[len(order) // 2], order[-1]), strict=True)) if len(order) else []
    if len(off):
        picks.append(("rejected", off[np.argmax(np.abs(values[off]))]))
    roles: dict[int, str] = {}
    for role, index in picks:
        roles.setdefault(int(index), role)
    return {role: story.done[index] for index, role in roles.items()}


def fetch(story: Story, reader: Reader) -> list[Sample]:
    """The chosen measurements that have something to draw."""
    found = []
    for role, step in chosen(story).items():
        measurement = _of_step(story, reader, step)
        if measurement is not None and any(drawable(c) for c in measurement.channels.values()):
            found.append(Sample(role, step, measurement))
    return found


def drawable(channel: Channel) -> bool:
    """Whether a channel is a curve (or a few of them) with at least one number in it, and no list of atoms."""
    if any(axis.name == "atom" for axis in channel.axes):
        return False
    shape = channel.values.shape
    curve = len(shape) == 1 or (len(shape) == 2 and shape[0] <= 16 < shape[1])
    numbers = channel.values.dtype.kind in "fiu" and np.isfinite(channel.values).any()
    return bool(curve and shape[-1] >= _FEWEST and numbers)


def structure(story: Story, reader: Reader) -> Picture | None:
    """The structural image: the first of the brief's, else the first image the survey brought."""
    images: Mapping[str, Any] = story.brief.get("images") or {}
    extent = story.brief.get("extent_nm")
    for name, values in images.items():
        if extent is not None and np.ndim(values) == 2:
            return Picture(name, np.asarray(values, dtype=float), (extent[0], extent[1], extent[2], extent[3]))
    return _surveyed(story, reader) if not images else None


def _surveyed(story: Story, reader: Reader) -> Picture | None:
    for event in reader.events(kinds=("result", "decision")):
        if event.kind == "decision":
            return None
        measurement: Measurement = event.payload["measurement"]
        request = measurement.request
        for name, channel in measurement.channels.items():
            if channel.values.ndim == 2 and isinstance(request, ScanImage) and request.rotation_rad == 0:
                (x, y), (w, h) = request.center_nm, request.size_nm
                extent = (x - w / 2, x + w / 2, y - h / 2, y + h / 2)
                return Picture(name, np.asarray(channel.values, dtype=float), extent)
    return None


def _of_step(story: Story, reader: Reader, step: Step) -> Measurement | None:
    for event in reader.events(after=step.seq, kinds=("result", "decision")):
        if event.kind == "decision":
            return None
        measurement: Measurement = event.payload["measurement"]
        if story.commands.get(event.payload["id"], ("action", ""))[0] == "action":
            return measurement
    return None

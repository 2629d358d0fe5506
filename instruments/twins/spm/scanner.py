"""Where the tip really is: drift, registration, creep after a move, hysteresis of the fast axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from instruments.batch import RequestBatch
from instruments.twins.domains import Floats
from instruments.twins.raster import pixel_offsets, points
from instruments.twins.reach import column, shared
from instruments.twins.spm.world import World


@dataclass(frozen=True)
class Scanner:
    """The faults of a scanner, each off at 0."""

    drift_nm_s: float
    drift_limit_nm: float
    creep: float
    creep_s: float
    hysteresis: float

    def drift_nm(self, world: World, time_s: Floats) -> Floats:
        """Where the sample frame lies in the scanner's, [B, K, 2] nm at times [B, K]: linear, then bounded."""
        length = np.minimum(self.drift_nm_s * time_s, self.drift_limit_nm)
        return np.asarray(length[..., None] * world.heading[:, None])

    def residual_nm(self, world: World, first_nm: Floats, travel_s: Floats) -> Floats:
        """How far [B, 2] the scanner is still short when it arrives at `first_nm` [B, 2]."""
        old = world.creep_nm * np.exp(-travel_s / self.creep_s)[:, None]
        return np.asarray(old + self.creep * (world.probe_nm - first_nm))

    def material_nm(
        self, world: World, places_nm: Floats, after_s: Floats, arrival_s: Floats, residual_nm: Floats
    ) -> Floats:
        """What lies under the tip [B, K, 2], for places [B, K, 2] visited `after_s` [B, K] after arrival."""
        creep = residual_nm[:, None] * np.exp(-after_s / self.creep_s)[..., None]
        return places_nm + world.registered_nm[:, None] + creep - self.drift_nm(world, arrival_s[:, None] + after_s)


@dataclass(frozen=True)
class Lines:
    """Scan lines: places [B, L, n, 2] of the forward pass, each line followed by its way back, and their timing."""

    places_nm: Floats
    bow_nm: Floats
    """[B, n, 2]: how far the scanner's hysteresis bows the forward pass, against it on the way back."""
    dwell_s: Floats
    path_nm: Floats
    busy_s: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Lines and points of each."""
        return self.places_nm.shape[1], self.places_nm.shape[2]

    def passes_nm(self) -> Floats:
        """Places [B, 2 L, n, 2] in the order of time, hysteresis included: forward, back, forward, ..."""
        forward = self.places_nm + self.bow_nm[:, None]
        back = (self.places_nm - self.bow_nm[:, None])[:, :, ::-1]
        rows, lines, count, _ = forward.shape
        return np.stack([forward, back], axis=2).reshape(rows, 2 * lines, count, 2)

    def times_s(self, settle_s: float) -> Floats:
        """When the dwell on each place of `passes_nm` is half done, [B, 2 L n] s after arrival."""
        lines, count = self.shape
        return settle_s + (np.arange(2 * lines * count) + 0.5) * self.dwell_s[:, None]


def lines_of(batch: RequestBatch, settle_s: float, hysteresis: float) -> Lines:
    """The lines of a ScanImage, LineScan or StreamLine; rows share their shape, the dwell may differ."""
    dwell_s = np.asarray(column(batch, "dwell_s"), dtype=np.float64)
    if batch.kind == "ScanImage":
        places, way = _raster(batch)
    else:
        start, way = points(batch, "start_nm"), points(batch, "end_nm") - points(batch, "start_nm")
        places = (start + np.linspace(0.0, 1.0, int(shared(batch, "points")))[:, None] * way)[:, None]
    u = np.linspace(-1.0, 1.0, places.shape[2])[:, None]
    bow = hysteresis * way * (1.0 - u**2)
    busy = settle_s + 2 * places.shape[1] * places.shape[2] * dwell_s
    path = 2.0 * places.shape[1] * np.sqrt((way[:, 0] ** 2).sum(-1))
    return Lines(places, np.asarray(bow), dwell_s, path, busy)


def _raster(batch: RequestBatch) -> tuple[Floats, Floats]:
    """Places [B, L, n, 2] of a ScanImage, and the way [B, 1, 2] along a line."""
    size_nm, (lines, count) = shared(batch, "size_nm"), shared(batch, "shape")
    angle = float(shared(batch, "rotation_rad"))
    offsets = pixel_offsets(size_nm, (lines, count), angle)
    places = (points(batch, "center_nm") + offsets).reshape(batch.rows, lines, count, 2)
    way = size_nm[0] * np.array([np.cos(angle), np.sin(angle)])
    return places, np.broadcast_to(way, (batch.rows, 1, 2))

"""What a request makes the tip do: the places, the time, and the work there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from instruments.batch import RequestBatch
from instruments.twins.domains import Floats
from instruments.twins.spm.events import KINDS as BIASED
from instruments.twins.spm.events import Events, events_of
from instruments.twins.spm.scanner import Lines, lines_of
from instruments.twins.spm.world import CONTACT, World

SCANS: Final = ("ScanImage", "LineScan")
SPECTRAL_SCANS: Final = ("BandExcitationImage", "StreamLine")


@dataclass(frozen=True)
class Plan:
    """First to last place [B, n, 2] and what it takes; `busy_s` [B] is from arrival to the end, settling included."""

    places_nm: Floats
    busy_s: Floats
    path_nm: Floats
    bias_V_s: Floats
    approach_s: Floats
    work: Lines | Events | None


def plan_of(world: World, batch: RequestBatch, settle_s: float, approach_s: float, hysteresis: float) -> Plan:
    """The plan of a batch; a tip that was withdrawn approaches first."""
    away = np.where(world.feedback[:, CONTACT] == 0.0, approach_s, 0.0)
    none = np.zeros(batch.rows)
    if batch.kind in SCANS or batch.kind in SPECTRAL_SCANS:
        lines = lines_of(framed(batch), settle_s, hysteresis)
        places = lines.places_nm.reshape(batch.rows, -1, 2)
        return Plan(places, lines.busy_s, lines.path_nm, none, away, lines)
    if batch.kind in BIASED:
        events = events_of(batch)
        return Plan(events.places_nm, settle_s + events.busy_s(), events.path_nm, events.bias_V_s(), away, events)
    away = away if batch.kind == "Approach" else none
    return Plan(world.probe_nm[:, None].copy(), none, none, none, away, None)


def framed(batch: RequestBatch) -> RequestBatch:
    """The scan inside a request that has a frame; any other request as it is."""
    if "frame" not in batch.shared:
        return batch
    frame = batch.shared["frame"]
    fields = {name: getattr(frame, name) for name in frame.__dataclass_fields__}
    return RequestBatch(frame.kind, batch.rows, {}, fields)

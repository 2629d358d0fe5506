"""What the tip does during a request that writes or measures spectra: bias steps at places, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch
from instruments.measurement import Axis
from instruments.twins import hysteresis
from instruments.twins.domains import Floats
from instruments.twins.reach import column, shared

READ_S = 2e-3
"""How long a read before and after a pulse takes."""
_SPACING_NM = 12.0


@dataclass(frozen=True)
class Events:
    """K bias steps of B rows, in the order of time: places [B, K, 2] nm, bias [B, K] V, how long [B, K] s.

    picks: channel -> the steps [B, ...] at whose end it is read; `on_field` channels keep the electrostatic force.
    """

    places_nm: Floats
    bias_V: Floats
    lasts_s: Floats
    picks: Mapping[str, NDArray[np.intp]]
    axes: Mapping[str, tuple[Axis, ...]]
    path_nm: Floats
    each_s: Floats
    """[B] how long one read takes, which sets the noise."""

    @property
    def starts_s(self) -> Floats:
        """When each step begins [B, K]; summed in the order of time, so that it does not depend on the batch."""
        return np.cumsum(self.lasts_s, axis=1) - self.lasts_s

    def busy_s(self) -> Floats:
        """Duration [B]."""
        return np.cumsum(self.lasts_s, axis=1)[:, -1]

    def bias_V_s(self) -> Floats:
        """Integral [B] of |bias| over time."""
        return np.cumsum(np.abs(self.bias_V) * self.lasts_s, axis=1)[:, -1]

    def lagging_V(self, time_s: Floats) -> Floats:
        """What follows the bias with a time constant [B], at the end of every step, [B, K]: where slow ions are."""
        keep = np.exp(-self.lasts_s / time_s[:, None])
        held, found = np.zeros(len(keep)), np.empty_like(keep)
        for step in range(keep.shape[1]):
            held = found[:, step] = self.bias_V[:, step] + (held - self.bias_V[:, step]) * keep[:, step]
        return found

    def until(self, limit_s: Floats) -> Events:
        """The same, ended `limit_s` [B] after the first step began: what comes later lasts no time."""
        return replace(self, lasts_s=np.clip(limit_s[:, None] - self.starts_s, 0.0, self.lasts_s))


def events_of(batch: RequestBatch) -> Events:
    """The events of one batch of a kind in KINDS."""
    return KINDS[batch.kind](batch)


def _spectroscopy(batch: RequestBatch) -> Events:
    low, high, count, cycles = (shared(batch, name) for name in ("low_V", "high_V", "points", "cycles"))
    bias = hysteresis.staircase(low, high, count, cycles)
    on, lasts = _interleaved(np.broadcast_to(bias, (batch.rows, len(bias))), 0.0, column(batch, "dwell_s") / 2)
    axis = (Axis("bias", "V", bias),)
    picks = _pair(batch.rows, len(bias), ("on_field", "piezoresponse"))
    return _at_place(batch, on, lasts, picks, dict.fromkeys(picks, axis), column(batch, "dwell_s") / 2)


def _waveform(batch: RequestBatch) -> Events:
    bias = np.asarray(column(batch, "bias_V"), dtype=np.float64)
    axis = (Axis("bias", "V", np.array(bias[0])),)
    count, dwell_s = bias.shape[1], column(batch, "dwell_s")
    if shared(batch, "off_field"):
        on, lasts = _interleaved(bias, column(batch, "read_V")[:, None], dwell_s)
        picks = _pair(batch.rows, count, ("on_field", "piezoresponse"))
    else:
        on, lasts = bias, np.broadcast_to(dwell_s[:, None], bias.shape)
        picks = {"on_field": np.broadcast_to(np.arange(count), (batch.rows, count))}
    return _at_place(batch, on, lasts, picks, dict.fromkeys(picks, axis), dwell_s)


def _kelvin(batch: RequestBatch) -> Events:
    write, read = (np.asarray(column(batch, name), dtype=np.float64) for name in ("write_V", "read_V"))
    rows, n, m = batch.rows, write.shape[1], read.shape[1]
    steps = np.concatenate([write[:, :, None], np.broadcast_to(read[:, None], (rows, n, m))], axis=2)
    bias = steps.reshape(rows, n * (m + 1))
    index = (np.arange(n)[:, None] * (m + 1) + 1 + np.arange(m)).astype(np.intp)
    picks = {"piezoresponse": np.broadcast_to(index, (rows, n, m))}
    axes = {"piezoresponse": (Axis("write", "V", np.array(write[0])), Axis("read", "V", np.array(read[0])))}
    dwell_s = column(batch, "dwell_s")
    return _at_place(batch, bias, np.broadcast_to(dwell_s[:, None], bias.shape), picks, axes, dwell_s)


def _relaxation(batch: RequestBatch) -> Events:
    reads = int(shared(batch, "reads"))
    interval = column(batch, "interval_s")
    held = np.broadcast_to(column(batch, "read_V")[:, None], (batch.rows, reads))
    bias = np.concatenate([column(batch, "bias_V")[:, None], held], axis=1)
    waits = np.broadcast_to(interval[:, None], (batch.rows, reads))
    lasts = np.concatenate([column(batch, "width_s")[:, None], waits], axis=1)
    picks = {"piezoresponse": np.broadcast_to(np.arange(1, reads + 1), (batch.rows, reads))}
    axes = {"piezoresponse": (Axis("time", "s", float(interval[0]) * np.arange(1, reads + 1, dtype=np.float64)),)}
    return _at_place(batch, bias, lasts, picks, axes, np.minimum(interval, READ_S))


def _pulse(batch: RequestBatch) -> Events:
    zero, read = np.zeros(batch.rows), np.full(batch.rows, READ_S)
    bias = np.stack([zero, column(batch, "bias_V"), zero], axis=1)
    lasts = np.stack([read, column(batch, "width_s"), read], axis=1)
    picks = {"piezoresponse": np.broadcast_to(np.array([0, 2]), (batch.rows, 2))}
    axes = {"piezoresponse": (Axis("read", "", np.array([0.0, 1.0])),)}
    return _at_place(batch, bias, lasts, picks, axes, read)


def _path(batch: RequestBatch) -> Events:
    """Pieces of at most 12 nm; rows with shorter ways are padded with events that last no time."""
    corners = np.asarray(column(batch, "points_nm"), dtype=np.float64)
    speed, volts = column(batch, "speed_nm_s"), column(batch, "bias_V")
    rows, count = corners.shape[:2]
    made = [_pieces(row) for row in corners]
    most = max(len(places) for places, _ in made)
    full = np.stack([np.concatenate([p, np.repeat(p[-1:], most - len(p), axis=0)]) for p, _ in made])
    steps = np.sqrt((np.diff(full, axis=1) ** 2).sum(-1))
    lasts = np.concatenate([np.zeros((rows, 1)), steps / speed[:, None]], axis=1)
    bias = np.where(lasts > 0, volts[:, None], 0.0)
    axes = {"piezoresponse": (Axis("point", "", np.arange(count, dtype=np.float64)),)}
    ends = np.stack([ends for _, ends in made])
    path = np.cumsum(steps, axis=1)[:, -1] if most > 1 else np.zeros(rows)
    return Events(full, np.asarray(bias), lasts, {"piezoresponse": ends}, axes, path, np.full(rows, READ_S))


def _pieces(corners: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Places [n, 2] along corners [c, 2], and which of them the corners are [c]."""
    places, ends = [corners[:1]], [0]
    for first, last in pairwise(corners):
        pieces = max(int(np.ceil(np.sqrt(((last - first) ** 2).sum()) / _SPACING_NM)), 1)
        places.append(first + np.arange(1, pieces + 1)[:, None] / pieces * (last - first))
        ends.append(ends[-1] + pieces)
    return np.concatenate(places), np.array(ends, dtype=np.intp)


def _spectrum(batch: RequestBatch) -> Events:
    pulse, bias = column(batch, "pulse_s"), column(batch, "dc_V")
    picks = {"spectrum": np.zeros((batch.rows, 1), np.intp)}
    return _at_place(batch, bias[:, None], pulse[:, None], picks, {}, pulse)


KINDS: Mapping[str, Callable[[RequestBatch], Events]] = {
    "BiasSpectroscopy": _spectroscopy,
    "BiasWaveform": _waveform,
    "ContactKelvin": _kelvin,
    "Relaxation": _relaxation,
    "TipPulse": _pulse,
    "TipPath": _path,
    "BandExcitationSpectrum": _spectrum,
}


def _interleaved(bias_V: Floats, read_V: Any, dwell_s: Floats) -> tuple[Floats, Floats]:
    both = np.stack([bias_V, np.broadcast_to(read_V, bias_V.shape)], axis=2).reshape(len(bias_V), -1)
    return both, np.broadcast_to(dwell_s[:, None], both.shape)


def _pair(rows: int, count: int, names: tuple[str, str]) -> dict[str, NDArray[np.intp]]:
    steps = 2 * np.arange(count)
    return {name: np.broadcast_to(steps + i, (rows, count)) for i, name in enumerate(names)}


def _at_place(batch: RequestBatch, bias_V: Floats, lasts_s: Floats, picks: Any, axes: Any, each_s: Floats) -> Events:
    place = np.asarray(column(batch, "position_nm"), dtype=np.float64)
    places = np.broadcast_to(place[:, None], (*bias_V.shape, 2))
    each = np.asarray(each_s, dtype=np.float64)
    return Events(
        places, np.asarray(bias_V, dtype=np.float64), np.asarray(lasts_s), picks, axes, np.zeros(len(place)), each
    )

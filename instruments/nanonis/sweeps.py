"""Bias spectroscopy by segments: it blocks its connection, is stopped by the other one, and is looked at."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from instruments.errors import DataInvalid, HardwareFault
from instruments.measurement import Axis, Channel
from instruments.nanonis.commands import BIAS_COLUMN, SIGNALS
from instruments.nanonis.images import POLL_S
from instruments.nanonis.wires import Wires
from instruments.requests import BiasSpectroscopy
from instruments.seam import Stop
from instruments.vendor import Channels


def sweeps(wires: Wires, request: BiasSpectroscopy, stop: Stop, ended: threading.Event) -> Channels:
    """Channels [bias] of all sweeps where the tip is; raises HardwareFault where the bias went elsewhere."""
    _set_up(wires, request)
    names, data, _ = _watched(wires, stop, ended)
    if data.shape != (len(names), request.points * request.cycles) or BIAS_COLUMN not in names:
        raise DataInvalid(f"asked for {request.points * request.cycles} points, {names} {data.shape} came")
    table = dict(zip(names, np.asarray(data, np.float64), strict=True))
    bias_V = table.pop(BIAS_COLUMN)
    peaks = (float(np.nanmin(bias_V)), float(np.nanmax(bias_V)))
    span = request.high_V - request.low_V
    if max(abs(peaks[0] - request.low_V), abs(peaks[1] - request.high_V)) > 0.2 * span:
        raise HardwareFault(f"asked for {request.low_V:g} to {request.high_V:g} V, the sweep went {peaks} V")
    axis = (Axis("bias", "V", bias_V),)
    return {SIGNALS[n][0]: Channel(v * SIGNALS[n][2], SIGNALS[n][1], axis) for n, v in table.items() if n in SIGNALS}


def _set_up(wires: Wires, request: BiasSpectroscopy) -> None:
    """Three segments: from 0 V up, down through it, and back."""
    start, end = [0.0, request.high_V, request.low_V], [request.high_V, request.low_V, 0.0]
    span = request.high_V - request.low_V
    first, middle = (round(request.points * part / (2 * span)) for part in (request.high_V, span))
    steps, seconds = [first, middle, request.points - first - middle], [request.dwell_s] * 3
    wires.call("BiasSpectr.Open")
    wires.call("BiasSpectr.MLSModeSet", "MLS")
    wires.call("BiasSpectr.MLSValsSet", 3, start, end, [0.0] * 3, [0.0] * 3, seconds, steps, [0] * 3)
    wires.call("BiasSpectr.PropsSet", 0, request.cycles, 2, request.points, 0.0, 2, 2)


def _watched(wires: Wires, stop: Stop, ended: threading.Event) -> list[Any]:
    """The spectroscopy, stopped by the other connection where that is wanted."""
    over = threading.Event()
    watch = threading.Thread(target=_stop, args=(wires, stop, ended, over), daemon=True)
    watch.start()
    try:
        return wires.call("BiasSpectr.Start", 1, "")
    finally:
        over.set()
        watch.join()


def _stop(wires: Wires, stop: Stop, ended: threading.Event, over: threading.Event) -> None:
    while not over.wait(POLL_S):
        if stop.is_set() or ended.is_set():
            wires.beside("BiasSpectr.Stop")  # again and again: one that comes before the start is lost

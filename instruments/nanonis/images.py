"""Images: set, started, waited for under a watchdog, and looked at before they are believed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid, HardwareFault
from instruments.measurement import Axis, Channel
from instruments.nanonis.commands import SIGNALS
from instruments.nanonis.wires import Wires
from instruments.requests import ScanImage
from instruments.seam import Stop
from instruments.vendor import Channels

_M = 1e-9
POLL_S = 0.01


def image(
    wires: Wires, signals: Sequence[str], request: ScanImage, limit_s: float, stop: Stop, ended: threading.Event
) -> Channels:
    """Channels [rows, columns], NaN where a stopped scan did not come; the scan may take `limit_s`."""
    wanted = _set_up(wires, signals, request)
    wires.call("Scan.Action", 0, 1)
    _wait(wires, limit_s, stop, ended)
    y, x = (_centers(n, size) for n, size in zip(request.shape, reversed(request.size_nm), strict=True))
    found = {}
    for index in wanted:
        said, data, up = wires.call("Scan.FrameDataGrab", index, 1)
        if said != signals[index] or data.shape != request.shape:
            raise DataInvalid(f"asked for {signals[index]} {request.shape}, {said} {data.shape} came")
        channel, unit, scale = SIGNALS[said]
        values = np.asarray(data if up else data[::-1], np.float64) * scale
        found[channel] = Channel(values, unit, (Axis("y", "nm", y), Axis("x", "nm", x)))
    return found


def _set_up(wires: Wires, signals: Sequence[str], request: ScanImage) -> list[int]:
    """Set frame, pixels and speed; the indices of the signals that are wanted."""
    (rows, columns), line_s = request.shape, request.dwell_s * request.shape[1]
    frame = [*(v * _M for v in (*request.center_nm, *request.size_nm)), math.degrees(request.rotation_rad)]
    chosen = request.channels or [channel for channel, *_ in SIGNALS.values()]
    wanted = [i for i, name in enumerate(signals) if name in SIGNALS and SIGNALS[name][0] in chosen]
    speed_m_s = request.size_nm[0] * _M / line_s
    wires.set("Scan.Frame", frame)
    wires.set("Scan.Buffer", [wanted, columns, rows])
    wires.set("Scan.Speed", [speed_m_s, speed_m_s, line_s, line_s, 2, 1.0])
    return wanted


def _wait(wires: Wires, limit_s: float, stop: Stop, ended: threading.Event) -> None:
    """Wait for the end of the scan; raises HardwareFault where it has none, though it was told to stop."""
    began_s, asked_s, late = time.monotonic(), math.inf, False
    while wires.call("Scan.StatusGet")[0]:
        now_s = time.monotonic()
        if now_s - asked_s > wires.timeout_s:
            raise HardwareFault(f"the scan was told to stop and still runs after {wires.timeout_s:g} s")
        asked = stop.is_set() or ended.is_set()
        if asked or now_s - began_s > limit_s:
            late = late or not asked
            wires.call("Scan.Action", 1, 0)
            asked_s = min(asked_s, now_s)
        time.sleep(POLL_S)
    if late:
        raise HardwareFault(f"the scan did not end within {limit_s:g} s and was stopped")


def _centers(points: int, size_nm: float) -> NDArray[np.float64]:
    """Centres of pixels [nm], relative to the middle of the frame."""
    return (np.arange(points) + 0.5) / points * size_nm - size_nm / 2

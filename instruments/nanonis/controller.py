"""What a Nanonis controller keeps and does, over any scanning-probe instrument of ours: one method for each command."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from instruments.errors import InstrumentError
from instruments.measurement import Measurement
from instruments.nanonis.commands import BIAS_COLUMN, COMMANDS, SIGNALS
from instruments.requests import (
    Approach,
    BiasSpectroscopy,
    BiasWaveform,
    Request,
    ScanImage,
    SetFeedback,
    TipPath,
    TipPulse,
    Withdraw,
)
from instruments.seam import Instrument

_CHANNELS = {channel: (signal, scale) for signal, (channel, _, scale) in SIGNALS.items()}
_M = 1e-9


class Refused(Exception):
    """What the controller answers with an error; the text is its description."""


class Controller:
    """The state of a controller, and the instrument that it moves. Scans run in a thread, as on the real one.

    Like real controllers it says nothing when it clamps: the bias to `clamp_V`, the frame to the piezo's range, and
    pixels and lines to `clamp_pixels`.
    """

    def __init__(
        self, instrument: Instrument, clamp_V: float = 10.0, clamp_pixels: int = 4096, engine: int = 14000
    ) -> None:
        """`engine` is the release of the real-time engine that it says it has."""
        self.instrument, self._engine = instrument, engine
        self.heard: Counter[str] = Counter()
        """How often each command came."""
        self._known = instrument.describe()
        self._clamp_V, self._clamp_pixels = clamp_V, clamp_pixels
        self._channels = [c for c in self._known.channels["ScanImage"] if c in _CHANNELS]
        self.signals = [_CHANNELS[channel][0] for channel in self._channels]
        self._ids, self._busy = itertools.count(), threading.Lock()
        self._stop = threading.Event()
        self._scan: threading.Thread | None = None
        self._sweeping = False
        self._image: Measurement | None = None
        self._said = ""
        self._bias_V, self._feedback, self._setpoint = 0.0, 1, 1e-9
        self._gains = [1e-12, 1e-3, 1e-9]
        self._xy_m, self._follow = [0.0, 0.0], [1e-6, 0]
        width, height = self._known.field.size_nm
        self._frame = [0.0, 0.0, width * _M / 2, height * _M / 2, 0.0]
        self._buffer: list[Any] = [[0], 64, 64]
        self._speed = [1e-6, 1e-6, 0.1, 0.1, 2, 1.0]
        self._segments: list[Any] = []
        self._mode, self._sweeps = "Linear", 1
        self.handlers: Mapping[str, Callable[..., Any]] = {
            name: getattr(self, "_" + name.replace(".", "_").lower()) for name in COMMANDS
        }

    def close(self) -> None:
        """Stop what runs and wait for it; the instrument is closed too."""
        self._stop.set()
        self.instrument.make_safe()
        if self._scan is not None:
            self._scan.join()
        self.instrument.close()

    def _acquire(self, request: Request) -> Measurement:
        with self._busy:
            try:
                return self.instrument.acquire(request, id=f"nanonis-{next(self._ids)}", stop=self._stop)
            except InstrumentError as error:
                raise Refused(str(error)) from None

    def _util_versionget(self) -> Any:
        return ["Probewright twin under the Nanonis protocol", "Generic 5", self._engine, self._engine]

    def _signals_namesget(self) -> Any:
        return [self.signals]

    def _bias_set(self, volts: float) -> None:
        self._bias_V = min(max(volts, -self._clamp_V), self._clamp_V)

    def _bias_get(self) -> Any:
        return [self._bias_V]

    def _bias_pulse(self, wait: int, width_s: float, volts: float, hold: int, absolute: int) -> None:
        volts += self._bias_V if absolute == 1 else 0.0
        self._stop.clear()
        self._acquire(TipPulse(self._here_nm(), min(max(volts, -self._clamp_V), self._clamp_V), _float(width_s)))

    def _zctrl_onoffset(self, on: int) -> None:
        self._feedback = int(bool(on))
        self._regulate()

    def _zctrl_onoffget(self) -> Any:
        return [self._feedback]

    def _zctrl_setpntset(self, setpoint: float) -> None:
        self._setpoint = setpoint
        self._regulate()

    def _zctrl_setpntget(self) -> Any:
        return [self._setpoint]

    def _zctrl_gainset(self, proportional: float, time_s: float, integral: float) -> None:
        self._gains = [proportional, time_s, integral]

    def _zctrl_gainget(self) -> Any:
        return self._gains

    def _regulate(self) -> None:
        if "SetFeedback" in self._known.requests:
            self._acquire(SetFeedback(bool(self._feedback), setpoint_nN=_float(self._setpoint * 1e9)))

    def _zctrl_withdraw(self, wait: int, timeout_ms: int) -> None:
        """From any connection, at once: what runs is ended."""
        self._stop.set()
        self.instrument.make_safe()
        self._wait_for_scan(None)
        self._feedback = 0
        if "Withdraw" in self._known.requests:
            self._stop.clear()
            self._acquire(Withdraw())

    def _autoapproach_open(self) -> None:
        pass

    def _autoapproach_onoffset(self, on: int) -> None:
        if not on:
            self._stop.set()
            return
        self._feedback = 1
        if "Approach" in self._known.requests:
            self._wait_for_scan(None)
            self._begin(Approach())

    def _autoapproach_onoffget(self) -> Any:
        return self._scan_statusget()

    def _folme_xyposset(self, x_m: float, y_m: float, wait: int) -> None:
        width, height = (side * _M / 2 for side in self._known.field.size_nm)
        before = self._here_nm()
        self._xy_m = [min(max(x_m, -width), width), min(max(y_m, -height), height)]
        if self._bias_V and before != self._here_nm() and "TipPath" in self._known.requests:
            self._stop.clear()
            speed_nm_s = _float(self._follow[0] / _M)
            self._acquire(TipPath((before, self._here_nm()), speed_nm_s, _float(self._bias_V)))

    def _folme_speedset(self, speed_m_s: float, custom: int) -> None:
        self._follow = [speed_m_s, custom]

    def _folme_speedget(self) -> Any:
        return self._follow

    def _folme_xyposget(self, wait: int) -> Any:
        return self._xy_m

    def _piezo_rangeget(self) -> Any:
        width, height = self._known.field.size_nm
        return [width * _M, height * _M, 1e-6]

    def _scan_frameset(self, *frame: float) -> None:
        width, height = (side * _M for side in self._known.field.size_nm)
        self._frame = [*frame[:2], min(frame[2], width), min(frame[3], height), frame[4]]

    def _scan_frameget(self) -> Any:
        return self._frame

    def _scan_bufferset(self, channels: Any, pixels: int, lines: int) -> None:
        if not all(0 <= channel < len(self.signals) for channel in channels):
            raise Refused(f"no such channel among {list(channels)}")
        self._buffer = [list(channels), min(pixels, self._clamp_pixels), min(lines, self._clamp_pixels)]

    def _scan_bufferget(self) -> Any:
        return self._buffer

    def _scan_speedset(self, *speed: Any) -> None:
        self._speed = list(speed)

    def _scan_speedget(self) -> Any:
        return self._speed

    def _scan_action(self, action: int, up: int) -> None:
        if action == 1:
            self._stop.set()
        elif action == 0:
            self._begin_scan()
        else:
            raise Refused("pause and resume are not modelled")

    def _begin_scan(self) -> None:
        self._wait_for_scan(None)
        x, y, width, height, angle = self._frame
        _, pixels, lines = self._buffer
        request = ScanImage(
            (_float(x / _M), _float(y / _M)),
            (_float(width / _M), _float(height / _M)),
            (lines, pixels),
            _float(self._speed[2] / pixels),
            rotation_rad=math.radians(_float(angle)),
        )
        self._begin(request)

    def _begin(self, request: Request) -> None:
        """A scan or an approach, in a thread, so that its command is answered at once."""
        self._image, self._said = None, ""
        self._stop.clear()
        self._scan = threading.Thread(target=self._run, args=(request,), name="nanonis-scan", daemon=True)
        self._scan.start()

    def _run(self, request: Request) -> None:
        try:
            self._image = self._acquire(request)
        except Refused as error:
            self._said = str(error)

    def _scan_statusget(self) -> Any:
        return [int(self._scan is not None and self._scan.is_alive())]

    def _scan_waitendofscan(self, timeout_ms: int) -> Any:
        over = self._wait_for_scan(None if timeout_ms < 0 else timeout_ms / 1000)
        return [int(not over), "twin.sxm" if over else ""]

    def _scan_framedatagrab(self, channel: int, forward: int) -> Any:
        if not 0 <= channel < len(self.signals):
            raise Refused(f"no channel {channel}")
        if self._said:
            raise Refused(self._said)
        _, pixels, lines = self._buffer
        name, scale = self.signals[channel], _CHANNELS[self._channels[channel]][1]
        if self._image is None or not self._image.channels:
            return [name, np.full((lines, pixels), np.nan), 1]
        return [name, self._image.channels[self._channels[channel]].values / scale, 1]

    def _biasspectr_open(self) -> None:
        pass

    def _biasspectr_chsset(self, channels: Any) -> None:
        pass  # whatever the twin measures is returned

    def _biasspectr_propsset(self, save: int, sweeps: int, back: int, points: int, *more: Any) -> None:
        self._sweeps = sweeps or self._sweeps

    def _biasspectr_timingset(self, *timing: float) -> None:
        pass  # the segments say how long a point takes

    def _biasspectr_limitsset(self, start_V: float, end_V: float) -> None:
        raise Refused("only multi-line segments (MLS) are modelled")

    def _biasspectr_mlsmodeset(self, mode: str) -> None:
        self._mode = mode

    def _biasspectr_mlsvalsset(self, count: int, *lists: Any) -> None:
        start, end = (np.clip(volts, -self._clamp_V, self._clamp_V) for volts in lists[:2])
        self._segments = [start, end, lists[3] + lists[4], lists[5]]

    def _biasspectr_start(self, get_data: int, name: str) -> Any:
        if self._mode != "MLS" or not self._segments:
            raise Refused("set MLS mode and its segments first: nothing else is modelled")
        self._stop.clear()
        self._sweeping = True
        try:
            measurement = self._acquire(self._sweep())
        finally:
            self._sweeping = False
        return _spectrum(measurement) if get_data else [[], np.zeros((0, 0)), []]

    def _sweep(self) -> Request:
        start, end, dwell_s, steps = self._segments
        dwell, points = _float(float(dwell_s[0])), int(steps.sum())
        if len(start) == 3 and start[0] == end[2] == 0 and end[0] == start[1] > end[1] == start[2]:
            low, high = _float(float(end[1])), _float(float(end[0]))
            return BiasSpectroscopy(self._here_nm(), low, high, points, dwell, self._sweeps)
        volts = np.concatenate([np.linspace(*ends) for ends in zip(start, end, steps, strict=True)])
        return BiasWaveform(self._here_nm(), tuple(map(_float, np.tile(volts, self._sweeps).tolist())), dwell)

    def _biasspectr_stop(self) -> None:
        self._stop.set()

    def _biasspectr_statusget(self) -> Any:
        return [int(self._sweeping)]

    def _here_nm(self) -> tuple[float, float]:
        return (self._xy_m[0] / _M, self._xy_m[1] / _M)

    def _wait_for_scan(self, seconds: float | None) -> bool:
        if self._scan is None:
            return True
        self._scan.join(seconds)
        return not self._scan.is_alive()


def _spectrum(measurement: Measurement) -> list[Any]:
    """Names, table and parameters of a spectroscopy; the bias leads, as on the controller."""
    channels = {name: channel for name, channel in measurement.channels.items() if name in _CHANNELS}
    if not channels:
        raise Refused(f"{measurement.request.kind} gave no signal that this protocol names")
    axis = next(iter(channels.values())).axes[0]
    rows = [axis.values, *(channel.values / _CHANNELS[name][1] for name, channel in channels.items())]
    return [[BIAS_COLUMN, *(_CHANNELS[name][0] for name in channels)], np.stack(rows), [time.time() % 1e6]]


def _float(value: float) -> float:
    """A number that came as float32, as the shortest decimal that it may have been meant as."""
    return float(str(np.float32(value)))

"""A Nanonis controller as an instrument: set, read back, act, and never take a clamped or empty answer for data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Capabilities, Field
from instruments.cost import Cost
from instruments.errors import HardwareFault, NotSupported, OutOfReach, Stopped
from instruments.measurement import Measurement
from instruments.nanonis.commands import SIGNALS
from instruments.nanonis.images import POLL_S, image
from instruments.nanonis.sweeps import sweeps
from instruments.nanonis.wires import Wires, followed
from instruments.requests import (
    Approach,
    BiasSpectroscopy,
    Request,
    ScanImage,
    SetFeedback,
    TipPath,
    TipPulse,
    Withdraw,
)
from instruments.seam import Stop
from instruments.vendor import Channels, Vendor, check_channels
from physics_priors.bounds import Bounds

_M = 1e-9
_STROKE_S, _MOST_STROKES = 0.25, 400
_OLDEST = 10_000
"""Releases of the real-time engine before this one are not known to speak these commands."""


class Nanonis(Vendor):
    """Scans, bias spectroscopy by segments, pulses, feedback, approach and withdrawal; positions in the scan frame.

    Everything that is set is read back, because the controller clamps without a word. After `make_safe` the tip is off
    the surface: the next request approaches first. Costs are computed from the settings: contact path and force are
    not known here. The line time back is that forward; frames are scanned from the lowest y up.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: Annotated[int, Bounds("", 0, 65535)] = 6501,
        *,
        timeout_s: Annotated[float, Bounds("s", 0.0, 3600.0, open_low=True)] = 30.0,
        bias_limit_V: Annotated[float, Bounds("V", 0.0, 1000.0, open_low=True)] = 10.0,
        force_limit_nN: Annotated[float, Bounds("nN", 0.0, open_low=True)] = 1000.0,
        travel_nm_s: Annotated[float, Bounds("nm/s", 0.0, open_low=True)] = 1000.0,
        approach_s: Annotated[float, Bounds("s", 0.0, 3600.0)] = 60.0,
    ) -> None:
        """A call that is not answered for `timeout_s` is lost; the longest spectroscopy must be shorter.

        After a lost call the next request connects anew and withdraws first: nobody knows what became of the tip.
        """
        super().__init__()
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._bias_limit_V, self._force_limit_nN = bias_limit_V, force_limit_nN
        self._travel_nm_s, self._approach_s = travel_nm_s, approach_s
        self._connected: Wires | None = None
        self._signals: list[str] = []
        self._at_nm = (0.0, 0.0)
        self._safe = False
        self._ways: Mapping[type[Request], Callable[[Any, Stop], Channels]] = {
            ScanImage: self._scan,
            BiasSpectroscopy: self._sweep,
            TipPulse: self._pulse,
            TipPath: self._draw,
            SetFeedback: self._regulate,
            Approach: self._approach_at,
            Withdraw: lambda request, stop: self._withdraw(),
        }

    def _connect(self) -> Capabilities:
        wires = self._connected = Wires(self._host, self._port, self._timeout_s)
        product, version, _, engine = wires.call("Util.VersionGet")
        if engine < _OLDEST:
            raise NotSupported(f"real-time engine {engine} of {product}: this driver knows {_OLDEST} and later")
        self._signals = wires.call("Signals.NamesGet")[0]
        width, height, _ = (side / _M for side in wires.call("Piezo.RangeGet"))
        channels = {SIGNALS[name][0]: SIGNALS[name][1] for name in self._signals if name in SIGNALS}
        nothing: dict[str, str] = {}
        volts = Bounds("V", -self._bias_limit_V, self._bias_limit_V)
        return Capabilities(
            name=f"nanonis {version}",
            family="SPM",
            simulated="twin" in product,
            requests=frozenset(cls.__name__ for cls in self._ways),
            field=Field((0.0, 0.0), (round(width, 3), round(height, 3))),
            channels={"ScanImage": channels, "BiasSpectroscopy": channels}
            | dict.fromkeys(("TipPulse", "TipPath", "SetFeedback", "Approach", "Withdraw"), nothing),
            limits={
                **dict.fromkeys(("low_V", "high_V", "bias_V"), volts),
                "dwell_s": Bounds("s", 1e-5, 10.0),
                "width_s": Bounds("s", 1e-6, 1000.0),
                "setpoint_nN": Bounds("nN", 0.0, self._force_limit_nN),
            },
        )

    def _check(self, request: Request, known: Capabilities) -> None:
        if isinstance(request, BiasSpectroscopy) and not request.low_V < 0 < request.high_V:
            raise OutOfReach("sweeps go through 0 V here: low_V below it, high_V above")
        if isinstance(request, ScanImage):
            check_channels(request.channels, known.channels["ScanImage"])
        if isinstance(request, SetFeedback) and None not in (request.setpoint_nN, request.setpoint_pA):
            raise NotSupported("there is one set-point here: say it as a force or as a current, not both")

    def _carry_out(self, request: Request, id: str, price: Cost, stop: Stop) -> Measurement:
        if self._wires.lost:
            self._wires.renew()
            self._withdraw()
        if self._safe and not isinstance(request, (Approach, Withdraw)):
            self._approach(stop)
        return self._measured(request, id, price, self._channels(request, stop))

    def _secure(self) -> None:
        if self._connected is None:
            return
        self._safe = True
        for name, arguments in (("Scan.Action", (1, 0)), ("BiasSpectr.Stop", ()), ("ZCtrl.Withdraw", (1, 10_000))):
            self._connected.beside(name, *arguments)

    def _disconnect(self) -> None:
        if self._connected is not None:
            self._connected.close()

    def _offset_nm(self) -> tuple[float, float]:
        """The sample's places are the scan frame's."""
        return (0.0, 0.0)

    def _cost(self, request: Request, known: Capabilities) -> Cost:
        places = request.places_nm()
        way_nm = math.dist(self._at_nm, places[0]) if len(places) else 0.0
        way_s = way_nm / self._travel_nm_s + (self._approach_s if self._safe else 0.0)
        if isinstance(request, ScanImage):
            return Cost(way_s + 2 * request.dwell_s * request.shape[0] * request.shape[1])
        if isinstance(request, BiasSpectroscopy):
            seconds = request.points * request.cycles * request.dwell_s
            return Cost(way_s + seconds, bias_V_s=request.peak_bias_V() * seconds)
        if isinstance(request, TipPulse):
            return Cost(way_s + request.width_s, bias_V_s=abs(request.bias_V) * request.width_s)
        if isinstance(request, TipPath):
            path_nm = sum(math.dist(*ends) for ends in itertools.pairwise(request.points_nm))
            seconds = path_nm / request.speed_nm_s
            return Cost(way_s + seconds, bias_V_s=abs(request.bias_V) * seconds)
        return Cost(way_s if isinstance(request, Approach) else 0.0)

    def _measured(self, request: Request, id: str, price: Cost, channels: Channels) -> Measurement:
        reached = min((_reached(channel.values) for channel in channels.values()), default=1.0)
        if reached == 0.0:
            raise Stopped(f"{request.kind} {id!r} was ended before its first row was complete")
        places = request.places_nm()
        if len(places):
            self._at_nm = (float(places[-1][0]), float(places[-1][1]))
        note = "" if reached == 1.0 else f"ended early: {100 * reached:.0f} % of {request.kind} was carried out"
        return Measurement(id, request, channels, price.scaled(reached), reached == 1.0, self._at_nm, {}, note)

    def _channels(self, request: Request, stop: Stop) -> Channels:
        try:
            return self._ways[type(request)](request, stop)
        except HardwareFault as error:
            if stop.is_set() or self._ended.is_set():
                raise Stopped(f"{request.kind} was ended: {error}") from None
            raise

    def _scan(self, request: ScanImage, stop: Stop) -> Channels:
        limit_s = 3 * self.price(request).seconds + self._timeout_s
        return image(self._wires, self._signals, request, limit_s, stop, self._ended)

    def _sweep(self, request: BiasSpectroscopy, stop: Stop) -> Channels:
        self._move(request.position_nm)
        return sweeps(self._wires, request, stop, self._ended)

    def _pulse(self, request: TipPulse, stop: Stop) -> Channels:
        self._move(request.position_nm)
        self._call("Bias.Pulse", 1, request.width_s, request.bias_V, 0, 2)
        return {}

    def _draw(self, request: TipPath, stop: Stop) -> Channels:
        """Follow the path under bias; whatever happens, the bias is taken off again."""
        first, *others = request.points_nm
        self._move(first)
        self._wires.set("FolMe.Speed", [request.speed_nm_s * _M, 1])
        try:
            self._wires.set("Bias.", [request.bias_V])
            for point in _strokes(first, others, request.speed_nm_s):
                if stop.is_set() or self._ended.is_set():
                    raise Stopped("the path was ended on its way; its first strokes are drawn")
                self._move(point)
        finally:
            self._wires.set("Bias.", [0.0])
            self._wires.set("FolMe.Speed", [request.speed_nm_s * _M, 0])
        return {}

    def _regulate(self, request: SetFeedback, stop: Stop) -> Channels:
        if request.setpoint_nN is not None:
            self._wires.set("ZCtrl.Setpnt", [request.setpoint_nN * 1e-9])
        if request.setpoint_pA is not None:
            self._wires.set("ZCtrl.Setpnt", [request.setpoint_pA * 1e-12])
        if request.proportional is not None or request.integral_Hz is not None:
            proportional, time_s, integral = self._call("ZCtrl.GainGet")
            chosen = (request.proportional, request.integral_Hz)
            gains = [new if new is not None else old for new, old in zip(chosen, (proportional, integral), strict=True)]
            self._wires.set("ZCtrl.Gain", [gains[0], time_s, gains[1]])
        self._wires.set("ZCtrl.OnOff", [int(request.on)])
        return {}

    def _approach_at(self, request: Approach, stop: Stop) -> Channels:
        if request.setpoint_nN is not None:
            self._wires.set("ZCtrl.Setpnt", [request.setpoint_nN * 1e-9])
        return self._approach(stop)

    def _approach(self, stop: Stop) -> Channels:
        self._call("AutoApproach.Open")
        self._call("AutoApproach.OnOffSet", 1)
        while self._call("AutoApproach.OnOffGet")[0]:
            if stop.is_set() or self._ended.wait(POLL_S):
                self._call("AutoApproach.OnOffSet", 0)
                raise Stopped("the approach was ended")
        self._safe = False
        return {}

    def _withdraw(self) -> Channels:
        self._call("ZCtrl.Withdraw", 1, int(1000 * self._timeout_s))
        self._safe = True
        return {}

    def _move(self, position_nm: Sequence[float]) -> None:
        x_m, y_m = (v * _M for v in position_nm)
        self._call("FolMe.XYPosSet", x_m, y_m, 1)
        followed("FolMe.XYPos", [x_m, y_m], self._call("FolMe.XYPosGet", 1))

    @property
    def _wires(self) -> Wires:
        assert self._connected is not None
        return self._connected

    def _call(self, name: str, *arguments: Any) -> list[Any]:
        return self._wires.call(name, *arguments)


def _strokes(first: Sequence[float], others: Sequence[Sequence[float]], speed_nm_s: float) -> list[list[float]]:
    """The points of a path with others between them, so that it can be stopped.

    A straight line has pieces of at most _STROKE_S each, or _MOST_STROKES longer ones.
    """
    points, at = [], np.asarray(first, float)
    for point in others:
        pieces = min(max(1, math.ceil(math.dist(at, point) / speed_nm_s / _STROKE_S)), _MOST_STROKES)
        points += [(at + (np.asarray(point) - at) * (i + 1) / pieces).tolist() for i in range(pieces)]
        at = np.asarray(point, float)
    return points


def _reached(values: NDArray[Any]) -> float:
    """The share of leading rows without a gap."""
    gaps = np.isnan(values).reshape(len(values), -1).any(axis=1)
    return 1.0 if not gaps.any() else float(np.argmax(gaps)) / len(values)

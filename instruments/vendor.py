"""What every driver of a vendor's microscope does alike: ids, refusals before anything is sent, stop, safe, close."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import numpy as np

from instruments.capabilities import Capabilities
from instruments.cost import Cost
from instruments.errors import Closed, DataInvalid, NotSupported, OutOfReach, Stopped
from instruments.measurement import Channel, Measurement
from instruments.requests import Request
from instruments.seam import Stop
from physics_priors.bounds import Bounds

Channels = Mapping[str, Channel]
_KEPT = 256


class Vendor(ABC):
    """An instrument that is connected at the first question; it fulfils `instruments.seam.Instrument`.

    The last 256 measurements are kept. An id that was carried out before those is never carried out again: it raises
    DataInvalid. `_ended` is set by `make_safe`, until the next request begins.
    """

    def __init__(self) -> None:
        self._busy, self._opening = threading.RLock(), threading.RLock()
        self._ended, self._closed = threading.Event(), False
        self._known: Capabilities | None = None
        self._done: OrderedDict[str, Measurement] = OrderedDict()
        self._forgotten: set[str] = set()

    def describe(self) -> Capabilities:
        with self._opening:
            if self._closed:
                raise Closed(f"{type(self).__name__} was closed: open a new one")
            if self._known is None:
                self._known = self._connect()
            return self._known

    def price(self, request: Request) -> Cost:
        known = self.describe()
        request.__post_init__()  # a frozen request can still be forged
        if request.kind not in known.requests:
            raise NotSupported(f"{known.name} has no {request.kind}; it has {', '.join(sorted(known.requests))}")
        for name, allowed in known.limits.items():
            check_limit(name, getattr(request, name, None), allowed)
        places, (x, y) = request.places_nm(), self._offset_nm()
        if len(places) and not known.field.contains(places + np.array([x, y])):
            moved = f", for a sample that was moved by ({x:g}, {y:g}) nm" if x or y else ""
            raise OutOfReach(f"{request.kind} reaches beyond {known.field}{moved}")
        self._check(request, known)
        return self._cost(request, known)

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        with self._busy:
            known = self.lookup(id)
            if known is not None:
                return known
            price = self.price(request)
            self._ended.clear()
            if stop.is_set():
                raise Stopped(f"{request.kind} {id!r} was ended before it began")
            measurement = self._done[id] = self._carry_out(request, id, price, stop)
            while len(self._done) > _KEPT:
                self._forgotten.add(self._done.popitem(last=False)[0])
            return measurement

    def lookup(self, id: str) -> Measurement | None:
        """Raises DataInvalid where it was carried out, but its measurement is no longer kept."""
        self.describe()
        if id in self._forgotten:
            raise DataInvalid(f"{id!r} was carried out, but only the last {_KEPT} measurements are kept: use a new id")
        return self._done.get(id)

    def make_safe(self) -> None:
        if not self._closed:
            self._ended.set()
            self._secure()

    def close(self) -> None:
        if self._closed:
            return
        try:
            self.make_safe()
        finally:
            self._closed = True
            self._disconnect()

    @abstractmethod
    def _connect(self) -> Capabilities:
        """Reach the microscope and ask what it can do."""

    @abstractmethod
    def _check(self, request: Request, known: Capabilities) -> None:
        """Raise NotSupported or OutOfReach beyond kinds, limits and field, before anything is sent."""

    @abstractmethod
    def _cost(self, request: Request, known: Capabilities) -> Cost:
        """Worst-case cost of a request that passed."""

    @abstractmethod
    def _carry_out(self, request: Request, id: str, price: Cost, stop: Stop) -> Measurement:
        """What it measured; raises Stopped where `stop` or `_ended` left nothing."""

    @abstractmethod
    def _secure(self) -> None:
        """Blank or withdraw, from any thread; nothing where it was never connected."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close what `_connect` opened."""

    @abstractmethod
    def _offset_nm(self) -> tuple[float, float]:
        """What is added to a place of the sample to get the place in the field."""


def check_limit(name: str, value: float | tuple[float, ...] | None, allowed: Bounds) -> None:
    """Raise OutOfReach where a value, or one of several, lies outside its limit; None is none."""
    for number in value if isinstance(value, tuple) else () if value is None else (value,):
        if not allowed.contains(number):
            raise OutOfReach(f"{name}={number:g} is outside {allowed}")


def check_channels(wanted: Iterable[str], known: Iterable[str]) -> None:
    """Raise NotSupported where a channel is wanted that there is not."""
    unknown = set(wanted) - set(known)
    if unknown:
        raise NotSupported(f"no channel {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")

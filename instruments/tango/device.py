"""A Tango device, with errors of ours and everything that is written read back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from instruments.column.beam import followed
from instruments.errors import ConnectionLost, HardwareFault, InstrumentError, NotSupported, OutOfReach
from physics_priors.bounds import Bounds

_LOST = ("API_CantConnectToDevice", "API_DeviceNotExported", "API_ConnectionFailed", "API_CorbaException")
_LATE = "API_DeviceTimedOut"
_BEYOND = ("API_WAttrOutsideLimit", "API_AttrValueOutsideLimit")
_NO_SUCH = ("UnsupportedCommand", "API_CommandNotFound", "API_AttrNotFound", "API_AttrNotWritable")


class Device:
    """One device by its address, with or without a database; a call that takes longer than `timeout_s` is a fault."""

    def __init__(self, address: str, timeout_s: float) -> None:
        try:
            import tango
        except ImportError as error:
            raise NotSupported(f"this Python has no tango ({error}): install the extra tango") from None
        self.address = address
        self._tango = tango
        self._proxy: Any = self._done("connecting", lambda: tango.DeviceProxy(address))
        self._proxy.set_timeout_millis(math.ceil(1000 * timeout_s))
        self._done("ping", self._proxy.ping)

    def attributes(self) -> list[str]:
        """Names of what can be read."""
        return sorted(self._done("attributes", self._proxy.get_attribute_list))

    def commands(self) -> list[str]:
        """Names of what can be asked."""
        listed = self._done("commands", self._proxy.command_list_query)
        return sorted(str(one.cmd_name) for one in listed)

    def has(self, attribute: str) -> bool:
        """Whether there is such an attribute; Tango does not tell upper from lower case."""
        return attribute.lower() in (name.lower() for name in self.attributes())

    def limits(self, attribute: str) -> Bounds:
        """Unit and interval that the device itself holds an attribute to."""
        about = self._done(attribute, lambda: self._proxy.get_attribute_config(attribute))
        return Bounds(str(about.unit), _number(about.min_value, -math.inf), _number(about.max_value, math.inf))

    def writable(self, attribute: str) -> bool:
        """Whether it says that it can be written."""
        about = self._done(attribute, lambda: self._proxy.get_attribute_config(attribute))
        return bool(about.writable != self._tango.AttrWriteType.READ)

    def read(self, attribute: str) -> Any:
        """Its value."""
        return self._done(attribute, lambda: self._proxy.read_attribute(attribute).value)

    def write(self, attribute: str, value: Any) -> None:
        """Write it and read it back; raises HardwareFault where it did not follow."""
        self._done(attribute, lambda: self._proxy.write_attribute(attribute, value))
        got = self.read(attribute)
        for wanted, now in zip(np.ravel(value).tolist(), np.ravel(got).tolist(), strict=True):
            followed(f"{self.address} {attribute}", float(wanted), float(now))

    def call(self, command: str, *argument: Any) -> Any:
        """The answer of a command."""
        return self._done(command, lambda: self._proxy.command_inout(command, *argument))

    def _done(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except self._tango.DevFailed as error:
            raise _ours(f"{self.address} {what}", error) from None


def _ours(what: str, error: Any) -> InstrumentError:
    """The first reason of Tango's stack of errors, as the kind of error that it is here."""
    first = error.args[0]
    reasons = [str(one.reason) for one in error.args]
    said = f"{what}: {first.reason}: {' '.join(str(first.desc).split())}"
    if _LATE in reasons:
        return HardwareFault(f"{what} was not answered in time")
    if any(reason in _BEYOND for reason in reasons):
        return OutOfReach(said)
    if any(reason in _NO_SUCH for reason in reasons):
        return NotSupported(said)
    if any(reason in _LOST for reason in reasons):
        return ConnectionLost(said)
    return HardwareFault(said)


def _number(text: Any, otherwise: float) -> float:
    """Limits are text, and "Not specified" where there are none."""
    try:
        return float(text)
    except ValueError:
        return otherwise

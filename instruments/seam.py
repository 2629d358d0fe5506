"""The seam between decisions and hardware: six methods, and four more for a twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from instruments.capabilities import Capabilities
from instruments.cost import Cost
from instruments.measurement import Measurement
from instruments.requests import Request


class Stop(Protocol):
    """Asks whether the request in progress shall end early; `threading.Event` fulfils it."""

    def is_set(self) -> bool:
        """True once a stop was asked for."""
        ...


@runtime_checkable
class Instrument(Protocol):
    """Everything that can be asked of a microscope."""

    def describe(self) -> Capabilities:
        """What it can do; constant while the instrument is open."""
        ...

    def price(self, request: Request) -> Cost:
        """Worst-case cost, travel from the present place included, before anything moves.

        Raises NotSupported, OutOfReach, CalibrationUnknown.
        """
        ...

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        """Carry the request out and block, in chunks; `stop` ends it early with what there is.

        An id seen before returns the same measurement again and does nothing. Raises as `price`, and Stopped,
        HardwareFault, ConnectionLost, Closed.
        """
        ...

    def lookup(self, id: str) -> Measurement | None:
        """What became of the command with this id; None where it was never carried out."""
        ...

    def make_safe(self) -> None:
        """Blank the beam or withdraw the tip, from any thread, also while `acquire` blocks."""
        ...

    def close(self) -> None:
        """End threads and leave the instrument safe; may be called twice."""
        ...


@runtime_checkable
class Twin(Instrument, Protocol):
    """A simulator that behaves like an instrument; `truth` is for the benchmark alone."""

    def reset(self, seed: int, scenario: Mapping[str, Any]) -> None:
        """A fresh sample drawn from `seed` under `scenario`; raises DataInvalid on an unknown scenario key."""
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """All that changes after `reset`, as plain values and arrays; small."""
        ...

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go back to a snapshot taken after a `reset` with the same seed and scenario."""
        ...

    def truth(self) -> Mapping[str, Any]:
        """What only a twin knows: noise-free maps and hidden parameters."""
        ...

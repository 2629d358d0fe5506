"""Two connections to one controller: one for what is done, and one beside it, which is free while the first waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from instruments.errors import HardwareFault
from instruments.nanonis.connection import Connection


class Wires:
    """Raises ConnectionLost where no controller answers."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._where, self.timeout_s = (host, port, timeout_s), timeout_s
        self._open, self._beside = Connection(*self._where), Connection(*self._where)

    @property
    def lost(self) -> bool:
        """Whether a call was lost: what became of it is not known."""
        return bool(self._open.broken)

    def renew(self) -> None:
        """Connect anew where a call was lost."""
        self._open = self._working(self._open)

    def call(self, name: str, *arguments: Any) -> list[Any]:
        """What a command returns."""
        return self._open.call(name, *arguments)

    def beside(self, name: str, *arguments: Any) -> list[Any]:
        """The same on the other connection, from any thread; it connects anew where a call was lost."""
        self._beside = self._working(self._beside)
        return self._beside.call(name, *arguments)

    def set(self, name: str, values: Sequence[Any]) -> None:
        """Set, and read back what became of it; raises HardwareFault where it did not follow."""
        self.call(name + "Set", *values)
        followed(name, values, self.call(name + "Get"))

    def close(self) -> None:
        """Close both; calls that are out end with an error."""
        self._open.close()
        self._beside.close()

    def _working(self, connection: Connection) -> Connection:
        return Connection(*self._where) if connection.broken else connection


def followed(name: str, asked: Sequence[Any], got: Sequence[Any]) -> None:
    """Raise HardwareFault where what is read is not what was asked for: the controller clamps without a word."""
    for one, other in zip(asked, got, strict=True):
        one, other = (np.asarray(value, np.float64) for value in (one, other))
        if one.shape != other.shape or np.any(np.abs(one - other) > 1e-12 + 1e-5 * np.abs(one)):
            raise HardwareFault(f"{name} was set to {list(asked)} and reads {list(got)}: the controller clamped it")

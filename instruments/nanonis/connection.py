"""One TCP connection to a Nanonis controller: a call, its answer, and errors that are raised instead of printed."""

from __future__ import annotations

import socket
import threading
from typing import Any

from instruments.errors import Closed, ConnectionLost, DataInvalid, HardwareFault
from instruments.nanonis.codec import HEADER, Reader, body_of, parse_header, request_header
from instruments.nanonis.commands import COMMANDS


class Connection:
    """Calls one at a time, from any thread; after a lost or garbled answer it is closed and must be made anew."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._where = f"{host}:{port}"
        self._lock = threading.Lock()
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise ConnectionLost(f"no Nanonis controller answers at {self._where}: {error}") from None
        self._socket.settimeout(timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.broken = ""

    def call(self, name: str, *arguments: Any) -> list[Any]:
        """What a command returns; raises HardwareFault with the controller's words, ConnectionLost, DataInvalid."""
        takes, returns = COMMANDS[name]
        body = body_of(takes, arguments)
        with self._lock:
            if self.broken:
                raise Closed(f"the connection to {self._where} is of no more use: {self.broken}")
            try:
                self._socket.sendall(request_header(name, len(body)) + body)
                answered, size, _ = parse_header(self._receive(HEADER))
                answer = self._receive(size)
                if answered != name:
                    raise DataInvalid(f"{self._where} answered {answered!r} to {name}")
            except (OSError, DataInvalid) as error:
                self.broken = str(error)
                self._socket.close()
                if isinstance(error, DataInvalid):
                    raise
                raise ConnectionLost(f"{self._where} was lost in the middle of {name}: {error}") from None
        return _values(name, returns, answer)

    def close(self) -> None:
        """Close it; a call that is out ends with an error."""
        self.broken = self.broken or "it was closed"
        self._socket.close()

    def _receive(self, size: int) -> bytes:
        """Exactly so many bytes: TCP hands them over in pieces as it likes."""
        parts = bytearray()
        while len(parts) < size:
            piece = self._socket.recv(size - len(parts))
            if not piece:
                raise OSError("the other end closed the connection")
            parts += piece
        return bytes(parts)


def _values(name: str, returns: str, answer: bytes) -> list[Any]:
    """Values and trailer of an answer; with an error there may be values before the trailer, or none."""
    error = _error(Reader(answer))
    if error:
        raise HardwareFault(f"{name}: {error}")
    reader = Reader(answer)
    values = reader.values(returns)
    error = _error(reader)
    if error is None:
        raise DataInvalid(f"{name} came without status, or with more than it returns")
    if error:
        raise HardwareFault(f"{name}: {error}")
    return values


def _error(reader: Reader) -> str | None:
    """The description where what is left is a trailer and nothing more; '' for none, None where it is no trailer."""
    if reader.left < 8:
        return None
    status, size = reader.values("I i")
    if size != reader.left or status not in (0, 1):
        return None
    said = reader.take(size).decode("utf-8", "replace")
    return (said or "an error without a description") if status else ("" if not said else None)

"""One writer at a time: a lease that ends unless its holder is heard of; monotonic time only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from instruments.bridge.spoken import LeaseLost


@dataclass
class _Held:
    token: bytes
    session: bytes
    name: str
    until_s: float


class Lease:
    """The right to act on the instrument; whoever holds it is heard of at least every `length_s` seconds."""

    def __init__(self, length_s: float) -> None:
        self.length_s = length_s
        self._held: _Held | None = None
        self._ended = ""

    @property
    def holder(self) -> str:
        """Name of who holds it; empty where nobody does."""
        return "" if self._held is None else self._held.name

    @property
    def until_s(self) -> float:
        """When it ends, in monotonic seconds; infinite where nobody holds it."""
        return float("inf") if self._held is None else self._held.until_s

    def take(self, session: bytes, name: str, now_s: float) -> bytes:
        """The token of a new lease, or of the one that this session holds; raises LeaseLost where another holds it."""
        held = self._held
        if held is not None and held.session != session:
            raise LeaseLost(f"the instrument is in use by {held.name!r}; watching is possible, acting is not")
        token = held.token if held is not None else secrets.token_bytes(16)
        self._held, self._ended = _Held(token, session, name, now_s + self.length_s), ""
        return token

    def hear(self, session: bytes, token: bytes, now_s: float) -> bool:
        """Note that the holder was heard of; whether it was the holder."""
        held = self._held
        if held is None or held.session != session or not secrets.compare_digest(held.token, token):
            return False
        held.until_s = now_s + self.length_s
        return True

    def require(self, session: bytes, token: bytes, now_s: float) -> None:
        """Raise LeaseLost, and say why, unless this session holds the lease."""
        if self.hear(session, token, now_s):
            return
        if not token:
            raise LeaseLost("this client only watches: it has taken no lease")
        if self._held is not None:
            raise LeaseLost(f"the lease is no longer yours: the instrument is in use by {self._held.name!r}")
        raise LeaseLost(f"the lease is over: {self._ended or 'the server was started anew'}")

    def end(self, why: str) -> None:
        """Take the lease away; `why` is what a late command is told."""
        self._held, self._ended = None, why

"""How the threads beside the server's loop tell it what they have finished, or do its part while it rests."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import zmq

_ADDRESS = "inproc://bell"
_SOON_S = 5e-4
"""How long the loop waits for a call that may be done at once, before it looks at its sockets again."""


class Bell:
    """What is finished, and a bell that ends the loop's wait at its socket.

    Whoever finishes says so before looking whether the loop listens, and the loop looks at what is finished after it
    has stopped to listen: nothing is missed. While it listens it touches nothing of its own, its socket included: who
    is done by then answers in its place, which spares the turn of a thread.
    """

    def __init__(self, context: zmq.Context[Any], router: zmq.Socket[Any]) -> None:
        self._context = context
        router.bind(_ADDRESS)
        self._word = secrets.token_bytes(16)
        """What the bell says: nobody else knows it."""
        self._rings: dict[int, zmq.Socket[Any]] = {}
        self._finished: deque[tuple[str, Any]] = deque()
        self._listens, self._knock, self._loop = False, threading.Lock(), threading.Lock()
        self._knock.acquire()
        self._loop.acquire()

    def ring(self, kind: str, done: Any) -> None:
        """Called by the other threads: hand something to the loop, so that it looks."""
        self._finished.append((kind, done))
        if self._listens:
            self._do_knock()
            return
        ring = self._rings.get(threading.get_ident())
        if ring is None:
            ring = self._rings[threading.get_ident()] = self._context.socket(zmq.DEALER)
            ring.connect(_ADDRESS)
        ring.send(self._word)

    @contextlib.contextmanager
    def in_its_place(self) -> Iterator[bool]:
        """Called by the other threads: whether the loop rests, so that what is its own may be used in here."""
        if not self._loop.acquire(blocking=False):
            yield False
            return
        try:
            yield True
        finally:
            self._loop.release()
            self._do_knock()

    def is_ring(self, frames: Any) -> bool:
        """Whether a message is the bell's."""
        return len(frames) == 1 and bool(frames[0].bytes == self._word)

    def finished(self) -> Iterator[tuple[str, Any]]:
        """What was finished since, each once."""
        while self._finished:
            yield self._finished.popleft()

    def attend(self) -> None:
        """From now on finishing is to knock; `listen` has to follow."""
        self._knock.acquire(blocking=False)  # one that came too late
        self._listens = not self._finished

    def listen(self) -> None:
        """Wait a moment for a knock: a bell costs more than most calls that are done at once."""
        if self._listens:
            self._loop.release()
            self._knock.acquire(timeout=_SOON_S)
            self._loop.acquire()
            self._listens = False

    def _do_knock(self) -> None:
        with contextlib.suppress(RuntimeError):  # somebody else knocked at the same time
            self._knock.release()

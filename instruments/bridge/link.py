"""The client's way to a server: numbered calls that are asked again until they are answered, and never done twice."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from zmq.utils.monitor import recv_monitor_message

from instruments.bridge.keys import ClientKeys, read_client_keys, unlock_socket
from instruments.bridge.sockets import receive, send, wait_awake
from instruments.bridge.spoken import error_from_plain
from instruments.bridge.wire import Call, Malformed, Reply, pack_call, unpack_reply
from instruments.errors import Closed, ConnectionLost, DataInvalid, Refused
from instruments.seam import Stop

_LOOK_MS = 10
"""How often `stop` is asked while a call is out."""
_IN_FLIGHT = 8
_AWAKE_S = 1e-3
"""How long an answer is waited for without going to sleep: a processor that slept is slow to go on, by as much as most
answers take."""
Progress = Callable[[int, int], None]
"""Told bytes received and bytes in all, while a large result comes in."""


class Link:
    """Sockets to one server. Every call takes a socket of its own, so that any thread may call at any time."""

    def __init__(self, address: str, keys: Path | None, patience_s: float) -> None:
        self.address, self.patience_s = address, patience_s
        self.session = secrets.token_bytes(16)
        self.boot: bytes | None = None
        """Which life of the server was last heard of."""
        self._keys: ClientKeys | None = None if keys is None else read_client_keys(keys)
        self.progress: Progress | None = None
        self._made: zmq.Context[Any] | None = None
        self._free: deque[zmq.Socket[Any]] = deque()
        self._numbers = itertools.count(1)
        self._closed = False

    def call(
        self,
        op: str,
        body: Mapping[str, Any] | None = None,
        *,
        lease: bytes = b"",
        deadline_s: float | None = None,
        stop: Stop | None = None,
        boot: bytes | None = None,
    ) -> Any:
        """The result of a call; raises what the server says, ConnectionLost where it says nothing, Closed.

        `boot` names the life of the server that is meant: one that was started anew is ConnectionLost.
        """
        if self._closed:
            raise Closed(f"the connection to {self.address} was closed: open a new one")
        call = self.numbered(op, body or {}, lease, deadline_s)
        socket = self._socket()
        try:
            reply = _Asked(self, socket, call, stop, boot).answer()
        except BaseException:
            socket.close(linger=0)  # what may still come on it is an answer to nobody
            raise
        self._free.append(socket)
        if reply.kind == "error":
            raise error_from_plain(reply.value)
        return reply.value

    def greet(self, name: str) -> Mapping[str, Any]:
        """Say hello; raises Refused in words where keys do not fit, ConnectionLost where nobody answers."""
        socket = self._socket(fresh=True)
        monitor = socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_SUCCEEDED
        )
        call = self.numbered("hello", {"name": name})
        try:
            reply = _Asked(self, socket, call, None, None, refused=lambda: self._refused(monitor)).answer()
        finally:
            socket.disable_monitor()
            monitor.close(linger=0)
            socket.close(linger=0)
        if reply.kind == "error":
            raise error_from_plain(reply.value)
        return dict(reply.value)

    def numbered(self, op: str, body: Mapping[str, Any], lease: bytes = b"", deadline_s: float | None = None) -> Call:
        """A call with the next number."""
        return Call(op, self.session, next(self._numbers), lease, deadline_s, body)

    def close(self) -> None:
        """Close all sockets; calls that are out end with an error."""
        self._closed = True
        if self._made is not None:
            self._made.destroy(linger=0)

    def received(self, got: int, whole: int) -> None:
        """Tell whoever wants to know how much of a large result is here."""
        if self.progress is not None:
            self.progress(got, whole)

    @property
    def _context(self) -> zmq.Context[Any]:
        """Made when first used: a link that nobody asks anything of has no threads."""
        if self._made is None:
            self._made = zmq.Context()
        return self._made

    def _socket(self, fresh: bool = False) -> zmq.Socket[Any]:
        if not fresh:
            with contextlib.suppress(IndexError):
                return self._free.pop()
        socket: zmq.Socket[Any] = self._context.socket(zmq.DEALER)
        socket.linger, socket.rcvtimeo = 0, _LOOK_MS
        socket.heartbeat_ivl, socket.heartbeat_timeout = 1000, 3000
        socket.reconnect_ivl, socket.reconnect_ivl_max = 50, 1000
        if self._keys is not None:
            unlock_socket(socket, self._keys)
        if not fresh:
            socket.connect(self.address)
        return socket

    def _refused(self, monitor: zmq.Socket[Any]) -> None:
        """Raise Refused where the handshake failed: without this, keys that do not fit look like silence."""
        while monitor.poll(0):
            event = recv_monitor_message(monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                continue
            if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                why = "this key is not among its clients (on the server: probewright serve keys FOLDER NAME)"
            elif self._keys is None:
                why = "it wants a key and this client has none: set keys to the file that `serve keys` made"
            else:
                why = "it does not accept the key: it has none itself, or another than this client's file names"
            raise Refused(f"{self.address} refused the connection: {why}")


class _Asked:
    """One call on one socket until it is answered."""

    def __init__(
        self,
        link: Link,
        socket: zmq.Socket[Any],
        call: Call,
        stop: Stop | None,
        boot: bytes | None,
        refused: Callable[[], None] | None = None,
    ) -> None:
        self._link, self._socket, self._call, self._stop, self._boot = link, socket, call, stop, boot
        self._refused = refused
        self._stopped = False
        self._heard_s = self._sent_s = 0.0

    def answer(self) -> Reply:
        if self._refused is not None:
            self._socket.connect(self._link.address)
        self._heard_s = time.monotonic()
        self._send()
        wait_awake(self._socket, _AWAKE_S)
        while True:
            self._heed_stop()
            reply = self._read()
            if reply is not None:
                return self._whole(*reply.value) if reply.kind == "parts" else reply
            self._insist()

    def _send(self) -> None:
        self._sent_s = time.monotonic()
        try:
            frames = pack_call(self._call)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataInvalid(f"{self._call.op} cannot be sent: {error}") from None
        self._try_send(frames)

    def _try_send(self, frames: Any) -> None:
        with contextlib.suppress(zmq.Again):  # nobody at the other end; it is sent again in a second
            send(self._socket, frames)

    def _heed_stop(self) -> None:
        if self._stop is None or not self._stop.is_set() or self._stopped:
            return
        self._stopped = True
        body = {"id": self._call.body.get("id")}
        self._try_send(pack_call(self._link.numbered("stop", body, self._call.lease)))

    def _read(self) -> Reply | None:
        """The answer to this call; None for silence, for progress and for answers to others."""
        try:
            reply = unpack_reply(receive(self._socket))
        except zmq.Again:
            return None
        except Malformed as error:
            raise ConnectionLost(f"{self._link.address} does not speak this protocol: {error}") from None
        self._heard_s, self._link.boot = time.monotonic(), reply.boot
        if self._boot is not None and reply.boot != self._boot:
            raise ConnectionLost(f"the server at {self._link.address} was started anew in the meantime")
        if reply.seq == 0 and reply.kind == "error":
            raise error_from_plain(reply.value)
        return reply if reply.seq == self._call.seq and reply.kind != "progress" else None

    def _insist(self) -> None:
        now = time.monotonic()
        if self._refused is not None:
            self._refused()
        if now - self._heard_s > self._link.patience_s:
            raise ConnectionLost(
                f"{self._link.address} has not answered for {self._link.patience_s:g} s: is the server running, "
                "the cable in?"
            )
        if now - self._sent_s > 1.0:
            self._send()

    def _whole(self, sizes: list[int], chunk_bytes: int) -> Reply:
        """A large answer, fetched in pieces, several of them on their way at a time."""
        frames = [np.empty(size, np.uint8) for size in sizes]
        whole, got = sum(sizes), 0
        places = _places(sizes, chunk_bytes)
        out: dict[int, tuple[int, int]] = {}
        while got < whole:
            while len(out) < _IN_FLIGHT and (place := next(places, None)) is not None:
                body = {"of": self._call.seq, "frame": place[0], "from": place[1]}
                call = self._link.numbered("part", body, self._call.lease)
                out[call.seq] = place
                self._try_send(pack_call(call))
            if not self._socket.poll(int(self._link.patience_s * 1000)):
                raise ConnectionLost(f"{self._link.address} fell silent in the middle of a large result")
            got += self._piece(frames, out)
            self._link.received(got, whole)
        return unpack_reply(frames)

    def _piece(self, frames: list[Any], out: dict[int, tuple[int, int]]) -> int:
        came = receive(self._socket)
        reply = unpack_reply(came[:1])
        place = out.pop(reply.seq, None)
        if place is None:
            return 0
        if reply.kind == "error":
            raise error_from_plain(reply.value)
        (frame, start), piece = place, came[1].buffer
        frames[frame][start : start + len(piece)] = np.frombuffer(piece, np.uint8)
        return len(piece)


def _places(sizes: list[int], chunk_bytes: int) -> Any:
    return ((i, start) for i, size in enumerate(sizes) for start in range(0, size, chunk_bytes))

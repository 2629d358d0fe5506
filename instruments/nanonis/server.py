"""A server of the Nanonis TCP protocol over an instrument of ours, for loopback: the protocol knows no keys."""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import Any

from instruments.errors import DataInvalid, InstrumentError
from instruments.nanonis.codec import HEADER, Reader, answer_header, body_of, parse_header, trailer
from instruments.nanonis.commands import COMMANDS
from instruments.nanonis.controller import Controller, Refused


class NanonisServer:
    """Listens on 127.0.0.1; each connection has a thread, and what they ask goes to one controller."""

    def __init__(self, controller: Controller, port: int = 0) -> None:
        """Port 0 takes any that is free; raises OSError where `port` is in use."""
        self.controller = controller
        self._server = _Listener(("127.0.0.1", port), _Handler)
        self._server.controller = controller
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="nanonis", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """End all connections and threads, and the controller."""
        self._server.shutdown()
        self._thread.join()
        self.controller.close()
        self._server.hang_up()
        self._server.server_close()


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    controller: Controller

    def __init__(self, *arguments: Any) -> None:
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(*arguments)

    def joined(self, connection: socket.socket) -> None:
        """Note a connection and its thread."""
        self._open[connection] = threading.current_thread()

    def left(self, connection: socket.socket) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)

    def hang_up(self) -> None:
        """End every connection and wait for its thread."""
        for connection, thread in list(self._open.items()):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                thread.join(10)


class _Handler(socketserver.BaseRequestHandler):
    server: _Listener

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.joined(self.request)
        try:
            while (header := self._receive(HEADER)) is not None:
                name, size, wanted = parse_header(header)
                body = self._receive(size)
                if body is None:
                    return
                answer = _answer(self.server.controller, name, body)
                if wanted:
                    self.request.sendall(answer_header(header[:32], len(answer)) + answer)
        except (OSError, DataInvalid):
            return  # what is no longer a conversation is ended
        finally:
            self.server.left(self.request)

    def _receive(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            piece = self.request.recv(size - len(parts))
            if not piece:
                return None
            parts += piece
        return bytes(parts)


def _answer(controller: Controller, name: str, body: bytes) -> bytes:
    """Values and trailer; with an error the trailer alone."""
    if name not in COMMANDS:
        return trailer(f"unknown command {name}")
    takes, returns = COMMANDS[name]
    controller.heard[name] += 1
    try:
        values = controller.handlers[name](*Reader(body).values(takes))
        return body_of(returns, values or []) + trailer()
    except (Refused, InstrumentError, ValueError) as error:
        return trailer(str(error))

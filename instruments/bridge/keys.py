"""CURVE keys in files, and the ZAP handler that knows which clients may connect: encryption alone lets strangers in."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from instruments.errors import DataInvalid

DOMAIN = b"probewright"
_SERVER, _CLIENTS = "server.json", "clients"


@dataclass(frozen=True)
class ServerKeys:
    """The server's own pair (z85), and the folder of public keys of the clients that it lets in."""

    public: bytes
    secret: bytes
    clients: Path


@dataclass(frozen=True)
class ClientKeys:
    """A client's pair and the public key of the one server it trusts (z85)."""

    public: bytes
    secret: bytes
    server: bytes


def make_server_keys(folder: Path) -> Path:
    """Make the server's pair and an empty list of clients in `folder`; raises DataInvalid where there is a pair."""
    (folder / _CLIENTS).mkdir(parents=True, exist_ok=True)
    public, secret = zmq.curve_keypair()
    _write_secret(folder / _SERVER, {"public": public.decode(), "secret": secret.decode()})
    return folder / _SERVER


def make_client_keys(folder: Path, name: str) -> Path:
    """Make a client's file, to be carried to the client, and let it in; raises DataInvalid where the name is taken."""
    server = read_server_keys(folder)
    public, secret = zmq.curve_keypair()
    path = folder / f"{name}.json"
    plain = {"name": name, "public": public.decode(), "secret": secret.decode(), "server": server.public.decode()}
    _write_secret(path, plain)
    (folder / _CLIENTS / f"{name}.public").write_text(public.decode() + "\n", encoding="ascii")
    return path


def read_server_keys(folder: Path) -> ServerKeys:
    """The keys that `make_server_keys` made; raises DataInvalid."""
    plain = _read(folder / _SERVER, ("public", "secret"))
    return ServerKeys(plain["public"], plain["secret"], folder / _CLIENTS)


def read_client_keys(path: Path) -> ClientKeys:
    """The keys that `make_client_keys` made; raises DataInvalid."""
    plain = _read(path, ("public", "secret", "server"))
    return ClientKeys(plain["public"], plain["secret"], plain["server"])


def known_clients(folder: Path) -> Mapping[bytes, str]:
    """Name by public key (z85) of the clients in a folder; read anew each time: removing a file shuts a client out."""
    return {path.read_text(encoding="ascii").strip().encode(): path.stem for path in folder.glob("*.public")}


class Doorkeeper:
    """A thread that answers ZAP requests of one context's server sockets: only known clients come in (ZeroMQ RFC 27).

    `close` ends it.
    """

    def __init__(self, context: zmq.Context[Any], keys: ServerKeys, refused: Callable[[str], None]) -> None:
        self._socket = context.socket(zmq.REP)
        self._socket.bind("inproc://zeromq.zap.01")
        self._keys, self._refused = keys, refused
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="bridge-door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ending = True
        self._thread.join()

    def _run(self) -> None:
        while not self._ending:
            if self._socket.poll(100):
                self._answer()
        self._socket.close(linger=0)

    def _answer(self) -> None:
        frames = self._socket.recv_multipart()
        number = frames[1] if len(frames) > 1 else b""
        code, text, user = self._verdict(frames)
        self._socket.send_multipart([b"1.0", number, code, text, user, b""])

    def _verdict(self, frames: Any) -> Any:
        if len(frames) != 7 or frames[0] != b"1.0" or frames[2] != DOMAIN or frames[5] != b"CURVE":
            self._refused("no CURVE client of this domain")
            return b"400", b"only CURVE clients of this domain", b""
        name = known_clients(self._keys.clients).get(z85.encode(frames[6]))
        if name is None:
            self._refused(f"unknown key, from {frames[3].decode(errors='replace')}")
            return b"400", b"this key is not among the clients of this server", b""
        return b"200", b"", name.encode()


def guard_socket(socket: zmq.Socket[Any], keys: ServerKeys) -> None:
    """Make a server socket speak CURVE and ask the doorkeeper."""
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret
    socket.zap_domain = DOMAIN


def unlock_socket(socket: zmq.Socket[Any], keys: ClientKeys) -> None:
    """Make a client socket speak CURVE to its server."""
    socket.curve_serverkey = keys.server
    socket.curve_publickey, socket.curve_secretkey = keys.public, keys.secret


def _write_secret(path: Path, plain: Mapping[str, str]) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise DataInvalid(f"{path} exists: keys are not overwritten, remove it first") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        json.dump(plain, file, indent=1)


def _read(path: Path, names: Any) -> Mapping[str, bytes]:
    try:
        plain = json.loads(path.read_text(encoding="ascii"))
        keys = {name: str(plain[name]).encode("ascii") for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataInvalid(f"{path} is no key file ({type(error).__name__}: {error}); make one: serve keys") from None
    if any(len(key) != 40 for key in keys.values()):
        raise DataInvalid(f"{path} is no key file: a key has 40 characters")
    return keys

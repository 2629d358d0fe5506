"""Servers in this process and in others."""

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from instruments.bridge.server import Server
from instruments.bridge.settings import ServerSettings
from instruments.seam import Instrument
from instruments.warming import warm

HERE = Path(__file__).parent
Serve = Callable[..., Server]
ServeElsewhere = Callable[..., "Elsewhere"]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves instruments in threads, on ports that were free."""
    running: list[tuple[Server, threading.Thread]] = []

    def start(instrument: Instrument, **settings: Any) -> Server:
        warm(instrument, print)
        server = Server(instrument, ServerSettings(**({"address": "tcp://127.0.0.1:*"} | settings)))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


class Elsewhere:
    """A server in a process of its own."""

    def __init__(self, target: str, folder: Path, address: str = "tcp://127.0.0.1:*", *more: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(HERE), "EXPOSED": str(folder / "exposed.txt")}
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "instruments.bridge", target, "--address", address, "--folder", str(folder)]
        self.process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("tcp://")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def serve_elsewhere() -> Iterator[ServeElsewhere]:
    running: list[Elsewhere] = []

    def start(*arguments: Any) -> Elsewhere:
        running.append(Elsewhere(*arguments))
        return running[-1]

    yield start
    for server in running:
        server.end()


@pytest.fixture(scope="session")
def exposing() -> ModuleType:
    """The module of a driver that cannot be reset, hangs on demand, and writes every exposure down."""
    spec = importlib.util.spec_from_file_location("exposing", HERE / "exposing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def eventually() -> Callable[..., bool]:
    return _eventually


def _eventually(holds: Callable[[], bool], within_s: float = 15.0) -> bool:
    """Whether something comes to hold."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.01)
    return holds()


@pytest.fixture
def until_safe(request: pytest.FixtureRequest) -> Callable[[float, float], None]:
    """Tells the summary how long after a fault an instrument was safe, and after how long it was to be [s]."""

    def tell(seconds: float, limit_s: float) -> None:
        request.node.user_properties.append(("until safe", f"{seconds:.3f} s after the fault, limit {limit_s:g} s"))

    return tell

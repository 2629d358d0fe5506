"""The bridge beside bare pyzmq: round trips, large results, how soon it is made safe, a million bad frames."""

from __future__ import annotations

import os
import random
import resource
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.registry import Measured, figure

CHECKOUT = Path(__file__).resolve().parent.parent
_TURNS, _CALLS, _LARGE, _KILLS, _BAD = 10, 200, 7, 5, 1_000_000
_ECHO = """
import sys, zmq
context = zmq.Context()
socket = context.socket(zmq.ROUTER)
if len(sys.argv) > 1:
    socket.curve_server = True
    socket.curve_secretkey = sys.argv[1].encode()
port = socket.bind_to_random_port("tcp://127.0.0.1")
print(f"tcp://127.0.0.1:{port}", flush=True)
while True:
    identity, asked = socket.recv_multipart()
    size = int(asked)
    socket.send_multipart([identity, b"h", *([bytes(size)] if size else [])], copy=False)
"""


@figure("bridge.roundtrip_ms", "ms")
def roundtrip() -> Measured:
    """A ping through the bridge over loopback, median, beside bare pyzmq."""
    return _roundtrip("ping", curve=False)


@figure("bridge.curve_roundtrip_ms", "ms")
def curve_roundtrip() -> Measured:
    """The same with CURVE on both ways."""
    return _roundtrip("ping", curve=True)


@figure("bridge.frame_ms", "ms")
def frame() -> Measured:
    """A frame of 256 x 256 float32 through the bridge, as a whole measurement, beside its bytes through bare pyzmq."""
    return _roundtrip("frame", curve=False)


@figure("bridge.curve_frame_ms", "ms")
def curve_frame() -> Measured:
    """The same with CURVE on both ways."""
    return _roundtrip("frame", curve=True)


def _roundtrip(what: str, curve: bool) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        found = _rounds(Path(folder), curve, what)
    return Measured(
        value=found[f"{what}_ms"],
        reference=found[f"bare_{what}_ms"],
        compared="RemoteInstrument to a server process (value), DEALER to ROUTER echo of bare pyzmq (reference)",
        limit=2 * found[f"bare_{what}_ms"],
    )


@figure("bridge.stream_s", "s")
def stream() -> Measured:
    """A result of 64 MiB in chunks, pings meanwhile, beside one bare message of 64 MiB."""
    from instruments.bridge.remote import RemoteInstrument

    with _served() as address, _bare() as bare:
        remote = RemoteInstrument(address)
        chunks: list[int] = []
        slowest = [0.0]

        def told(got: int, whole: int) -> None:
            chunks.append(got)
            if len(chunks) % 5 == 0:
                slowest[0] = max(slowest[0], _timed(remote.ping))

        remote.lookup("frame")
        remote.tell_progress(told)
        watched = _timed(lambda: remote.lookup("large"))
        remote.tell_progress(lambda got, whole: None)
        times = [_timed(lambda: remote.lookup("large")) for _ in range(_LARGE)]
        remote.close()
        reference = statistics.median(_timed(lambda: bare(64 * 2**20)) for _ in range(_LARGE))
    return Measured(
        value=statistics.median(times),
        reference=reference,
        compared="64 MiB float32 in chunks of 4 MiB (value), the same bytes as one bare message (reference)",
        details={"chunks": len(chunks), "slowest_ping_meanwhile_ms": 1e3 * slowest[0], "with_pings_s": watched},
    )


@figure("bridge.safe_ms", "ms")
def safe() -> Measured:
    """From the heartbeat limit of a killed client until the instrument is safe; the worst of five kills."""
    late = [_killed_client_ms() for _ in range(_KILLS)]
    return Measured(
        value=max(late),
        reference=1e3 * _LEASE_S,
        compared="lease over until make_safe has returned (value), the heartbeat limit itself (reference)",
        limit=1000.0,
        details={"median_ms": statistics.median(late), "kills": _KILLS},
    )


@figure("bridge.fuzz_million", "accepted")
def fuzz() -> Measured:
    """Of a million fuzzed messages to a live server, how many were accepted; memory before and after."""
    import zmq

    with _served() as address:
        pid = _children[-1].pid
        context: zmq.Context[Any] = zmq.Context()
        socket = context.socket(zmq.DEALER)
        socket.connect(address)
        _fuzz(socket, 50_000, 1)
        before, began = _resident_mb(pid), time.perf_counter()
        accepted = _fuzz(socket, _BAD, 2)
        seconds, after = time.perf_counter() - began, _resident_mb(pid)
        context.destroy(linger=0)
        alive = _children[-1].poll() is None
    return Measured(
        value=float(accepted),
        reference=float(_BAD),
        compared="messages accepted (value) of those sent (reference)",
        limit=0.0,
        details={"memory_before_mb": before, "memory_after_mb": after, "seconds": seconds, "server_alive": alive},
    )


_LEASE_S = 0.5
_children: list[subprocess.Popen[str]] = []


def _rounds(folder: Path, curve: bool, what: str) -> dict[str, float]:
    """Medians of both ways [ms], taken in turns, so that both see the same machine."""
    from instruments.bridge.keys import make_client_keys, make_server_keys
    from instruments.bridge.remote import RemoteInstrument

    keys = None
    if curve:
        make_server_keys(folder)
        keys = make_client_keys(folder, "bench")
    with _served(*(["--keys", str(folder)] if curve else [])) as address, _bare(curve) as bare:
        remote = RemoteInstrument(address, keys)
        ways: dict[str, Callable[[], Any]] = {
            "ping_ms": remote.ping,
            "bare_ping_ms": lambda: bare(0),
            "frame_ms": lambda: remote.lookup("frame"),
            "bare_frame_ms": lambda: bare(256 * 256 * 4),
        }
        chosen = {name: way for name, way in ways.items() if what in name}
        times: dict[str, list[float]] = {name: [] for name in chosen}
        for _ in range(_TURNS):
            for name, way in chosen.items():
                times[name] += [_timed(way) for _ in range(_CALLS)][_CALLS // 10 :]
        remote.close()
    return {name: 1e3 * statistics.median(each) for name, each in times.items()}


def _killed_client_ms() -> float:
    """Serve an instrument here, kill a client of it while it acquires, and see when the instrument was made safe."""
    from instruments.bridge.server import Server
    from instruments.bridge.settings import ServerSettings
    from instruments.embedded import Embedded
    from instruments.twins.flat import Flat

    safe_at: list[float] = []

    class Watched(Embedded):
        def make_safe(self) -> None:
            super().make_safe()
            safe_at.append(time.monotonic())

    server = Server(Watched(Flat(), pace=1.0), ServerSettings("tcp://127.0.0.1:*", lease_s=_LEASE_S))
    thread = threading.Thread(target=server.run)
    thread.start()
    client = subprocess.Popen([sys.executable, "-c", _CLIENT, server.address], cwd=CHECKOUT, stdout=subprocess.PIPE)
    assert client.stdout is not None
    client.stdout.readline()
    time.sleep(0.35)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    client.stdout.close()
    time.sleep(0.05)  # what was on its way has come
    limit = server._lease.until_s
    while not safe_at:
        time.sleep(0.001)
    server.stop()
    thread.join()
    return 1e3 * (safe_at[0] - limit)


_CLIENT = """
import sys, threading
from instruments.bridge.remote import RemoteInstrument
from instruments.requests import PointSpectrum
remote = RemoteInstrument(sys.argv[1])
remote.acquire(PointSpectrum((0.0, 0.0), 0.01), id="first", stop=threading.Event())
print("acts", flush=True)
remote.acquire(PointSpectrum((0.0, 0.0), 60.0), id="second", stop=threading.Event())
"""


def _fuzz(socket: Any, count: int, seed: int) -> int:
    """Send bad messages, many on their way at a time; how many were answered with anything but a refusal."""
    from instruments.bridge.wire import Call, pack_call
    from instruments.requests import ScanImage, to_plain

    request = to_plain(ScanImage((0.0, 0.0), (1.0, 1.0), (2, 2), 1e-3))
    call = Call("acquire", secrets.token_bytes(16), 1, b"l" * 16, None, {"id": "x", "request": request})
    good, generator, accepted, out = pack_call(call)[0], random.Random(seed), 0, 0
    for _ in range(count):
        socket.send_multipart(_fuzzed(good, generator))
        out += 1
        while out and (out > 500 or socket.poll(0)):
            accepted += b"error" not in socket.recv_multipart()[0]
            out -= 1
    for _ in range(out):
        accepted += b"error" not in socket.recv_multipart()[0]
    return accepted


def _fuzzed(good: bytes, generator: random.Random) -> list[bytes]:
    kind = generator.randrange(4)
    if kind == 0:
        return [generator.randbytes(generator.randrange(200)) for _ in range(generator.randrange(1, 4))]
    damaged = bytearray(good)
    for _ in range(generator.randrange(1, 5)):
        damaged[generator.randrange(len(damaged))] = generator.randrange(256)
    if kind == 1:
        return [bytes(damaged)]
    return [bytes(damaged[: generator.randrange(len(damaged))])] if kind == 2 else [bytes(damaged), good]


@contextmanager
def _served(*options: str) -> Iterator[str]:
    """The address of a server of `Frames` in a process of its own."""
    target = ["-m", "instruments.bridge", "benchmarks.bridge_frames:Frames", "--address", "tcp://127.0.0.1:*"]
    with _started([*target, *options]) as address:
        yield address


@contextmanager
def _bare(curve: bool = False) -> Iterator[Callable[[int], None]]:
    """Asks a bare echo in a process of its own for so many bytes."""
    import zmq

    public, secret = zmq.curve_keypair()
    with _started(["-c", _ECHO, *([secret.decode()] if curve else [])]) as address:
        context: zmq.Context[Any] = zmq.Context()
        socket = context.socket(zmq.DEALER)
        if curve:
            socket.curve_serverkey = public
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.connect(address)

        def ask(size: int) -> None:
            socket.send(str(size).encode())
            socket.recv_multipart(copy=False)

        yield ask
        context.destroy(linger=0)


@contextmanager
def _started(arguments: list[str]) -> Iterator[str]:
    child = subprocess.Popen([sys.executable, *arguments], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    _children.append(child)
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip()
    finally:
        child.terminate()
        child.wait()
        child.stdout.close()
        _children.remove(child)


def _timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6

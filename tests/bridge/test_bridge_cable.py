"""A cable between client and server that is cut, slow and put back, as a relay between two sockets."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from instruments.bridge.remote import RemoteInstrument
from instruments.bridge.server import Server
from instruments.bridge.spoken import LeaseLost
from instruments.errors import ConnectionLost
from instruments.requests import PointSpectrum

Serve = Callable[..., Server]
NEVER = threading.Event()
HERE = PointSpectrum((0.0, 0.0), 0.1)
LONG = PointSpectrum((0.0, 0.0), 60.0)


class Cable:
    """Relays bytes to a server; `cut` holds them back without closing anything, which is what a pulled plug does."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.whole = threading.Event()
        self.whole.set()
        self.delay_s, self._ended = 0.0, False
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        self.whole.clear()

    def mend(self) -> None:
        self.whole.set()

    def close(self) -> None:
        self._ended = True
        self.whole.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            end.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._ended:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            self._ends += [near, far]
            for ends in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=self._relay, args=ends))
                self._threads[-1].start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        source.settimeout(0.1)
        while not self._ended:
            try:
                piece = source.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            self.whole.wait()
            time.sleep(self.delay_s)
            try:
                sink.sendall(piece)
            except OSError:
                return
            if not piece:
                return


@pytest.fixture
def cable() -> Iterator[Callable[[str], Cable]]:
    made: list[Cable] = []

    def lay(address: str) -> Cable:
        made.append(Cable(address))
        return made[-1]

    yield lay
    for each in made:
        each.close()


def test_a_cut_cable_makes_the_instrument_safe_and_a_mended_one_tells_why(
    serve: Serve, exposing: ModuleType, cable: Callable[[str], Cable], eventually: Callable[..., bool],
    until_safe: Callable[[float, float], None],
) -> None:  # fmt: skip
    instrument = exposing.Exposing(pace=1.0)
    between = cable(serve(instrument, lease_s=0.6).address)
    remote = RemoteInstrument(between.address, patience_s=1.5)
    remote.acquire(HERE, id="a", stop=NEVER)
    said: list[BaseException] = []
    thread = threading.Thread(target=lambda: said.append(lost(remote)))
    thread.start()
    assert eventually(lambda: instrument.exposed == ["a", "b"])
    between.cut()
    cut_s = time.monotonic()
    assert eventually(instrument.made_safe.is_set)
    until_safe(time.monotonic() - cut_s, 0.6)
    thread.join(20)
    assert isinstance(said[0], ConnectionLost)
    between.mend()
    with pytest.raises(LeaseLost, match="nothing was heard of"):
        remote.acquire(HERE, id="c", stop=NEVER)
    assert instrument.exposed == ["a", "b"]
    found = remote.lookup("b")  # what became of it can be asked, also without a lease
    assert found is None or not found.complete
    remote.close()


def lost(remote: RemoteInstrument) -> BaseException:
    try:
        return AssertionError(f"it came back: {remote.acquire(LONG, id='b', stop=NEVER)}")
    except ConnectionLost as error:
        return error


def test_a_short_cut_is_bridged_and_nothing_is_repeated(
    serve: Serve, exposing: ModuleType, cable: Callable[[str], Cable]
) -> None:
    instrument = exposing.Exposing(pace=1.0)
    between = cable(serve(instrument, lease_s=5.0).address)
    remote = RemoteInstrument(between.address)
    remote.acquire(HERE, id="a", stop=NEVER)
    timers = [threading.Timer(0.1, between.cut), threading.Timer(1.5, between.mend)]
    for timer in timers:
        timer.start()
    measurement = remote.acquire(PointSpectrum((0.0, 0.0), 0.5), id="b", stop=NEVER)
    assert measurement.complete
    assert instrument.exposed == ["a", "b"]
    remote.close()


def test_a_slow_way_only_takes_longer(serve: Serve, exposing: ModuleType, cable: Callable[[str], Cable]) -> None:
    instrument = exposing.Exposing()
    between = cable(serve(instrument).address)
    between.delay_s = 0.05
    remote = RemoteInstrument(between.address)
    for id in ("a", "b", "c"):
        assert remote.acquire(HERE, id=id, stop=NEVER).complete
    assert instrument.exposed == ["a", "b", "c"]
    remote.close()

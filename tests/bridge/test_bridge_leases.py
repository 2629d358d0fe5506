"""One writer, by lease; whoever falls silent leaves a safe instrument behind; nothing is carried out twice."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import zmq

from instruments.bridge.remote import RemoteInstrument
from instruments.bridge.server import Server
from instruments.bridge.spoken import LeaseLost
from instruments.bridge.wire import Call, pack_call, unpack_reply
from instruments.errors import ConnectionLost, HardwareFault, Stopped
from instruments.requests import PointSpectrum, to_plain

Serve = Callable[..., Server]
UntilSafe = Callable[[float, float], None]
NEVER = threading.Event()
HERE = PointSpectrum((0.0, 0.0), 0.1)
LONG = PointSpectrum((0.0, 0.0), 60.0)


class Raw:
    """A client that holds to nothing: it says what it likes, when it likes."""

    def __init__(self, address: str) -> None:
        self.session, self.seq, self.lease = secrets.token_bytes(16), 0, b""
        self.context: zmq.Context[Any] = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.connect(address)

    def send(self, op: str, body: dict[str, Any] | None = None, seq: int | None = None, **more: Any) -> int:
        self.seq = self.seq + 1 if seq is None else seq
        call = Call(op, self.session, self.seq, more.pop("lease", self.lease), body=body or {}, **more)
        self.socket.send_multipart(pack_call(call))
        return self.seq

    def hear(self) -> dict[str, Any]:
        assert self.socket.poll(10_000), "silence"
        reply = unpack_reply(self.socket.recv_multipart())
        return {"seq": reply.seq, reply.kind: reply.value}

    def ask(self, op: str, body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        self.send(op, body, **more)
        return self.hear()

    def take(self) -> None:
        self.ask("hello", {"name": "raw"})
        self.lease = self.ask("lease")["result"]["lease"]

    def close(self) -> None:
        self.context.destroy(linger=0)


@pytest.fixture
def raw(request: pytest.FixtureRequest) -> Callable[[str], Raw]:
    def connect(address: str) -> Raw:
        client = Raw(address)
        request.addfinalizer(client.close)
        return client

    return connect


def exposure(id: str, request: PointSpectrum = HERE) -> dict[str, Any]:
    return {"id": id, "request": to_plain(request)}


def test_a_second_writer_is_told_who_has_it_and_may_watch(serve: Serve, exposing: ModuleType) -> None:
    instrument = exposing.Exposing()
    address = serve(instrument).address
    one, other = RemoteInstrument(address, name="one"), RemoteInstrument(address, name="other")
    one.acquire(HERE, id="a", stop=NEVER)
    with pytest.raises(LeaseLost, match="in use by 'one'"):
        other.acquire(HERE, id="b", stop=NEVER)
    assert other.lookup("a") is not None
    assert other.price(HERE) == one.price(HERE)
    assert other.ping()["holder"] == "one"
    one.close()
    assert other.acquire(HERE, id="c", stop=NEVER).complete
    assert instrument.exposed == ["a", "c"]
    other.close()


def test_a_writer_without_a_lease_or_with_a_made_up_one_reaches_nothing(
    serve: Serve, exposing: ModuleType, raw: Callable[[str], Raw]
) -> None:
    instrument = exposing.Exposing()
    client = raw(serve(instrument).address)
    for lease, why in ((b"", "only watches"), (secrets.token_bytes(16), "the lease is over")):
        error = client.ask("acquire", exposure("x"), lease=lease)["error"]
        assert error["kind"] == "lease_lost"
        assert why in error["message"]
    assert instrument.exposed == []


def test_silence_makes_it_safe_and_a_late_command_is_told_why(
    serve: Serve, exposing: ModuleType, raw: Callable[[str], Raw], eventually: Callable[..., bool]
) -> None:
    instrument = exposing.Exposing(pace=1.0)
    server = serve(instrument, lease_s=0.3)
    client = raw(server.address)
    client.take()
    seq = client.send("acquire", exposure("long", LONG))
    assert eventually(lambda: instrument.exposed == ["long"])
    reply = client.hear()  # the client says nothing more; what ran is ended
    assert reply["seq"] == seq
    assert "error" in reply or reply["result"]["complete"] is False
    assert eventually(instrument.made_safe.is_set)
    error = client.ask("acquire", exposure("late"))["error"]
    assert (error["kind"], "nothing was heard of raw for 0.3 s" in error["message"]) == ("lease_lost", True)
    assert instrument.exposed == ["long"]


def test_heartbeats_keep_the_lease_while_nothing_is_asked(
    serve: Serve, exposing: ModuleType, eventually: Callable[..., bool]
) -> None:
    instrument = exposing.Exposing()
    remote = RemoteInstrument(serve(instrument, lease_s=0.3).address)
    remote.acquire(HERE, id="a", stop=NEVER)
    assert not eventually(instrument.made_safe.is_set, within_s=1.0)
    assert remote.acquire(HERE, id="b", stop=NEVER).complete
    remote.close()
    assert eventually(instrument.made_safe.is_set)


def test_a_killed_client_leaves_a_safe_instrument(
    serve: Serve, exposing: ModuleType, eventually: Callable[..., bool], until_safe: UntilSafe
) -> None:
    instrument = exposing.Exposing(pace=1.0)
    server = serve(instrument, lease_s=0.4)
    program = f"""
import threading
from instruments.bridge.remote import RemoteInstrument
from instruments.requests import PointSpectrum
remote = RemoteInstrument({server.address!r})
remote.acquire(PointSpectrum((0.0, 0.0), 60.0), id="of the dead", stop=threading.Event())
"""
    client = subprocess.Popen([sys.executable, "-c", program])
    assert eventually(lambda: instrument.exposed == ["of the dead"])
    assert not instrument.made_safe.is_set()
    os.kill(client.pid, signal.SIGKILL)
    killed_s = time.monotonic()
    client.wait()
    assert eventually(instrument.made_safe.is_set)
    until_safe(time.monotonic() - killed_s, 0.4)
    assert server.audit.counts["lease over"] == 1


def test_a_repeated_command_is_answered_and_not_repeated(
    serve: Serve, exposing: ModuleType, raw: Callable[[str], Raw]
) -> None:
    instrument = exposing.Exposing()
    client = raw(serve(instrument).address)
    client.take()
    first = client.ask("acquire", exposure("once"))
    assert str(client.ask("acquire", exposure("once"), seq=client.seq)["result"]) == str(first["result"])
    assert str(client.ask("acquire", exposure("once"))["result"]) == str(first["result"])  # another number, the same id
    assert instrument.exposed == ["once"]


def test_a_repeated_command_that_still_runs_is_told_how_far_it_is(
    serve: Serve, exposing: ModuleType, raw: Callable[[str], Raw]
) -> None:
    instrument = exposing.Exposing(pace=1.0)
    client = raw(serve(instrument).address)
    client.take()
    seq = client.send("acquire", exposure("slow", PointSpectrum((0.0, 0.0), 0.3)))
    assert client.ask("acquire", exposure("slow"), seq=seq)["progress"]["elapsed_s"] >= 0.0
    assert client.hear()["result"]["complete"]
    assert instrument.exposed == ["slow"]


def test_an_answer_that_is_no_longer_kept_is_not_earned_again(
    serve: Serve, exposing: ModuleType, raw: Callable[[str], Raw]
) -> None:
    instrument = exposing.Exposing()
    client = raw(serve(instrument).address)
    client.take()
    client.ask("acquire", exposure("old"))
    old = client.seq
    for i in range(70):
        client.ask("price", {"request": to_plain(HERE), "number": i})
    last = client.seq
    error = client.ask("acquire", exposure("never"), seq=old)["error"]
    assert "look its command up" in error["message"]
    client.seq = last
    assert client.ask("lookup", {"id": "old"})["result"]["complete"]
    assert instrument.exposed == ["old"]


def test_a_deadline_ends_an_acquisition_and_makes_safe(
    serve: Serve, exposing: ModuleType, eventually: Callable[..., bool], until_safe: UntilSafe
) -> None:
    instrument = exposing.Exposing(pace=1.0)
    remote = RemoteInstrument(serve(instrument).address, deadline_s=0.4)
    measurement, asked_s = None, time.monotonic()
    with contextlib.suppress(Stopped):
        measurement = remote.acquire(PointSpectrum((0.0, 0.0), 60.0), id="long", stop=NEVER)
    assert measurement is None or not measurement.complete
    assert eventually(instrument.made_safe.is_set)
    until_safe(time.monotonic() - asked_s, 0.4)
    remote.close()


def test_a_call_that_hangs_is_answered_and_nothing_more_is_asked_of_it_until_it_returns(
    serve: Serve, exposing: ModuleType, eventually: Callable[..., bool], until_safe: UntilSafe
) -> None:
    instrument = exposing.Exposing()
    server = serve(instrument, watchdog_factor=0.01, watchdog_s=0.2, hang_s=0.2)
    remote = RemoteInstrument(server.address)
    safe: list[float] = []
    watch = threading.Thread(target=lambda: (instrument.made_safe.wait(20), safe.append(time.monotonic())))
    watch.start()
    asked_s = time.monotonic()
    with pytest.raises(HardwareFault, match="hangs"):
        remote.acquire(PointSpectrum((0.0, 0.0), 7.0), id="hangs", stop=NEVER)
    assert instrument.made_safe.is_set()
    watch.join()
    until_safe(safe[0] - asked_s, 0.2 + 0.01 * 7.0)
    with pytest.raises(HardwareFault, match="hangs since"):
        remote.acquire(HERE, id="next", stop=NEVER)
    assert remote.ping()["hangs"]
    assert instrument.exposed == ["hangs"]
    instrument.release.set()
    assert eventually(lambda: not remote.ping()["hangs"])
    assert remote.acquire(HERE, id="good", stop=NEVER).complete
    remote.close()


def test_a_server_that_is_not_there_is_said_to_be_silent() -> None:
    remote = RemoteInstrument("tcp://127.0.0.1:9", patience_s=0.3)
    with pytest.raises(ConnectionLost, match="has not answered for"):
        remote.describe()
    remote.make_safe()
    remote.close()


def test_make_safe_may_be_the_first_thing_that_a_client_asks(serve: Serve, exposing: ModuleType) -> None:
    """Somebody beside the operator, who holds the lease, runs it to end what goes on."""
    instrument = exposing.Exposing()
    server = serve(instrument)
    operator, bystander = RemoteInstrument(server.address, name="operator"), RemoteInstrument(server.address)
    operator.acquire(HERE, id="a", stop=NEVER)
    instrument.made_safe.clear()
    bystander.make_safe()
    assert instrument.made_safe.is_set()
    operator.close()
    bystander.close()


def test_every_command_and_refusal_is_in_the_audit_log(serve: Serve, exposing: ModuleType, tmp_path: Path) -> None:
    server = serve(exposing.Exposing(), folder=tmp_path / "served")
    remote = RemoteInstrument(server.address, name="operator")
    remote.acquire(HERE, id="a", stop=NEVER)
    with pytest.raises(Exception, match="x -500 to 500"):
        remote.acquire(PointSpectrum((9e9, 0.0), 0.1), id="b", stop=NEVER)
    remote.close()
    lines = [json.loads(line) for line in (tmp_path / "served" / "audit.jsonl").read_text().splitlines()]
    said = [line["what"] for line in lines]
    assert [what for what in said if what in ("hello", "lease", "acquire")] == ["hello", "lease", "acquire"]
    assert any(line["what"] == "refused: acquire" and line["client"] == "operator" for line in lines)


def test_no_thread_is_left_when_both_ends_are_closed(exposing: ModuleType) -> None:
    from instruments.bridge.settings import ServerSettings

    before = set(threading.enumerate())
    server = Server(exposing.Exposing(), ServerSettings("tcp://127.0.0.1:*"))
    thread = threading.Thread(target=server.run)
    thread.start()
    remote = RemoteInstrument(server.address)
    remote.acquire(HERE, id="a", stop=NEVER)
    remote.close()
    server.stop()
    thread.join(20)
    assert set(threading.enumerate()) <= before

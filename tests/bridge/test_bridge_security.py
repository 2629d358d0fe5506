"""Who may act, and how far: keys, limits of the server's own, frames that are none."""

import json
import random
import secrets
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import msgpack
import numpy as np
import pytest
import zmq

from experiments.cli import main
from instruments.bridge.keys import make_client_keys, make_server_keys
from instruments.bridge.limits_file import read_limits
from instruments.bridge.remote import RemoteInstrument, RemoteTwin
from instruments.bridge.server import Server
from instruments.bridge.settings import ServerSettings
from instruments.bridge.wire import Call, Malformed, numbers_in, numbers_out, pack, pack_call, unpack, unpack_call
from instruments.embedded import Embedded
from instruments.errors import DataInvalid, Refused
from instruments.guard import Limits, Zone
from instruments.requests import BiasSpectroscopy, PointSpectrum, to_plain
from instruments.twins.ferroelectric_film import FerroelectricFilm

Serve = Callable[..., Server]
NEVER = threading.Event()
HERE = PointSpectrum((0.0, 0.0), 0.1)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    make_server_keys(folder)
    make_client_keys(folder, "operator")
    return folder


def test_a_known_key_comes_in_and_is_named_in_the_audit_log(
    serve: Serve, exposing: ModuleType, keys: Path, tmp_path: Path
) -> None:
    server = serve(exposing.Exposing(), keys=keys, folder=tmp_path / "served")
    remote = RemoteInstrument(server.address, keys / "operator.json", name="desk")
    assert remote.acquire(HERE, id="a", stop=NEVER).complete
    remote.close()
    assert '"operator/desk"' in (tmp_path / "served" / "audit.jsonl").read_text()


def test_no_key_a_fresh_key_and_a_removed_key_are_told_why_and_reach_nothing(
    serve: Serve, exposing: ModuleType, keys: Path, tmp_path: Path
) -> None:
    instrument = exposing.Exposing()
    server = serve(instrument, keys=keys)
    known = json.loads((keys / "operator.json").read_text())
    public, secret = (key.decode() for key in zmq.curve_keypair())
    fresh = tmp_path / "fresh.json"
    fresh.write_text(json.dumps(known | {"public": public, "secret": secret}))
    for path, why in ((None, "it wants a key and this client has none"), (fresh, "not among its clients")):
        stranger = RemoteInstrument(server.address, path)
        with pytest.raises(Refused, match=why):
            stranger.acquire(HERE, id="a", stop=NEVER)
        stranger.close()
    (keys / "clients" / "operator.public").unlink()
    removed = RemoteInstrument(server.address, keys / "operator.json")
    with pytest.raises(Refused, match="not among its clients"):
        removed.acquire(HERE, id="a", stop=NEVER)
    removed.close()
    assert instrument.exposed == []
    assert server.audit.counts["refused: connection"] >= 2
    assert "acquire" not in server.audit.counts


def test_a_client_cannot_speak_for_the_session_of_another_key(serve: Serve, exposing: ModuleType, keys: Path) -> None:
    make_client_keys(keys, "other")
    server = serve(exposing.Exposing(), keys=keys)
    one = RemoteInstrument(server.address, keys / "operator.json")
    other = RemoteInstrument(server.address, keys / "other.json")
    one.describe()
    other._link.session = one._link.session
    with pytest.raises(Refused, match="another key"):
        other.describe()
    one.close()
    other.close()


def test_other_machines_need_keys() -> None:
    for address in ("tcp://*:5555", "tcp://0.0.0.0:5555", "tcp://10.0.0.7:5555"):
        with pytest.raises(DataInvalid, match="give keys"):
            ServerSettings(address)
    assert ServerSettings("tcp://0.0.0.0:5555", keys=Path("anywhere")).keys


def test_serve_keys_makes_secrets_that_only_their_owner_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "keys", str(tmp_path / "k"), "anna", "ben"]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in printed] == ["server.json", "anna.json", "ben.json"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in printed)
    assert main(["serve", "keys", str(tmp_path / "k"), "anna"]) == 2
    assert "not overwritten" in capsys.readouterr().err


def test_what_the_servers_limits_refuse_no_client_can_allow(serve: Serve) -> None:
    limits = Limits(bias_V=3.0, exclude=(Zone((0.0, 0.0), 50.0),))
    server = serve(Embedded(FerroelectricFilm(grid=16)), limits=limits)
    remote = RemoteTwin(server.address)
    remote.reset(1, {})
    before = remote.snapshot()["requests"]
    with pytest.raises(Refused, match=r"own guard: 4 V exceeds 3 V"):
        remote.acquire(BiasSpectroscopy((300.0, 0.0), -4.0, 4.0, 8, 1e-3), id="a", stop=NEVER)
    with pytest.raises(Refused, match="touches the zone"):
        remote.acquire(BiasSpectroscopy((10.0, 0.0), -1.0, 1.0, 8, 1e-3), id="b", stop=NEVER)
    assert remote.snapshot()["requests"] == before
    assert remote.acquire(BiasSpectroscopy((300.0, 0.0), -2.0, 2.0, 8, 1e-3), id="c", stop=NEVER).complete
    remote.close()


def test_the_servers_account_outlives_its_clients(serve: Serve, exposing: ModuleType) -> None:
    instrument = exposing.Exposing()
    address = serve(instrument, limits=Limits(seconds=0.25)).address
    for id in ("a", "b"):
        remote = RemoteInstrument(address)
        assert remote.acquire(HERE, id=id, stop=NEVER).complete
        remote.close()
    third = RemoteInstrument(address)
    with pytest.raises(Refused, match="seconds would exceed"):
        third.acquire(HERE, id="c", stop=NEVER)
    third.close()
    assert instrument.exposed == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"bias": 5}', "unknown limit bias"),
        ('{"bias_V": "5"}', "must be a number"),
        ('{"bias_V": -5}', "not negative"),
        ('{"fluence_pixel_nm": 0}', "fluence_pixel_nm"),
        ('{"exclude": [{"center_nm": [0, 0]}]}', "a zone needs"),
        ("bias_V: 5", "cannot be read"),
    ],
)
def test_limits_that_could_be_misread_are_not_read(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "limits.json"
    path.write_text(text)
    with pytest.raises(DataInvalid, match=why):
        read_limits(path)


def test_limits_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text('{"bias_V": 5, "electrons": 1e6, "exclude": [{"center_nm": [1, 2], "radius_nm": 3}]}')
    assert read_limits(path) == Limits(bias_V=5.0, electrons=1e6, exclude=(Zone((1.0, 2.0), 3.0),))


def test_values_travel_as_they_are() -> None:
    value = {
        "large": np.arange(5000.0).reshape(50, 100),
        "small": np.array([1 + 2j, np.nan]),
        "none": np.zeros((0, 3), np.uint64),
        "point": np.array(True),
        "list": [1, -2.5, None, "text", b"bytes", np.float32(0.5)],
    }
    frames = pack(value)
    assert len(frames) == 2
    back = unpack(frames)
    for name in ("large", "small", "none", "point"):
        assert back[name].dtype == value[name].dtype  # type: ignore[attr-defined]
        assert back[name].tobytes() == value[name].tobytes()  # type: ignore[attr-defined]
        assert back[name].shape == value[name].shape  # type: ignore[attr-defined]
    assert back["list"] == [1, -2.5, None, "text", b"bytes", 0.5]
    with pytest.raises(TypeError, match="cannot travel"):
        pack({"objects": np.array([object()])})


def call(**changed: object) -> list[bytes]:
    good = {"v": 2, "op": "ping", "session": b"s" * 16, "seq": 1, "lease": b"", "deadline_s": None, "body": {}}
    assert unpack_call([msgpack.packb(list(good.values()))]).op == "ping"
    return [msgpack.packb(list((good | changed).values()))]


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ([], "0 frames"),
        ([b""], "no msgpack"),
        ([b"\x80\x80"], "no msgpack"),
        ([b"\x93" * 5000], "no msgpack"),
        ([msgpack.packb(3)], "no list"),
        (call(v=1), "this end speaks version 2"),
        (call(op=3), "op must be text"),
        (call(session=b"short"), "session"),
        (call(seq=-1), "seq"),
        (call(seq=True), "seq"),
        (call(lease=b"x"), "lease"),
        (call(deadline_s=-1.0), "deadline_s"),
        (call(body=[1]), "body must be"),
        (call(more=1), "8 values; this one has 7"),
        (call(body={"a": msgpack.ExtType(9, b"")}), "extension 9"),
        (call(body={"a": msgpack.ExtType(1, msgpack.packb(["<f8", [1], 1]))}), "frame 1 of 1"),
        (call(body={"a": msgpack.ExtType(2, msgpack.packb(["<f8", [2], b"12345678"]))}), "needs 16 bytes"),
        (call(body={"a": msgpack.ExtType(2, msgpack.packb(["|O8", [1], b"12345678"]))}), "not accepted"),
        (call(body={"a": msgpack.ExtType(2, msgpack.packb(["<f8", [2**50] * 20, b""]))}), "shape"),
    ],
)
def test_what_is_none_of_the_protocol_is_refused_in_words(frames: list[bytes], why: str) -> None:
    with pytest.raises(Malformed, match=why):
        unpack_call(frames)


def test_fuzzed_frames_are_all_refused_and_the_server_lives(serve: Serve, exposing: ModuleType) -> None:
    instrument = exposing.Exposing()
    server = serve(instrument)
    context: zmq.Context[object] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(server.address)
    generator = random.Random(7)
    good = pack_call(
        Call("acquire", secrets.token_bytes(16), 1, b"l" * 16, None, {"id": "x", "request": to_plain(HERE)})
    )[0]
    accepted = 0
    for _ in range(3000):
        socket.send_multipart(fuzzed(good, generator))
        assert socket.poll(10_000)
        accepted += b"error" not in socket.recv_multipart()[0]
    context.destroy(linger=0)
    assert accepted == 0
    assert instrument.exposed == []
    remote = RemoteInstrument(server.address)
    assert remote.acquire(HERE, id="a", stop=NEVER).complete
    remote.close()


def fuzzed(good: bytes, generator: random.Random) -> list[bytes]:
    """A message that is noise, or a good one with a few bytes changed, cut or doubled."""
    kind = generator.randrange(4)
    if kind == 0:
        return [generator.randbytes(generator.randrange(200)) for _ in range(generator.randrange(1, 4))]
    damaged = bytearray(good)
    for _ in range(generator.randrange(1, 5)):
        damaged[generator.randrange(len(damaged))] = generator.randrange(256)
    if kind == 1:
        return [bytes(damaged)]
    return [bytes(damaged[: generator.randrange(len(damaged))])] if kind == 2 else [bytes(damaged), good]


def test_axes_travel_as_bytes_and_what_is_none_is_refused() -> None:
    values = np.linspace(0.0, 1.0, 7)
    back = numbers_in(*numbers_out(values))
    assert back.tobytes() == values.tobytes()
    assert back.flags.writeable
    large = np.zeros(10_000)
    assert numbers_in(*numbers_out(large)) is large
    for name, data in (("<f8", b"1234567"), ("<f8", "text"), ("|O8", b"12345678")):
        with pytest.raises(Malformed):
            numbers_in(name, data)

"""The Nanonis protocol: bytes as published, a driver that believes nothing, a server that published clients accept."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from experiments import campaign
from experiments.config import compose
from instruments.check import check
from instruments.embedded import Embedded
from instruments.errors import ConnectionLost, DataInvalid, HardwareFault, NotSupported, OutOfReach, Stopped
from instruments.nanonis.codec import HEADER, Reader, body_of, parse_header, request_header, trailer
from instruments.nanonis.commands import COMMANDS
from instruments.nanonis.connection import Connection
from instruments.nanonis.controller import Controller
from instruments.nanonis.driver import Nanonis
from instruments.nanonis.server import NanonisServer
from instruments.nanonis.twin import NanonisTwin
from instruments.requests import Approach, BiasSpectroscopy, Request, ScanImage, SetFeedback, TipPulse
from instruments.twins.spm.scanning_probe import ScanningProbe

NEVER = threading.Event()
GOLDEN: list[tuple[str, tuple[object, ...], str]] = [
    ("Bias.Get", (), ""),
    ("Bias.Set", (0.5,), "3f000000"),
    ("Scan.Action", (0, 1), "000000000001"),
    ("Scan.FrameSet", (1e-9, -2e-9, 1e-8, 2e-8, 90.0), "3089705fb109705f322bcc7732abcc7742b40000"),
    ("Scan.BufferSet", ([0, 14], 256, 128), "00000002000000000000000e0000010000000080"),
    ("FolMe.XYPosSet", (1e-8, 0.0, 1), "3e45798ee2308c3a000000000000000000000001"),
    ("Bias.Pulse", (1, 0.1, -4.0, 0, 2), "000000013dcccccdc080000000000002"),
    ("BiasSpectr.MLSModeSet", ("MLS",), "000000034d4c53"),
    ("BiasSpectr.Start", (1, ""), "0000000100000000"),
    ("ZCtrl.Withdraw", (1, 1000), "00000001000003e8"),
]
"""Bodies of requests, worked out by hand from the published types; big-endian IEEE numbers."""


def twin(pace: float = 0.0) -> Embedded:
    return Embedded(ScanningProbe(grid=24, approach_s=1.0), pace=pace)


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    servers: list[NanonisServer] = []

    def start(pace: float = 0.0, **more: float) -> int:
        servers.append(NanonisServer(Controller(twin(pace), **more)))  # type: ignore[arg-type]
        return servers[-1].port

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def connect() -> Iterator[Callable[[int], Nanonis]]:
    made: list[Nanonis] = []

    def to(port: int) -> Nanonis:
        made.append(Nanonis(port=port, timeout_s=20.0))
        return made[-1]

    yield to
    for instrument in made:
        instrument.close()


@pytest.mark.parametrize(("name", "arguments", "body"), GOLDEN, ids=[name for name, *_ in GOLDEN])
def test_requests_are_the_published_bytes(name: str, arguments: tuple[object, ...], body: str) -> None:
    assert body_of(COMMANDS[name][0], arguments).hex() == body


def test_the_header_is_the_published_one() -> None:
    seen = request_header("Bias.Get", 0)
    assert seen == b"Bias.Get" + bytes(24) + bytes.fromhex("0000000000010000")
    assert len(seen) == HEADER
    assert parse_header(seen) == ("Bias.Get", 0, True)
    assert trailer("no") == bytes.fromhex("0000000100000002") + b"no"


def test_every_type_comes_back_as_it_went() -> None:
    kinds = "H i f d s S [f [i 2f n =f =I"
    values = [7, -3, 0.5, 1e-9, "text", ["a", "bc" * 200], [1.0, 2.0], [3], [[1.0, np.nan]], 2, [1.0, 2.0], [5, 6]]
    reader = Reader(body_of(kinds, values))
    back = [v.tolist() if hasattr(v, "tolist") else v for v in reader.values(kinds)]
    assert repr(back) == repr(values)
    assert reader.left == 0
    for short in range(len(body_of(kinds, values))):
        with pytest.raises(DataInvalid):
            Reader(body_of(kinds, values)[:short]).values(kinds)


def test_the_conformance_suite_passes_through_driver_wire_server_and_twin() -> None:
    instrument = NanonisTwin(twin(pace=0.1), port=0, approach_s=1.0)
    before = threading.active_count()
    report = check(instrument)
    report.raise_for_failures()
    assert threading.active_count() <= before


def test_an_image_is_that_of_the_twin_row_for_row(serve: Callable[..., int], connect: Callable[[int], Nanonis]) -> None:
    request = ScanImage((100.0, -50.0), (300.0, 200.0), (20, 30), 1e-3)
    direct, remote = twin(), connect(serve())
    expected = direct.acquire(request, id="a", stop=NEVER)
    measured = remote.acquire(request, id="a", stop=NEVER)
    for name in ("piezoresponse", "height"):
        one, other = expected.channels[name], measured.channels[name]
        np.testing.assert_allclose(other.values, one.values, rtol=1e-4, atol=1e-6 * np.abs(one.values).max())
        for axis, same in zip(other.axes, one.axes, strict=True):
            np.testing.assert_allclose(axis.values, same.values, atol=1e-9)


def test_a_loop_is_that_of_the_twin(serve: Callable[..., int], connect: Callable[[int], Nanonis]) -> None:
    request = BiasSpectroscopy((50.0, 20.0), -6.0, 4.0, 40, 0.01, 2)
    expected = twin().acquire(request, id="a", stop=NEVER).channels["piezoresponse"]
    measured = connect(serve()).acquire(request, id="a", stop=NEVER).channels["piezoresponse"]
    np.testing.assert_allclose(measured.axes[0].values, expected.axes[0].values, atol=1e-5)
    np.testing.assert_allclose(measured.values, expected.values, rtol=1e-4, atol=1e-3)


def test_what_the_controller_clamps_without_a_word_is_found(
    serve: Callable[..., int], connect: Callable[[int], Nanonis]
) -> None:
    port = serve(clamp_pixels=16, clamp_V=3.0)
    instrument = connect(port)
    with pytest.raises(HardwareFault, match=r"Scan.Buffer was set to .* the controller clamped it"):
        instrument.acquire(ScanImage((0.0, 0.0), (100.0, 100.0), (8, 32), 1e-3), id="a", stop=NEVER)
    with pytest.raises(HardwareFault, match="asked for -6 to 6 V"):
        instrument.acquire(BiasSpectroscopy((0.0, 0.0), -6.0, 6.0, 32, 1e-3), id="b", stop=NEVER)
    good = ScanImage((0.0, 0.0), (100.0, 100.0), (8, 16), 1e-3)
    assert instrument.acquire(good, id="c", stop=NEVER).complete  # an error, then a good call
    assert instrument.lookup("a") is None


def test_out_of_range_is_refused_before_anything_is_sent(connect: Callable[[int], Nanonis]) -> None:
    server = NanonisServer(Controller(twin()))
    instrument = connect(server.port)
    instrument.describe()
    heard = dict(server.controller.heard)
    for request in (TipPulse((0.0, 0.0), 11.0, 0.1), TipPulse((1e6, 0.0), 1.0, 0.1), SetFeedback(True, 1e6)):
        with pytest.raises(OutOfReach):
            instrument.acquire(request, id="a", stop=NEVER)
    assert server.controller.heard == heard
    instrument.close()
    server.close()


def test_a_scan_is_stopped_in_its_middle_and_the_next_one_is_whole(
    serve: Callable[..., int], connect: Callable[[int], Nanonis]
) -> None:
    instrument = connect(serve(pace=1.0))
    instrument.describe()
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    request = ScanImage((0.0, 0.0), (100.0, 100.0), (40, 10), 2e-3)
    measurement = instrument.acquire(request, id="a", stop=stop)
    timer.join()
    assert not measurement.complete
    assert 0 < np.isfinite(measurement.channels["height"].values).all(axis=1).sum() < 40
    assert instrument.acquire(BiasSpectroscopy((0.0, 0.0), -1.0, 1.0, 8, 1e-3), id="b", stop=NEVER).complete


def test_feedback_that_is_set_is_read_back(serve: Callable[..., int], connect: Callable[[int], Nanonis]) -> None:
    port = serve()
    instrument = connect(port)
    instrument.acquire(SetFeedback(True, setpoint_nN=80.0, proportional=2e-12), id="a", stop=NEVER)
    other = Connection("127.0.0.1", port, 5.0)
    assert other.call("ZCtrl.SetpntGet") == [pytest.approx(80e-9)]
    assert other.call("ZCtrl.GainGet")[0] == pytest.approx(2e-12)
    with pytest.raises(HardwareFault, match=r"Scan.Action: pause and resume"):
        other.call("Scan.Action", 2, 0)
    assert other.call("ZCtrl.OnOffGet") == [1]
    other.close()


class Scripted:
    """A controller that answers each request with the bytes it is given, in pieces, and then hangs up."""

    def __init__(self, *answers: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._answers = answers
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            for answer in self._answers:
                _, size, _ = parse_header(connection.recv(HEADER, socket.MSG_WAITALL))
                if size:
                    connection.recv(size, socket.MSG_WAITALL)
                for at in range(0, len(answer), 7):
                    connection.sendall(answer[at : at + 7])

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


def answer(name: str, body: bytes) -> bytes:
    return name.encode().ljust(32, b"\0") + struct.pack(">II", len(body), 0) + body


@pytest.mark.parametrize(
    ("sent", "error", "why"),
    [
        (answer("Bias.Get", b"\x3f\x00\x00\x00" + trailer("too hot")), HardwareFault, "too hot"),
        (answer("Bias.Get", trailer("too hot")), HardwareFault, "too hot"),
        (answer("Bias.Get", b"\x3f\x00\x00\x00"), DataInvalid, "without status"),
        (answer("Bias.Set", b"\x3f\x00\x00\x00" + trailer()), DataInvalid, "answered 'Bias.Set'"),
        (answer("Bias.Get", b"\x3f" + trailer())[:45], ConnectionLost, "closed the connection"),
    ],
    ids=["values and error", "error alone", "no trailer", "stale reply", "half a packet"],
)
def test_answers_that_are_none_are_never_data(sent: bytes, error: type[Exception], why: str) -> None:
    script = Scripted(sent)
    connection = Connection("127.0.0.1", script.port, 5.0)
    with pytest.raises(error, match=why):
        connection.call("Bias.Get")
    connection.close()
    script.close()


def test_an_answer_in_pieces_is_put_together() -> None:
    script = Scripted(answer("Bias.Get", b"\x3f\x00\x00\x00" + trailer()))
    connection = Connection("127.0.0.1", script.port, 5.0)
    assert connection.call("Bias.Get") == [0.5]
    connection.close()
    script.close()


def test_an_engine_that_is_too_old_is_not_spoken_to(
    serve: Callable[..., int], connect: Callable[[int], Nanonis]
) -> None:
    instrument = connect(serve(engine=9000))
    with pytest.raises(NotSupported, match="engine 9000"):
        instrument.describe()


def test_nobody_there_is_said(connect: Callable[[int], Nanonis]) -> None:
    with pytest.raises(ConnectionLost, match="no Nanonis controller answers"):
        connect(9).describe()


def test_a_stop_beforehand_sends_nothing(serve: Callable[..., int], connect: Callable[[int], Nanonis]) -> None:
    stop = threading.Event()
    stop.set()
    port = serve()
    with pytest.raises(Stopped):
        connect(port).acquire(TipPulse((0.0, 0.0), 1.0, 0.1), id="a", stop=stop)


def test_a_campaign_runs_through_driver_wire_server_and_twin(tmp_path: Path) -> None:
    chosen = ["instrument=nanonis_twin", "instrument.port=0", "instrument.over.core.grid=24"]
    quiet = ["tracking=off", "report=false", "agent=sobol", "budget.steps=3", f"runs={tmp_path / 'runs'}"]
    result = campaign.run(compose(["campaign=probe_loops", *chosen, *quiet]))
    assert result.status == "finished", result.message


@pytest.mark.skipif("NANONIS_CLIENTS" not in os.environ, reason="NANONIS_CLIENTS names no Python with both clients")
def test_both_published_clients_accept_the_server(serve: Callable[..., int]) -> None:
    program = Path(__file__).with_name("published_clients.py")
    command = [os.environ["NANONIS_CLIENTS"], str(program), str(serve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "accepted"
    assert sys.executable != command[0]


def test_only_the_channels_that_were_asked_for_come(
    serve: Callable[..., int], connect: Callable[[int], Nanonis]
) -> None:
    remote = connect(serve())
    frame = ScanImage((0.0, 0.0), (300.0, 300.0), (8, 8), 1e-3, channels=("height",))
    assert list(remote.acquire(frame, id="a", stop=NEVER).channels) == ["height"]
    with pytest.raises(NotSupported, match="no channel nope"):
        remote.price(ScanImage((0.0, 0.0), (300.0, 300.0), (8, 8), 1e-3, channels=("nope",)))


def test_a_set_point_is_set_or_refused(serve: Callable[..., int], connect: Callable[[int], Nanonis]) -> None:
    remote = connect(serve())
    remote.acquire(Approach(setpoint_nN=7.0), id="a", stop=NEVER)
    assert remote._call("ZCtrl.SetpntGet")[0] == pytest.approx(7e-9)
    with pytest.raises(NotSupported, match="one set-point"):
        remote.price(SetFeedback(on=True, setpoint_nN=7.0, setpoint_pA=10.0))


def test_an_id_whose_measurement_is_no_longer_kept_is_not_carried_out_again(
    serve: Callable[..., int], connect: Callable[[int], Nanonis]
) -> None:
    remote = connect(serve())
    remote.acquire(SetFeedback(on=True, setpoint_nN=7.0), id="first", stop=NEVER)
    for i in range(256):
        remote.acquire(SetFeedback(on=True, setpoint_nN=9.0), id=str(i), stop=NEVER)
    with pytest.raises(DataInvalid, match="'first' was carried out"):
        remote.acquire(SetFeedback(on=True, setpoint_nN=7.0), id="first", stop=NEVER)
    with pytest.raises(DataInvalid, match="'first' was carried out"):
        remote.lookup("first")
    assert remote._call("ZCtrl.SetpntGet")[0] == pytest.approx(9e-9)
    assert remote.lookup("0") is not None


FRAME = ScanImage((0.0, 0.0), (100.0, 100.0), (8, 8), 1e-3)


@pytest.fixture
def controlled() -> Iterator[tuple[Controller, Callable[..., Nanonis]]]:
    """A controller whose commands a test can spoil, and drivers of it."""
    server, made = NanonisServer(Controller(twin())), list[Nanonis]()

    def connect(timeout_s: float = 20.0) -> Nanonis:
        made.append(Nanonis(port=server.port, timeout_s=timeout_s))
        return made[-1]

    yield server.controller, connect
    for instrument in made:
        instrument.close()
    server.close()


@contextlib.contextmanager
def spoilt(controller: Controller, name: str, answer: Callable[..., object]) -> Iterator[None]:
    """While a command of the controller does something else."""
    before = controller.handlers
    controller.handlers = {**before, name: answer}
    yield
    controller.handlers = before


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("ZCtrl.SetpntSet", SetFeedback(True, setpoint_nN=42.0)),
        ("ZCtrl.OnOffSet", SetFeedback(False)),
        ("Scan.FrameSet", FRAME),
        ("Scan.SpeedSet", FRAME),
        ("FolMe.XYPosSet", TipPulse((30.0, 10.0), 1.0, 0.01)),
    ],
)
def test_what_the_controller_ignores_without_a_word_is_found(
    controlled: tuple[Controller, Callable[..., Nanonis]], name: str, request_: Request
) -> None:
    controller, connect = controlled
    instrument = connect()
    instrument.acquire(SetFeedback(True, setpoint_nN=7.0), id="before", stop=NEVER)
    with spoilt(controller, name, lambda *values: None), pytest.raises(HardwareFault, match=r"was set to .* and reads"):
        instrument.acquire(request_, id="ignored", stop=NEVER)
    assert instrument.lookup("ignored") is None
    assert instrument.acquire(request_, id="heeded", stop=NEVER).complete


@pytest.mark.parametrize("rows", [0, 7], ids=["empty", "a row short"])
def test_an_empty_or_short_frame_is_no_measurement(
    controlled: tuple[Controller, Callable[..., Nanonis]], rows: int
) -> None:
    controller, connect = controlled
    instrument = connect()
    grab = controller.handlers["Scan.FrameDataGrab"]

    def short(*which: int) -> object:
        name, data, up = grab(*which)
        return [name, data[:rows], up]

    with spoilt(controller, "Scan.FrameDataGrab", short), pytest.raises(DataInvalid, match=r"asked for .* came"):
        instrument.acquire(FRAME, id="a", stop=NEVER)
    assert instrument.lookup("a") is None
    assert instrument.acquire(FRAME, id="b", stop=NEVER).complete


def test_rows_that_were_not_scanned_are_gaps_and_a_frame_of_gaps_is_none(
    controlled: tuple[Controller, Callable[..., Nanonis]],
) -> None:
    controller, connect = controlled
    instrument = connect()
    grab = controller.handlers["Scan.FrameDataGrab"]
    for reached in (5, 0):

        def torn(*which: int, reached: int = reached) -> object:
            name, data, _ = grab(*which)
            return [name, np.where(np.arange(len(data))[:, None] < reached, data, np.nan), 1]

        with spoilt(controller, "Scan.FrameDataGrab", torn):
            if reached:
                measurement = instrument.acquire(FRAME, id="torn", stop=NEVER)
                assert not measurement.complete
                assert measurement.note
            else:
                with pytest.raises(Stopped):
                    instrument.acquire(FRAME, id="empty", stop=NEVER)


def test_a_scan_that_does_not_end_is_stopped_by_the_watchdog_and_the_next_one_is_whole(
    controlled: tuple[Controller, Callable[..., Nanonis]],
) -> None:
    controller, connect = controlled
    instrument = connect(0.5)
    for heeds, why in ((True, "did not end within"), (False, "still runs after")):
        stopped = threading.Event()

        def act(what: int, way: int, stopped: threading.Event = stopped) -> None:
            stopped.set() if what == 1 else None

        def status(stopped: threading.Event = stopped, heeds: bool = heeds) -> object:
            return [0 if heeds and stopped.is_set() else 1]

        with (
            spoilt(controller, "Scan.Action", act),
            spoilt(controller, "Scan.StatusGet", status),
            pytest.raises(HardwareFault, match=why),
        ):
            instrument.acquire(FRAME, id=why, stop=NEVER)
        assert stopped.is_set()
    assert instrument.acquire(FRAME, id="whole", stop=NEVER).complete


def test_a_call_that_hangs_is_lost_and_the_tip_can_be_withdrawn_meanwhile(
    controlled: tuple[Controller, Callable[..., Nanonis]],
) -> None:
    controller, connect = controlled
    instrument, release = connect(0.5), threading.Event()
    with spoilt(controller, "Scan.StatusGet", lambda: release.wait(20) and [0]):
        with pytest.raises(ConnectionLost, match=r"lost in the middle of Scan.StatusGet"):
            instrument.acquire(FRAME, id="a", stop=NEVER)
        before = controller.heard["ZCtrl.Withdraw"]
        instrument.make_safe()
        assert controller.heard["ZCtrl.Withdraw"] == before + 1
        release.set()
    assert instrument.lookup("a") is None
    withdrawn = controller.heard["ZCtrl.Withdraw"]
    assert instrument.acquire(FRAME, id="b", stop=NEVER).complete  # connects anew, withdraws and approaches
    assert controller.heard["ZCtrl.Withdraw"] == withdrawn + 1
    assert controller.heard["AutoApproach.OnOffSet"] == 1


def test_no_thread_and_no_child_keep_the_process(serve: Callable[..., int]) -> None:
    program = f"""
import multiprocessing, threading
from instruments.nanonis.driver import Nanonis
from instruments.requests import ScanImage
instrument = Nanonis(port={serve()})
request = ScanImage((0.0, 0.0), (100.0, 100.0), (8, 8), 1e-3)
assert instrument.acquire(request, id="a", stop=threading.Event()).complete
instrument.close()
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
assert not multiprocessing.active_children()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100, cwd=Path(__file__).parents[2])

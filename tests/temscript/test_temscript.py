"""A TEM behind temscript's own HTTP server, with our optical bench as its microscope: clamped, whole or nothing."""

import base64
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from instruments.check import check
from instruments.errors import (
    ConnectionLost,
    DataInvalid,
    HardwareFault,
    NotSupported,
    OutOfReach,
    Stopped,
)
from instruments.requests import MoveStage, PointSpectrum, Register, Request, ScanImage, SetOptics
from instruments.temscript.connection import Connection
from instruments.temscript.driver import Temscript

CHECKOUT = Path(__file__).resolve().parent.parent.parent
needs_temscript = pytest.mark.skipif(
    "TEMSCRIPT_PYTHON" not in os.environ, reason="TEMSCRIPT_PYTHON names no Python with extra temscript"
)
NEVER = threading.Event()
FRAME = ScanImage((0.0, 0.0), (8.0, 8.0), (64, 64), 1e-5)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where temscript's server listens, in a process of its own."""
    command = [os.environ["TEMSCRIPT_PYTHON"], "-m", "instruments.temscript.server", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.terminate()


@pytest.fixture
def tem(port: int) -> Iterator[Temscript]:
    instrument = Temscript(port=port)
    yield instrument
    instrument.close()


def image(tem: Temscript, id: str, request: ScanImage = FRAME) -> np.ndarray:
    return tem.acquire(request, id=id, stop=NEVER).channels["dark_field"].values


@needs_temscript
def test_the_conformance_suite_passes(port: int) -> None:
    before = threading.active_count()
    requests = [FRAME, SetOptics(defocus_nm=2.0), MoveStage((0.1, 0.05, 1.0), (0.001, 0.0)), Register((0.0, 0.0))]
    check(Temscript(port=port), requests).raise_for_failures()
    assert threading.active_count() <= before


@needs_temscript
def test_what_is_clamped_without_a_word_is_found(tem: Temscript, port: int) -> None:
    raw = Connection("127.0.0.1", port, 10.0)
    raw.put("stage_position?method=GO", {"x": 1.0})
    assert raw.get("stage_position")["x"] == 1e-3  # not a word
    raw.put("stage_position?method=GO", {"x": 0.0})
    with pytest.raises(OutOfReach, match="it would be clamped"):
        tem.acquire(MoveStage((1e9, 0.0, 0.0)), id="a", stop=NEVER)
    assert raw.get("stage_position")["x"] == 0.0
    with pytest.raises(HardwareFault, match=r"stem_magnification was set to .* the microscope clamped"):
        tem.acquire(ScanImage((0.0, 0.0), (0.1, 0.1), (64, 64), 1e-6), id="b", stop=NEVER)
    assert tem.lookup("b") is None
    assert image(tem, "c").shape == (64, 64)  # an error, then a good call


@needs_temscript
def test_saturated_counts_are_no_image(tem: Temscript) -> None:
    with pytest.raises(DataInvalid, match="saturated at 32767"):
        tem.acquire(ScanImage((0.0, 0.0), (1.0, 1.0), (16, 16), 9e-3), id="sat", stop=NEVER)


@needs_temscript
def test_what_this_vendor_cannot_do_is_refused(tem: Temscript) -> None:
    refused = [
        PointSpectrum((0.0, 0.0), 0.1),
        ScanImage((0.0, 0.0), (8.0, 4.0), (64, 32), 1e-5),
        ScanImage((0.0, 0.0), (8.0, 8.0), (100, 100), 1e-5),
        SetOptics(defocus_nm=1.0, current_pA=10.0),
    ]
    for request in refused:
        with pytest.raises(NotSupported):
            tem.price(request)
    with pytest.raises(OutOfReach, match="nothing ends one"):
        tem.price(ScanImage((0.0, 0.0), (8.0, 8.0), (512, 512), 1e-3))
    with pytest.raises(NotSupported, match="no STEM detector 'BF'"):
        Temscript(port=tem._connection._port, detector="BF").describe()


@needs_temscript
def test_stage_and_scan_centre_move_the_image_as_they_say(tem: Temscript) -> None:
    bright = ScanImage((0.0, 0.0), (8.0, 8.0), (64, 64), 4e-4)
    still = image(tem, "1", bright)
    assert correlation(still, image(tem, "2", bright)) > 0.8
    shifted = image(tem, "3", dataclasses.replace(bright, center_nm=(1.0, 0.5)))
    assert correlation(still, shifted) < 0.6
    assert correlation(still[4:, 8:], shifted[:-4, :-8]) > 0.8  # 0.125 nm are a pixel
    tem.acquire(MoveStage((1.0, 0.5, 0.0)), id="4", stop=NEVER)
    assert correlation(still, image(tem, "5", bright)) > 0.8  # the beam follows the sample
    raw = Connection("127.0.0.1", tem._connection._port, 10.0)
    assert raw.get("beam_shift") == pytest.approx([1e-9, 0.5e-9])
    tem.acquire(MoveStage((-1.0, -0.5, 0.0)), id="6", stop=NEVER)


@needs_temscript
def test_a_stopped_image_is_none_and_leaves_the_beam_blanked(tem: Temscript) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    with pytest.raises(Stopped):
        tem.acquire(ScanImage((0.0, 0.0), (8.0, 8.0), (64, 64), 4e-4), id="long", stop=stop)
    timer.join()
    assert tem.lookup("long") is None
    assert Connection("127.0.0.1", tem._connection._port, 10.0).get("beam_blanked") is True
    assert image(tem, "after").any()


@needs_temscript
def test_a_hang_ends_and_the_next_call_is_good(port: int) -> None:
    connection = Connection("127.0.0.1", port, 0.3)
    connection.put("stem_acquisition_param", {"dwell_time(s)": 5e-4, "binning": 32})
    began = time.monotonic()
    with pytest.raises(HardwareFault, match="has not answered"):
        connection.acquire("HAADF", 0.3)  # of 2 s
    assert time.monotonic() - began < 1.5
    assert Connection("127.0.0.1", port, 10.0).get("version").startswith("2.")


@needs_temscript
@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("probe_defocus", SetOptics(defocus_nm=33.0)),
        ("stem_magnification", ScanImage((0.0, 0.0), (4.0, 4.0), (64, 64), 1e-5)),
        ("beam_shift", ScanImage((1.5, 0.0), (8.0, 8.0), (64, 64), 1e-5)),
        ("stem_acquisition_param", ScanImage((0.0, 0.0), (8.0, 8.0), (64, 64), 2e-5)),
        ("stage_position?method=GO", MoveStage((0.3, 0.0, 0.0))),
    ],
)
def test_what_is_ignored_without_a_word_is_found(
    tem: Temscript, monkeypatch: pytest.MonkeyPatch, name: str, request_: Request
) -> None:
    image(tem, "before")
    put = tem._connection.put
    with monkeypatch.context() as patch:
        patch.setattr(tem._connection, "put", lambda what, value: None if what == name else put(what, value))
        with pytest.raises(HardwareFault):
            tem.acquire(request_, id="ignored", stop=NEVER)
    assert tem.lookup("ignored") is None
    assert Connection("127.0.0.1", tem._connection._port, 10.0).get("beam_blanked") is True
    assert tem.acquire(request_, id="heeded", stop=NEVER).complete
    if isinstance(request_, MoveStage):
        tem.acquire(MoveStage((-0.3, 0.0, 0.0)), id="back", stop=NEVER)


@needs_temscript
def test_an_empty_short_or_dark_frame_is_no_image(tem: Temscript, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.ones((64, 64), np.int16)
    for values, why in ((whole[:0], "came"), (whole[:63], r"\(63, 64\) came"), (0 * whole, "every pixel is 0")):
        with monkeypatch.context() as patch:
            patch.setattr(tem._connection, "acquire", lambda detector, timeout_s, values=values: values)
            with pytest.raises(DataInvalid, match=why):
                tem.acquire(FRAME, id=why, stop=NEVER)
        assert tem.lookup(why) is None
    assert image(tem, "after").any()


@needs_temscript
def test_a_server_that_hangs_is_a_fault_and_the_next_image_is_good(port: int) -> None:
    tem = Temscript(port=port, timeout_s=0.5, longest_frame_s=0.2, overhead_s=0.1)
    tem.describe()
    other = Connection("127.0.0.1", port, 20.0)
    other.put("stem_acquisition_param", {"dwell_time(s)": 5e-4, "binning": 32})
    busy = threading.Thread(target=other.acquire, args=("HAADF", 20.0))  # of 2 s, and nobody else is answered
    busy.start()
    time.sleep(0.3)
    with pytest.raises(HardwareFault, match="has not answered"):
        tem.acquire(FRAME, id="a", stop=NEVER)
    busy.join()
    assert tem.lookup("a") is None
    assert image(tem, "b").any()
    tem.close()


@needs_temscript
def test_no_thread_and_no_child_keep_the_process(port: int) -> None:
    program = f"""
import multiprocessing, threading
from instruments.requests import ScanImage
from instruments.temscript.driver import Temscript
tem = Temscript(port={port})
request = ScanImage((0.0, 0.0), (8.0, 8.0), (64, 64), 1e-5)
assert tem.acquire(request, id="a", stop=threading.Event()).complete
tem.close()
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
assert not multiprocessing.active_children()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100, cwd=CHECKOUT)


@needs_temscript
def test_an_unknown_detector_gives_no_frame(port: int) -> None:
    with pytest.raises(DataInvalid, match="no frame of 'XX'"):
        Connection("127.0.0.1", port, 10.0).acquire("XX", 10.0)


def test_nobody_there_is_said() -> None:
    with pytest.raises(ConnectionLost, match="did not answer version"):
        Temscript(port=9).describe()


def test_a_timeout_that_gives_blanking_up_within_a_frame_is_refused() -> None:
    with pytest.raises(DataInvalid, match="must be longer than a frame"):
        Temscript(longest_frame_s=40.0)
    Temscript(longest_frame_s=40.0, timeout_s=41.0)


class _Answers(BaseHTTPRequestHandler):
    """Answers every GET with the next of the server's answers."""

    def do_GET(self) -> None:
        kind, content, claimed = self.server.answers.pop(0)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(claimed))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def packed(values: np.ndarray, **changed: object) -> bytes:
    data = base64.b64encode(values.tobytes()).decode()
    plain = {"width": values.shape[1], "height": values.shape[0], "type": "INT16", "endianness": "BIG"}
    return json.dumps({"HAADF": {**plain, "encoding": "BASE64", "data": data, **changed}}).encode()


def answered(kind: str, content: bytes, claimed: int | None = None) -> np.ndarray:
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    server.answers = [(kind, content, len(content) if claimed is None else claimed)]  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        return Connection("127.0.0.1", server.server_address[1], 5.0).acquire("HAADF", 5.0)
    finally:
        thread.join()
        server.server_close()


def test_arrays_are_read_in_their_byte_order_and_bad_ones_are_none() -> None:
    values = np.arange(-3, 3, dtype=">i2").reshape(2, 3)
    assert answered("application/json", packed(values)).tolist() == values.tolist()
    for content in (
        packed(values, height=3),
        packed(values, endianness="?"),
        packed(values, type="OBJECT"),
        b"{",
        b"[]",
    ):
        with pytest.raises(DataInvalid):
            answered("application/json", content)
    with pytest.raises(DataInvalid, match="not in JSON"):
        answered("application/python-pickle", packed(values))
    with pytest.raises((ConnectionLost, DataInvalid)):
        answered("application/json", packed(values)[:-9], len(packed(values)))


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])

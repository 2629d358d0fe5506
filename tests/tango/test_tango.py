"""asyncroscopy's commands against a Tango server of ours over a twin, in processes of their own; not asyncroscopy."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from experiments import campaign
from experiments.campaign.journal import open_reader
from experiments.config import compose
from instruments.errors import ConnectionLost, DataInvalid, HardwareFault
from instruments.tango.tiled import read_array

HERE, CHECKOUT = Path(__file__).parent, Path(__file__).resolve().parent.parent.parent
needs_tango = pytest.mark.skipif("TANGO_PYTHON" not in os.environ, reason="TANGO_PYTHON names no Python with PyTango")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(CHECKOUT)}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [os.environ["TANGO_PYTHON"], *arguments]
    around = ENVIRONMENT | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250, env=around)


def started(sample: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """A server over a sample, and the addresses of its devices."""
    command = [os.environ["TANGO_PYTHON"], "-m", "instruments.tango.server", "--sample", sample]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, text=True, env=ENVIRONMENT, **pipes)  # type: ignore[call-overload]
    assert server.stdout is not None
    line = next(line for line in server.stdout if "{" in line)
    devices, _ = json.JSONDecoder().raw_decode(line, line.index("{"))  # Tango writes there too
    return server, devices


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[str], dict[str, str]]]:
    """Starts a server over a sample and gives the addresses of its devices."""
    running: list[subprocess.Popen[str]] = []

    def start(sample: str) -> dict[str, str]:
        server, devices = started(sample)
        running.append(server)
        return devices

    yield start
    for server in running:
        server.communicate(timeout=30)  # standard input is closed
        assert server.returncode == 0


@pytest.fixture(scope="module")
def bench(served: Callable[[str], dict[str, str]]) -> dict[str, str]:
    return served("bench")


def settings(devices: dict[str, str], **others: object) -> str:
    turns = {"shift": [[1.0, 0.0], [0.0, 1.0]], "stage": [[-1.0, 0.0], [0.0, 1.0]]}  # the stage is mirrored in x
    plain = {**devices, "field_nm": 16.0, "sides": [64], "current_pA": 50.0, "defocus_sign": -1}
    return json.dumps(plain | turns | {"overhead_s": 3.0, "patience_s": 10.0} | others)


@needs_tango
def test_the_probe_reads_and_sets_nothing(bench: dict[str, str], tmp_path: Path) -> None:
    done = run("-m", "instruments.tango.probe", bench["microscope"], bench["scan"], "--timeout-s", "5")
    assert done.returncode == 0, done.stderr
    assert "  stem_mode = True" in done.stdout
    assert "  command acquire_scanned_image" in done.stdout
    assert "  dwell_time = 1e-06 ([1e-09, 10] s, writable)" in done.stdout
    assert "beam_state = False" in done.stdout  # nobody has connected yet, and the probe did not blank
    site = tmp_path / "site.json"
    site.write_text(settings(bench))
    read = run("-m", "instruments.probe", "instruments.tango.driver:make", TANGO_SITE=str(site))
    assert read.returncode == 0, read.stderr
    assert "blanked = False" in read.stdout
    assert "in STEM mode = True" in read.stdout
    width = next(line for line in read.stdout.splitlines() if line.startswith("field of view [m] = "))
    assert float(width.split()[-1]) == pytest.approx(8e-9)
    missing = run("-m", "instruments.tango.probe", bench["scan"].replace("scan", "none"))
    assert (missing.returncode, missing.stderr.count("error: ")) == (2, 1)


@needs_tango
def test_the_conformance_suite_passes(bench: dict[str, str], tmp_path: Path) -> None:
    site = tmp_path / "site.json"
    site.write_text(settings(bench))
    done = run(str(HERE / "tango_conformance.py"), str(site))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "failed" not in done.stdout
    assert done.stdout.count("passed") >= 13


@needs_tango
def test_signs_units_clamps_errors_and_stop(bench: dict[str, str], tmp_path: Path) -> None:
    site = tmp_path / "site.json"
    site.write_text(settings(bench))
    done = run(str(HERE / "tango_behaviour.py"), str(site))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.split() == ["signs", "units", "limits", "errors", "stop"]


@needs_tango
def test_a_server_that_is_killed_in_mid_frame_is_said_and_leaves_no_thread(tmp_path: Path) -> None:
    server, devices = started("bench")
    site = tmp_path / "site.json"
    site.write_text(settings(devices, longest_frame_s=5.0))
    done = run(str(HERE / "tango_lost.py"), str(site), str(server.pid))
    server.communicate(timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 3


@needs_tango
def test_a_campaign_maps_spectra_through_bridge_driver_devices_and_twin(
    served: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    site, folder = tmp_path / "site.json", tmp_path / "served"
    site.write_text(settings(served("oxide"), field_nm=3.6, sides=[96], current_pA=20.0))
    command = [os.environ["TANGO_PYTHON"], "-m", "instruments.bridge", "instruments.tango.driver:make"]
    address = ["--address", "tcp://127.0.0.1:*", "--folder", str(folder)]
    environment = ENVIRONMENT | {"TANGO_SITE": str(site)}
    with subprocess.Popen([*command, *address], stdout=subprocess.PIPE, text=True, env=environment) as bridge:
        assert bridge.stdout is not None
        at = bridge.stdout.readline().strip()
        assert at.startswith("tcp://")
        chosen = ["campaign=titanium_map", "instrument=remote", f"instrument.address={at}", "budget.steps=4"]
        quiet = [
            "instrument.patience_s=60",
            "tracking=off",
            "report=false",
            "budget.steps=4",
            f"runs={tmp_path / 'runs'}",
        ]
        result = campaign.run(compose([*chosen, *quiet, "task.sweep.exposure_s=0.2", "seed=1"]))
        folder.joinpath("stop").touch()
        assert bridge.wait(60) == 0
    assert result.status == "finished", result.message
    with open_reader(result.folder / "journal.sqlite") as reader:
        assert not list(reader.events(kinds=("failed",)))


class _Answers(BaseHTTPRequestHandler):
    """Answers every GET with the next of the server's answers."""

    def do_GET(self) -> None:
        code, content = self.server.answers.pop(0)  # type: ignore[attr-defined]
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.server.asked.append(self.path)  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: object) -> None:
        pass


def described(values: np.ndarray, **changed: object) -> bytes:
    kind = {"endianness": "little", "kind": values.dtype.kind, "itemsize": values.dtype.itemsize}
    structure = {"data_type": kind | changed, "shape": list(values.shape)}
    return json.dumps({"data": {"attributes": {"structure": structure}}}).encode()


def answered(*answers: tuple[int, bytes], timeout_s: float = 5.0) -> tuple[np.ndarray, list[str]]:
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    server.answers, server.asked = list(answers), []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        uri = f"http://127.0.0.1:{server.server_address[1]}"
        return read_array(uri, ("a b", "image", "HAADF"), timeout_s), server.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


VALUES = np.arange(6, dtype="<u2").reshape(2, 3)


def test_arrays_come_from_tiled_and_are_waited_for() -> None:
    found, asked = answered((404, b""), (200, described(VALUES)), (200, VALUES.tobytes()))
    assert found.tolist() == VALUES.tolist()
    assert asked[1] == "/api/v1/metadata/a%20b/image/HAADF"
    assert asked[2] == "/api/v1/array/full/a%20b/image/HAADF?format=application/octet-stream"
    big, _ = answered((200, described(VALUES, endianness="big")), (200, VALUES.astype(">u2").tobytes()))
    assert big.tolist() == VALUES.tolist()


@pytest.mark.parametrize(
    ("answers", "error", "said"),
    [
        ([(200, described(VALUES)), (200, VALUES.tobytes()[:-1])], DataInvalid, "11 bytes came"),
        ([(200, described(VALUES)), (404, b"")], DataInvalid, "0 bytes came"),
        ([(200, described(VALUES, kind="S"))], DataInvalid, "none of ours"),
        ([(200, described(VALUES, endianness="?"))], DataInvalid, "no array"),
        ([(200, b"{}")], DataInvalid, "no array"),
        ([(200, b"<html>")], DataInvalid, "no array"),
        ([(401, b"")], HardwareFault, "401"),
        ([(500, b"")], HardwareFault, "500"),
    ],
)
def test_what_is_no_array_is_said(answers: list[tuple[int, bytes]], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        answered(*answers)


def test_an_array_that_never_comes_and_a_server_that_is_not_there_are_said() -> None:
    began = time.monotonic()
    with pytest.raises(DataInvalid, match=r"has no a b/image/HAADF after 0\.3 s"):
        answered(*[(404, b"")] * 50, timeout_s=0.3)
    assert time.monotonic() - began >= 0.3
    with pytest.raises(ConnectionLost):
        read_array("http://127.0.0.1:9", ("key",), 1.0)

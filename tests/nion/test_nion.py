"""Nion's acquisition stack against Nion's simulator, in processes of its own: GPL code is never imported here."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.trajectories import trajectory
from experiments import campaign
from experiments.campaign.journal import open_reader
from experiments.config import compose
from instruments.bridge.remote import RemoteInstrument
from instruments.bridge.server import Server
from instruments.bridge.settings import ServerSettings
from instruments.check import check
from instruments.cost import electrons
from instruments.embedded import Embedded
from instruments.errors import DataInvalid, OutOfReach
from instruments.nion.site import ABERRATIONS, Site, read_site
from instruments.requests import (
    CameraFrame,
    Dwell,
    MoveStage,
    PointSpectrum,
    Register,
    ScanImage,
    SetAberrations,
    SetOptics,
    SubScan,
    Until,
)
from instruments.twins.flat import Flat
from physics_priors.optics.aberrations import FACTOR, INDEX, ORDER, SYMMETRY

HERE, CHECKOUT = Path(__file__).parent, Path(__file__).resolve().parent.parent.parent
needs_nion = pytest.mark.skipif("NION_PYTHON" not in os.environ, reason="NION_PYTHON names no Python with extra nion")
NEVER = threading.Event()
SIMULATOR = "instruments.nion.simulator"
FRAME = ScanImage((0.1, -0.2), (0.4, 0.6), (12, 8), 1e-5)
ON_GRAPHENE = [
    FRAME,
    SubScan(FRAME, (2, 8), (0, 5)),
    Dwell((0.3, 0.2), 0.25, 0.1, Until("haadf", -1e12, 1e12)),
    PointSpectrum((0.5, 0.5), 0.02),
    CameraFrame((-0.3, 0.1), 0.02, 8),
    SetOptics(defocus_nm=1.0, astigmatism_nm=(2.0, -1.0)),
    SetAberrations(("C1", "B2"), ((1.0, 0.0), (3.0, 4.0))),
    MoveStage((0.01, 0.01, 0.0)),
    Register((0.0, 0.0)),
]
"""No electron of them is lost on the sample's border: the field is four nanometres wide."""
CLIENT = """
import sys, threading
from instruments.bridge.remote import RemoteInstrument
from instruments.requests import Dwell, ScanImage
remote = RemoteInstrument(sys.argv[1], patience_s=60.0)
remote.acquire(ScanImage((0.0, 0.0), (2.0, 2.0), (16, 16), 1e-6), id="first", stop=threading.Event())
print("acts", flush=True)
remote.acquire(LONG, id="long", stop=threading.Event())
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    command = [os.environ["NION_PYTHON"], *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, env=environment)


class Served:
    """A server in Nion's Python."""

    def __init__(self, made_by: str, folder: Path) -> None:
        self.truth = folder / "truth.jsonl"
        folder.mkdir()
        environment = os.environ | {"PYTHONPATH": f"{CHECKOUT}{os.pathsep}{HERE}", "TRUTH": str(self.truth)}
        target = [made_by, "--address", "tcp://127.0.0.1:*", "--folder", str(folder)]
        command = [os.environ["NION_PYTHON"], "-m", "instruments.bridge", *target, "--lease-s", "1.0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("tcp://")

    def end(self) -> int:
        """Ask it to end; its exit code. Threads of Swift's that are left would keep it for ever."""
        self.process.terminate()
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Served]]:
    running: list[Served] = []

    def start(made_by: str) -> Served:
        running.append(Served(made_by, tmp_path / f"served{len(running)}"))
        return running[-1]

    yield start
    for server in running:
        if server.process.poll() is None:
            server.end()


@needs_nion
def test_the_conformance_suite_passes_on_nions_simulator() -> None:
    done = run(str(HERE / "conformance.py"))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "failed" not in done.stdout
    assert done.stdout.count("passed") >= 13


@needs_nion
def test_what_the_stack_does_silently_wrong_is_found() -> None:
    done = run(str(HERE / "behaviour.py"))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "no thread is left"


@needs_nion
def test_it_is_served_and_ends_in_good_order(serve: Callable[[str], Served], tmp_path: Path) -> None:
    server = serve(f"{SIMULATOR}:make")
    remote = RemoteInstrument(server.address, patience_s=60.0)
    frame = ScanImage((0.0, 0.0), (200.0, 200.0), (64, 64), 2e-6)
    measurement = remote.acquire(frame, id="a", stop=NEVER)
    assert measurement.channels["dark_field"].values.shape == (64, 64)
    assert measurement.state["blanked"] == 1.0
    again = remote.acquire(frame, id="a", stop=NEVER)
    assert np.array_equal(again.channels["dark_field"].values, measurement.channels["dark_field"].values)
    with pytest.raises(OutOfReach):
        remote.acquire(MoveStage((1e9, 0.0, 0.0)), id="b", stop=NEVER)
    remote.close()
    assert server.end() == 0


@needs_nion
@pytest.mark.parametrize(
    ("made_by", "long"),
    [
        ("make", "ScanImage((0.0, 0.0), (200.0, 200.0), (1024, 1024), 5e-5)"),
        ("make_dopant", "Dwell((0.3, 0.2), 60.0, 0.1)"),
    ],
    ids=["scan", "dwell"],
)
def test_a_killed_client_ends_what_runs_and_blanks(
    serve: Callable[[str], Served], tmp_path: Path, made_by: str, long: str, request: pytest.FixtureRequest
) -> None:
    server = serve(f"{SIMULATOR}:{made_by}")
    command = [sys.executable, "-c", CLIENT.replace("LONG", long), server.address]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=CHECKOUT)
    assert client.stdout is not None
    client.stdout.readline()
    time.sleep(1.0)
    client.kill()
    killed_s = time.monotonic()
    client.wait()
    client.stdout.close()
    log = tmp_path / "served0" / "audit.jsonl"
    until = time.monotonic() + 15
    while "made safe" not in log.read_text() and time.monotonic() < until:
        time.sleep(0.01)
    said = f"{time.monotonic() - killed_s:.3f} s after the fault, limit 1 s"
    request.node.user_properties.append(("until safe", said))
    watcher = RemoteInstrument(server.address)
    while watcher.ping()["running"] and time.monotonic() < until:
        time.sleep(0.05)
    found = watcher.lookup("long")  # of a minute of beam
    assert found is None or not found.complete
    assert watcher.ping()["running"] is None
    watcher.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    safe = next(line for line in lines if line["what"] == "made safe")
    over = next(line for line in lines if line["what"] == "lease over")
    assert "nothing was heard" in safe["reason"]
    assert not safe["wrong"]
    assert safe["up_s"] - over["up_s"] <= 1.0
    assert server.end() == 0


@needs_nion
def test_a_campaign_tunes_our_bench_through_nions_stack(serve: Callable[[str], Served], tmp_path: Path) -> None:
    server = serve(f"{SIMULATOR}:make_tuning")
    chosen = ["campaign=tune_aberrations", "instrument=remote", f"instrument.address={server.address}"]
    quiet = ["instrument.patience_s=60", "tracking=off", "report=false", "budget.steps=5", f"runs={tmp_path / 'runs'}"]
    result = campaign.run(compose([*chosen, *quiet, "seed=1"]))
    assert result.status == "finished", result.message
    with open_reader(result.folder / "journal.sqlite") as reader:
        assert not list(reader.events(kinds=("failed",)))
    assert server.end() == 0


@needs_nion
def test_the_conformance_suite_passes_on_our_graphene_behind_nions_stack_and_the_bridge(
    serve: Callable[[str], Served],
) -> None:
    server = serve(f"{SIMULATOR}:make_dopant")
    report = check(RemoteInstrument(server.address, patience_s=60.0), ON_GRAPHENE)
    report.raise_for_failures()
    assert sum(finding.outcome == "passed" for finding in report.findings) >= 13
    assert server.end() == 0


@needs_nion
def test_a_campaign_moves_silicon_through_nions_stack_and_the_truth_behind_it_tells(
    serve: Callable[[str], Served], tmp_path: Path
) -> None:
    server = serve("dopant_served:make")
    chosen = ["campaign=si_atom_move_seen", "instrument=remote_seen", f"instrument.instrument.address={server.address}"]
    quiet = ["instrument.instrument.patience_s=60", "tracking=off", "report=false", "budget.steps=6"]
    result = campaign.run(compose([*chosen, *quiet, f"runs={tmp_path / 'runs'}", "seed=1"]))
    assert result.status == "finished", result.message
    assert server.end() == 0
    before, after = (json.loads(line) for line in server.truth.read_text().splitlines())
    assert after["silicon"] != before["silicon"]
    with open_reader(result.folder / "journal.sqlite") as reader:
        assert not list(reader.events(kinds=("failed",)))
        measured = [event.payload["measurement"] for event in reader.events(kinds=("result",))]
    spent = sum(measurement.cost.electrons for measurement in measured)
    dwells = [m for m in measured if isinstance(m.request, Dwell)]
    assert len(dwells) == 6
    assert all(m.request.until is not None and m.request.until.high > 0 for m in dwells)
    last = [m for m in measured if m.request.kind == "AtomPositions"][-1].channels
    silicon = last["position"].values[last["species"].values == 14]
    assert np.linalg.norm(silicon - np.array(after["at_nm"]), axis=1).min() < 0.05
    landed = electrons(50.0, after["beam_s"])
    assert landed <= spent < 3.0 * landed, (landed, spent)  # what is booked is what may have landed, and no less


@needs_nion
def test_one_campaign_runs_on_a_twin_behind_the_bridge_on_a_recording_and_on_nions_simulator(
    serve: Callable[[str], Served], tmp_path: Path
) -> None:
    recorded = tmp_path / "spectra.npy"
    np.save(recorded, np.random.default_rng(0).random((15, 15, 12)))
    of_recording = [f"instrument.core.path={recorded}", "instrument.core.family=STEM", "+instrument.core.unit_nm=1.0"]
    of_recording += ["+instrument.core.axis_name=energy", "+instrument.core.axis_unit=eV"]
    bridge = Server(Embedded(Flat()), ServerSettings("tcp://127.0.0.1:*"))
    thread = threading.Thread(target=bridge.run)
    thread.start()
    nion = serve(f"{SIMULATOR}:make")
    ways = {
        "flat": [],
        "remote_twin": [f"instrument.address={bridge.address}"],
        "replay": of_recording,
        "remote": [f"instrument.address={nion.address}", "instrument.patience_s=60"],
    }
    gone = {}
    for way, more in ways.items():
        quiet = ["tracking=off", "report=false", "budget.steps=4", f"runs={tmp_path / way}", "seed=1"]
        result = campaign.run(compose(["campaign=find_peak", f"instrument={way}", *more, *quiet]))
        assert result.status == "finished", result.message
        gone[way] = trajectory(result.folder)
        assert len([kind for kind, _, _ in gone[way] if kind == "outcome"]) == 4
        assert not [kind for kind, _, _ in gone[way] if kind == "failed"]
    assert gone["flat"] == gone["remote_twin"]
    bridge.stop()
    thread.join()
    assert nion.end() == 0


def test_nions_aberrations_have_the_same_phase() -> None:
    for name, (controls, factor) in ABERRATIONS.items():
        k = INDEX[name]
        order, turns = int(ORDER[k]), int(SYMMETRY[k])
        assert all(control.startswith(f"C{order}{turns}") for control in controls)
        assert len(controls) == (1 if turns == 0 else 2)
        # theirs: theta^(n+1) / (n + 1) times the coefficient; ours: theta^(n+1) times FACTOR
        assert factor / (order + 1) == pytest.approx(FACTOR[k])


def test_a_site_map_is_read_and_a_wrong_key_is_said(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text('{"blanker": "BB", "stage": ["SX", "SY"], "aberrations": {"C1": [["Focus"], -1.0]}}')
    site = read_site(path)
    assert site == Site(blanker="BB", stage=("SX", "SY"), aberrations={"C1": (("Focus",), -1.0)})
    assert {"BB", "SX", "SY", "Focus"} <= set(site.controls)
    path.write_text('{"blankr": "BB"}')
    with pytest.raises(DataInvalid, match="a site map has the keys"):
        read_site(path)

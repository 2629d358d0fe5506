"""A served instrument behaves as one in this process; a campaign through the bridge is the same, bit for bit."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from benchmarks.trajectories import trajectory
from experiments import campaign
from experiments.cli.serving import instrument_of
from experiments.config import compose
from instruments.bridge.remote import RemoteInstrument, RemoteTwin
from instruments.bridge.server import Server
from instruments.check import check, examples
from instruments.embedded import Core, Embedded
from instruments.errors import NotSupported
from instruments.measurement import measurement_to_plain
from instruments.requests import BiasSpectroscopy, PointSpectrum, ScanImage
from instruments.seam import Instrument, Twin
from instruments.twins.ferroelectric_film import FerroelectricFilm
from instruments.twins.flat import Flat
from instruments.twins.spm.scanning_probe import ScanningProbe
from instruments.twins.stem.microscope import StemMicroscope
from instruments.twins.stem.samples.graphene import Graphene

Serve = Callable[..., Server]
NEVER = threading.Event()


CORES = {
    "flat": Flat(noise=0.1),
    "ferroelectric_film": FerroelectricFilm(grid=16),
    "scanning_probe": ScanningProbe(grid=24, field_nm=200.0, approach_s=1.0),
    "stem_microscope": StemMicroscope(sample=Graphene(2.0, 2.0, silicon=1, margin_nm=0.5)),
}


@pytest.mark.parametrize("core", CORES.values(), ids=CORES.keys())
def test_the_conformance_suite_passes_through_the_bridge(core: Core[Any], serve: Serve) -> None:
    report = check(RemoteTwin(serve(Embedded(core, pace=0.2)).address))  # paced, so that a stop comes in time
    report.raise_for_failures()
    assert sum(finding.outcome == "passed" for finding in report.findings) >= 15


def test_the_conformance_suite_passes_on_a_driver_that_is_no_twin(serve: Serve, exposing: ModuleType) -> None:
    report = check(RemoteInstrument(serve(exposing.Exposing(pace=0.2)).address))
    report.raise_for_failures()
    assert {f.name for f in report.findings if f.outcome == "skipped"} >= {
        "snapshots_restore",
        "reset_is_deterministic",
    }


def test_every_measurement_is_the_direct_one_bit_for_bit(serve: Serve) -> None:
    core = FerroelectricFilm(grid=16)
    direct, remote = Embedded(core), RemoteTwin(serve(Embedded(core)).address)
    for twin in (direct, remote):
        twin.reset(5, {"name": "shifted"})
    for request in examples(direct.describe()):
        one, other = (twin.acquire(request, id=request.kind, stop=NEVER) for twin in (direct, remote))
        assert measurement_to_plain(one) == measurement_to_plain(other)
    assert direct.truth().keys() == remote.truth().keys()
    remote.close()


@pytest.mark.parametrize(
    ("twin", "chosen"),
    [
        (
            ["instrument=ferroelectric_film", "instrument.core.failure_rate=0.1"],
            ["agent=sobol", "budget.steps=12"],
        ),
        (["instrument=stem_graphene"], ["campaign=si_atom_move", "budget.steps=12"]),
        (["instrument=scanning_probe", "instrument.core.grid=24"], ["campaign=probe_loops", "budget.steps=4"]),
    ],
    ids=["film", "silicon", "probe"],
)
def test_a_campaign_takes_one_key_and_goes_the_same_way(
    serve: Serve, tmp_path: Path, twin: list[str], chosen: list[str]
) -> None:
    server = serve(instrument_of(twin, []))
    ways = {"direct": twin, "bridge": ["instrument=remote_twin", f"instrument.address={server.address}"]}
    common = ["tracking=off", "report=false", "seed=4"]
    done = {}
    for way, instrument in ways.items():
        settings = compose([*chosen, *common, *instrument, f"runs={tmp_path / way}"])
        done[way] = campaign.run(settings)
        assert done[way].status == "finished", done[way].message
    assert trajectory(done["direct"].folder) == trajectory(done["bridge"].folder)


def test_a_twin_served_as_an_instrument_cannot_be_reset(serve: Serve, exposing: ModuleType) -> None:
    instrument = RemoteInstrument(serve(Embedded(Flat())).address)
    assert isinstance(instrument, Instrument)
    assert not isinstance(instrument, Twin)
    assert instrument.describe().episodes is False
    instrument.close()
    twin = RemoteTwin(serve(exposing.Exposing()).address)
    with pytest.raises(NotSupported, match="no twin"):
        twin.describe()
    twin.close()


def test_a_large_result_comes_in_pieces_and_meanwhile_the_server_answers(serve: Serve) -> None:
    server = serve(Embedded(FerroelectricFilm(grid=16, noise_pm=0.0)), chunk_bytes=20_000)
    remote = RemoteTwin(server.address)
    remote.reset(1, {})
    field = remote.describe().field
    request = ScanImage(field.center_nm, (500.0, 500.0), (128, 128), 1e-4)
    seen: list[tuple[int, int]] = []
    pings: list[Any] = []

    def told(got: int, whole: int) -> None:
        seen.append((got, whole))
        pings.append(remote.ping())

    remote.tell_progress(told)
    measurement = remote.acquire(request, id="large", stop=NEVER)
    direct = Embedded(FerroelectricFilm(grid=16, noise_pm=0.0))
    direct.reset(1, {})
    expected = direct.acquire(request, id="large", stop=NEVER)
    assert measurement_to_plain(measurement) == measurement_to_plain(expected)
    assert len(seen) > 5
    assert [got for got, _ in seen] == sorted(got for got, _ in seen)
    assert seen[-1][0] == seen[-1][1]
    assert len(pings) == len(seen)
    remote.close()


def test_a_stop_ends_a_scan_in_its_middle(serve: Serve) -> None:
    remote = RemoteTwin(serve(Embedded(FerroelectricFilm(grid=16), pace=1.0)).address)
    remote.reset(1, {})
    stop = threading.Event()
    request = ScanImage(remote.describe().field.center_nm, (100.0, 100.0), (50, 20), 5e-3)
    timer = threading.Timer(0.7, stop.set)
    timer.start()
    measurement = remote.acquire(request, id="scan", stop=stop)
    timer.join()
    image = next(iter(measurement.channels.values())).values
    rows = np.isfinite(image).all(axis=1).sum()
    assert not measurement.complete
    assert 0 < rows < 50
    assert measurement.cost.seconds < remote.price(request).seconds
    assert remote.acquire(BiasSpectroscopy((0.0, 0.0), -1.0, 1.0, 8, 1e-3), id="next", stop=NEVER).complete
    remote.close()


def test_pings_are_answered_while_the_instrument_is_busy(serve: Serve) -> None:
    remote = RemoteTwin(serve(Embedded(Flat(), pace=1.0)).address)
    remote.reset(1, {})
    thread = threading.Thread(
        target=remote.acquire, args=(PointSpectrum((0.0, 0.0), 0.6),), kwargs={"id": "long", "stop": NEVER}
    )
    thread.start()
    running = []
    while thread.is_alive():
        running.append(remote.ping()["running"])
    thread.join()
    assert sum(each is not None and each["op"] == "acquire" for each in running) > 20
    remote.close()

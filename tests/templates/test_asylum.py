"""Asylum's template against a program that reads command files as public scripts write them: our reading, not Igor."""

import dataclasses
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instruments.check import check
from instruments.errors import ConnectionLost, DataInvalid, HardwareFault, NotSupported, OutOfReach, Stopped
from instruments.probe import lines
from instruments.requests import Approach, Register, ScanImage, SetFeedback, Withdraw
from instruments.templates.asylum import Asylum, AsylumSite, make
from instruments.templates.ibw import read_wave

IGOR = Path(__file__).parent / "igor_in_words.py"
NEVER = threading.Event()
FRAME = ScanImage((0.0, 0.0), (1000.0, 1000.0), (32, 32), 2e-4)  # 78 lines a second: 0.4 s
START = {
    "ScanSize": 2e-6,
    "XOffset": 0.0,
    "YOffset": 0.0,
    "ScanAngle": 0.0,
    "ScanRate": 1.0,
    "ScanLines": 256,
    "ScanPoints": 256,
    "DeflectionSetpointVolts": 1.0,
    "deaf": [],
    "scans": 0,
    "stopped": 0,
    "lifted": 0,
}


@pytest.fixture
def site(tmp_path: Path) -> AsylumSite:
    (tmp_path / "images").mkdir()
    (tmp_path / "state.json").write_text(json.dumps(START))
    return AsylumSite(
        folder=str(tmp_path),
        send=(sys.executable, "-I", "-S", str(IGOR), str(tmp_path)),
        images=str(tmp_path / "images"),
        withdraw=('ARExecuteControl("LiftTip_0","MasterPanel",0,"")',),
        first_row="low",
        field_nm=4000.0,
        processes=("echo", "Igor64.exe"),
        lever_nN_V=50.0,
        most_lines_per_s=100.0,
        settle_s=0.02,
        overhead_s=5.0,
        saving_s=0.5,
    )


def state(site: AsylumSite, **changed: Any) -> dict[str, Any]:
    path = Path(site.folder) / "state.json"
    now = json.loads(path.read_text()) | changed
    path.write_text(json.dumps(now))
    return now


def brightest(values: np.ndarray, width_nm: float = 1000.0) -> tuple[float, float]:
    row, at = np.unravel_index(values.argmax(), values.shape)
    return tuple((k + 0.5) / n * width_nm - width_nm / 2 for k, n in zip((at, row), values.shape[::-1], strict=True))


def test_it_can_be_read_before_anything_is_set(site: AsylumSite) -> None:
    told = lines(Asylum(site))
    assert "ScanSize = 2e-06" in told
    assert "ScanLines = 256.0" in told
    assert f"images = 0 files in {site.images}" in told
    assert state(site) == START
    wrong = dict(START)
    wrong.pop("YOffset")
    (Path(site.folder) / "state.json").write_text(json.dumps(wrong))
    assert any(line.startswith("YOffset = cannot be read: DataInvalid") for line in lines(Asylum(site)))


def test_the_conformance_suite_passes_on_our_reading_of_it(site: AsylumSite) -> None:
    report = check(Asylum(site), [FRAME, SetFeedback(True, setpoint_nN=20.0), Withdraw(), Register((0.0, 0.0))])
    report.raise_for_failures()
    assert report.instrument == "Asylum, not run by us"
    assert state(site)["lifted"] > 0


def test_signs_and_units_by_one_feature_off_centre(site: AsylumSite) -> None:
    afm = Asylum(site)
    found = afm.acquire(FRAME, id="1", stop=NEVER).channels
    assert {name: channel.unit for name, channel in found.items()} == {
        "height": "nm",
        "amplitude": "nm",
        "phase": "deg",
    }
    assert found["height"].values.max() == pytest.approx(40.0, rel=0.05)
    assert brightest(found["height"].values) == pytest.approx((300.0, -200.0), abs=32)
    moved = dataclasses.replace(FRAME, center_nm=(200.0, -100.0), rotation_rad=0.5, channels=("height",))
    now = afm.acquire(moved, id="2", stop=NEVER).channels
    assert set(now) == {"height"}
    assert brightest(now["height"].values) == pytest.approx((100.0, -100.0), abs=32)
    told = state(site)
    assert told["XOffset"] == pytest.approx(200e-9)
    assert told["ScanSize"] == pytest.approx(1e-6)
    assert told["ScanAngle"] == pytest.approx(np.degrees(0.5))
    assert told["ScanRate"] == pytest.approx(1 / (2 * 2e-4 * 32))
    high = Asylum(dataclasses.replace(site, first_row="high"))
    assert brightest(high.acquire(FRAME, id="3", stop=NEVER).channels["height"].values)[1] == pytest.approx(200, abs=32)
    afm.acquire(Register((100.0, 0.0)), id="4", stop=NEVER)
    assert brightest(afm.acquire(FRAME, id="5", stop=NEVER).channels["height"].values)[0] == pytest.approx(200, abs=32)
    afm.acquire(SetFeedback(True, setpoint_nN=20.0), id="6", stop=NEVER)
    assert state(site)["DeflectionSetpointVolts"] == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["ScanSize", "XOffset", "YOffset", "ScanAngle", "ScanRate", "ScanLines", "ScanPoints"])
def test_what_is_ignored_without_a_word_is_found_before_the_scan(site: AsylumSite, name: str) -> None:
    afm = Asylum(site)
    state(site, deaf=[name])
    with pytest.raises(HardwareFault, match=rf"{name} was set to .* clamped or ignored"):
        afm.acquire(dataclasses.replace(FRAME, center_nm=(100.0, 50.0), rotation_rad=0.1), id="1", stop=NEVER)
    assert state(site)["scans"] == 0


def test_what_is_clamped_is_found(site: AsylumSite) -> None:
    afm = Asylum(dataclasses.replace(site, field_nm=20000.0))
    with pytest.raises(HardwareFault, match="ScanSize was set to 6e-06 and reads 5e-06"):
        afm.acquire(dataclasses.replace(FRAME, size_nm=(6000.0, 6000.0)), id="1", stop=NEVER)
    state(site, deaf=["DeflectionSetpointVolts"])
    with pytest.raises(HardwareFault, match="set-point"):
        afm.acquire(SetFeedback(True, setpoint_nN=20.0), id="2", stop=NEVER)


def test_out_of_range_is_refused_before_anything_is_sent(site: AsylumSite) -> None:
    afm = Asylum(site)
    afm.describe()
    before = (Path(site.folder) / "ToIgor.arcmd").read_text()
    for request, error in (
        (dataclasses.replace(FRAME, center_nm=(1900.0, 0.0)), OutOfReach),
        (dataclasses.replace(FRAME, dwell_s=1e-5), NotSupported),
        (dataclasses.replace(FRAME, shape=(32, 16)), NotSupported),
        (dataclasses.replace(FRAME, channels=("current",)), NotSupported),
        (SetFeedback(True, setpoint_nN=500.0), OutOfReach),
        (SetFeedback(False, setpoint_nN=5.0), NotSupported),
        (SetFeedback(True, setpoint_nN=5.0, integral_Hz=10.0), NotSupported),
        (Approach(), NotSupported),
    ):
        with pytest.raises(error):
            afm.acquire(request, id="x", stop=NEVER)
    assert (Path(site.folder) / "ToIgor.arcmd").read_text() == before


def test_another_image_or_a_part_of_one_is_none(site: AsylumSite) -> None:
    afm = Asylum(site)
    state(site, lies=True)
    with pytest.raises(DataInvalid, match="own note says XOffset"):
        afm.acquire(FRAME, id="1", stop=NEVER)
    state(site, lies=False, breaks=True)
    with pytest.raises(DataInvalid, match="only a part"):
        afm.acquire(FRAME, id="2", stop=NEVER)
    state(site, breaks=False)
    assert afm.acquire(FRAME, id="3", stop=NEVER).complete  # errors, then a good call


def test_a_scan_that_saves_nothing_is_stopped_and_said(site: AsylumSite) -> None:
    afm = Asylum(dataclasses.replace(site, overhead_s=0.2))
    state(site, deaf=["DownScan_0"])
    with pytest.raises(HardwareFault, match="is saving on"):
        afm.acquire(FRAME, id="1", stop=NEVER)
    assert state(site)["stopped"] == 1


def test_a_stopped_scan_is_none_and_make_safe_withdraws(site: AsylumSite) -> None:
    afm, long = Asylum(site), dataclasses.replace(FRAME, dwell_s=1e-2)
    afm.describe()
    timer = threading.Timer(0.5, afm.make_safe)
    timer.start()
    with pytest.raises(Stopped):
        afm.acquire(long, id="1", stop=NEVER)
    timer.join()
    assert afm.lookup("1") is None
    assert state(site)["stopped"] >= 1
    assert state(site)["lifted"] == 1
    assert afm.acquire(FRAME, id="2", stop=NEVER).complete


def test_a_dialog_that_blocks_and_an_igor_that_does_not_run_are_said(site: AsylumSite) -> None:
    afm = Asylum(dataclasses.replace(site, timeout_s=1.0))
    afm.describe()
    state(site, dialog=30.0)
    began = time.monotonic()
    with pytest.raises(HardwareFault, match="is a dialog open"):
        afm.acquire(FRAME, id="1", stop=NEVER)
    assert time.monotonic() - began < 20
    gone = Asylum(dataclasses.replace(site, processes=("echo", "explorer.exe")))
    with pytest.raises(ConnectionLost, match="Igor does not run"):
        gone.describe()


def test_an_answer_that_is_old_or_no_number_is_none(site: AsylumSite) -> None:
    afm = Asylum(site)
    afm.describe()
    assert afm._igor.read(["ScanSize", "PIDSLoop.0.Setpoint"][:1]) == [pytest.approx(2e-6)]
    with pytest.raises(DataInvalid, match="asked for NoSuchName"):
        afm._igor.read(["NoSuchName"])
    silent = Asylum(dataclasses.replace(site, send=(sys.executable, "-c", "pass")))
    with pytest.raises(DataInvalid, match="Igor answered nothing"):
        silent.describe()


def test_the_site_must_say_what_public_code_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ASYLUM_SITE", raising=False)
    with pytest.raises(DataInvalid, match="ASYLUM_SITE must name a JSON file"):
        make()
    path = tmp_path / "site.json"
    monkeypatch.setenv("ASYLUM_SITE", str(path))
    plain = {"folder": "f", "send": ["s"], "images": "i", "withdraw": ["w"], "first_row": "low", "field_nm": 1e5}
    for changed, said in (
        ({"first_row": "up"}, "first_row is low or high"),
        ({"withdraw": []}, "withdraw is empty"),
        ({"field_nm": -1.0}, "field_nm"),
    ):
        path.write_text(json.dumps(plain | changed))
        with pytest.raises(DataInvalid, match=said):
            make()
    path.write_text(json.dumps(plain))
    assert make().site.withdraw == ("w",)


def test_a_recorded_image_of_such_a_microscope_is_read(data_folder: Path) -> None:
    content = (data_folder / "pfm-ibw-gwy" / "image_2um.ibw").read_bytes()
    wave = read_wave(content)
    assert list(wave.layers) == ["HeightRetrace", "AmplitudeRetrace", "DeflectionRetrace", "PhaseRetrace"]
    assert wave.layers["HeightRetrace"].shape == (256, 256)
    assert wave.scale[:2] == pytest.approx((2e-6 / 255, 2e-6 / 255))
    assert {"ScanSize": "2e-06", "ScanPoints": "256"}.items() <= wave.note.items()
    for wrong, said in (
        (content[:5000], "only a part"),
        (b"\3\0" + content[2:], "version"),
        (b"x" * 9, "no Igor wave"),
    ):
        with pytest.raises(DataInvalid, match=said):
            read_wave(wrong)

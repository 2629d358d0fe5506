"""DigitalMicrograph's template against an object that speaks the calls of public scripts: our reading, not GMS."""

import dataclasses
import json
import math
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instruments.bridge.remote import RemoteInstrument
from instruments.check import check
from instruments.errors import DataInvalid, HardwareFault, NotSupported, OutOfReach, Stopped
from instruments.probe import lines
from instruments.requests import MoveStage, Register, ScanImage
from instruments.templates.gatan import Gatan, GatanSite, make, serve

NEVER = threading.Event()
SITE = GatanSite(
    field_nm=200.0,
    create=("width", "height", "rotation", "pixel_time", "line_sync"),
    signals=(("dark_field", 1), ("bright_field", 0)),
    width_nm=64.0,
    scale_unit_nm=1000.0,
    shift=((2.0, 0.0), (0.0, 2.0)),
    stage=((1.0, 0.0), (0.0, 1.0)),
    overhead_s=0.5,
    patience_s=1.0,
)
FRAME = ScanImage((0.0, 0.0), (64.0, 64.0), (64, 64), 2e-6)
ORDERS = {
    "five": ("width", "height", "rotation", "pixel_time", "line_sync"),
    "six": ("height", "width", "bytes", "rotation", "pixel_time", "line_sync"),
    "seven": ("width", "height", "zero", "bytes", "rotation", "pixel_time", "line_sync"),
}


class Gms(types.ModuleType):
    """The module as scripts use it, with one of the orders of DS_CreateParameters."""

    def __init__(self, specimen: Any) -> None:
        super().__init__("DigitalMicrograph")
        self.specimen, self.order, self.width_um = specimen, ORDERS["five"], 0.064
        self.blanked, self.shift, self.stage = False, (3.0, 4.0), [1.0, 2.0, 0.0, 10.0, 0.0]
        self.parameters: dict[int, dict[str, Any]] = {}
        self.images: dict[int, Any] = {}
        self.deaf, self.blanker, self.most_um = set[str](), True, 100.0

    def Py_Microscope(self) -> Any:
        return types.SimpleNamespace(
            HasBeamBlanker=lambda: self.blanker,
            SetBeamBlanked=lambda on: None if "blank" in self.deaf else setattr(self, "blanked", on),
            GetBeamBlanked=lambda: self.blanked,
            SetBeamShift=lambda x, y: None if "shift" in self.deaf else setattr(self, "shift", (x, y)),
            GetBeamShift=lambda: self.shift,
            GetStagePositions=lambda flags: tuple(self.stage),
            SetStagePositions=self._go,
        )

    def _go(self, flags: int, *target: float) -> None:
        for k, value in enumerate(target):
            if flags >> k & 1:
                self.stage[k] = min(max(value, -self.most_um), self.most_um) if k < 3 else value

    def DS_CreateParameters(self, *arguments: Any) -> int:
        number = len(self.parameters) + 1
        self.parameters[number] = dict(zip(self.order, arguments, strict=True)) | {"signals": []}
        return number

    def DS_SetParametersSignal(self, number: int, signal: int, size: int, selected: bool, image: int) -> None:
        assert (size, selected, image) == (4, True, 0)
        self.parameters[number]["signals"].append(signal)

    def DS_StartAcquisition(self, number: int, continuous: bool, synchronous: bool) -> None:
        assert (continuous, synchronous) == (False, True)
        asked = self.parameters[number]
        side, dwell_s = asked["width"], 1e-6 * asked["pixel_time"]
        x, y = (2 * (now - then) for now, then in zip(self.shift, (3.0, 4.0), strict=True))
        dx, dy = 1000 * (self.stage[0] - 1.0), 1000 * (self.stage[1] - 2.0)
        values = self.specimen.look((x - dx, y - dy), 1000 * self.width_um, side, dwell_s)
        for signal in asked["signals"]:
            seen = values if signal == 1 else 1011 - values
            self.images[100 + signal] = seen * (not self.blanked)

    def DS_GetAcquiredImageID(self, signal: int) -> int:
        return 100 + signal

    def FindImageByID(self, number: int) -> Any:
        values = self.images[number]
        return types.SimpleNamespace(
            GetNumArray=lambda: values, GetDimensionScale=lambda axis: self.width_um / values.shape[axis]
        )

    def DS_DeleteParameters(self, number: int) -> None:
        self.parameters[number]["deleted"] = True


@pytest.fixture
def gms(specimen: Any, monkeypatch: pytest.MonkeyPatch) -> Gms:
    module = Gms(specimen)
    monkeypatch.setitem(sys.modules, "DigitalMicrograph", module)
    return module


def brightest(values: np.ndarray) -> tuple[float, float]:
    row, at = np.unravel_index(values.argmax(), values.shape)
    return (float(at) + 0.5 - 32, float(row) + 0.5 - 32)


def test_it_can_be_read_before_anything_is_set(gms: Gms) -> None:
    told = lines(Gatan(GatanSite()))
    assert told == [
        "blanked = False",
        "beam shift = (3.0, 4.0)",
        f"stage [nm, rad] = {(1000.0, 2000.0, 0.0, math.radians(10.0), 0.0)}",
        "has a blanker = True",
        "stage [um, degrees] = (1.0, 2.0, 0.0, 10.0, 0.0)",
    ]
    assert (gms.blanked, gms.parameters) == (False, {})


def test_the_conformance_suite_passes_on_our_reading_of_it(gms: Gms) -> None:
    report = check(
        Gatan(SITE),
        [dataclasses.replace(FRAME, dwell_s=2e-5), MoveStage((1.0, 2.0, 1.0), (0.001, 0.0)), Register((0.0, 0.0))],
    )
    report.raise_for_failures()
    assert report.instrument == "DigitalMicrograph, not run by us"
    assert gms.blanked
    assert all(parameters.get("deleted") for parameters in gms.parameters.values())


@pytest.mark.parametrize("name", ORDERS)
def test_every_public_order_of_the_arguments_can_be_said(gms: Gms, name: str) -> None:
    gms.order = ORDERS[name]
    scope = Gatan(dataclasses.replace(SITE, create=ORDERS[name]))
    channels = scope.acquire(FRAME, id="1", stop=NEVER).channels
    assert brightest(channels["dark_field"].values) == pytest.approx((12.0, -5.0), abs=1.0)
    assert brightest(-channels["bright_field"].values) == pytest.approx((12.0, -5.0), abs=1.0)
    asked = next(iter(gms.parameters.values()))
    assert (asked["width"], asked["height"], asked["pixel_time"]) == (64, 64, pytest.approx(2.0))
    assert asked["deleted"]


def test_a_wrong_order_is_found(gms: Gms) -> None:
    gms.order = ("width", "height", "pixel_time", "rotation", "line_sync")  # another than the site says
    with pytest.raises(HardwareFault, match=r"came after .* of beam"):
        Gatan(SITE).acquire(dataclasses.replace(FRAME, dwell_s=5e-5), id="1", stop=NEVER)
    assert gms.blanked


def test_signs_and_units_by_one_feature_off_centre(gms: Gms) -> None:
    scope = Gatan(SITE)
    moved = dataclasses.replace(FRAME, center_nm=(10.0, -4.0), channels=("dark_field",))
    found = scope.acquire(moved, id="1", stop=NEVER).channels
    assert set(found) == {"dark_field"}
    assert brightest(found["dark_field"].values) == pytest.approx((2.0, -1.0), abs=1.0)
    assert gms.shift == pytest.approx((3.0 + 5.0, 4.0 - 2.0))
    scope.acquire(MoveStage((5.0, 3.0, 0.0), (0.02, 0.0)), id="2", stop=NEVER)
    assert gms.stage[:2] == pytest.approx([1.005, 2.003])
    assert gms.stage[3] == pytest.approx(10.0 + math.degrees(0.02))
    still = scope.acquire(FRAME, id="3", stop=NEVER).channels["dark_field"].values
    assert brightest(still) == pytest.approx((12.0, -5.0), abs=1.0)


def test_what_is_clamped_or_ignored_is_found(gms: Gms) -> None:
    scope = Gatan(SITE)
    gms.most_um = 50.0
    with pytest.raises(HardwareFault, match="stage x was set to 61000 and reads 50000"):
        scope.acquire(MoveStage((6e4, 0.0, 0.0)), id="1", stop=NEVER)
    scope.acquire(MoveStage((-49000.0, 0.0, 0.0)), id="2", stop=NEVER)
    gms.deaf.add("shift")
    with pytest.raises(HardwareFault, match="beam shift"):
        scope.acquire(dataclasses.replace(FRAME, center_nm=(10.0, 0.0)), id="3", stop=NEVER)
    assert gms.specimen.scans == 0
    gms.deaf.clear()
    gms.width_um = 0.128
    with pytest.raises(DataInvalid, match="128 nm wide: who changed the magnification"):
        scope.acquire(FRAME, id="4", stop=NEVER)
    gms.width_um = 0.064
    assert scope.acquire(FRAME, id="5", stop=NEVER).complete
    gms.deaf.add("blank")
    with pytest.raises(HardwareFault, match="unblanked, and reads otherwise"):
        scope.acquire(FRAME, id="6", stop=NEVER)


def test_out_of_range_is_refused_before_anything_is_sent(gms: Gms) -> None:
    scope = Gatan(SITE)
    refused = [
        (dataclasses.replace(FRAME, size_nm=(60.0, 60.0)), NotSupported),
        (dataclasses.replace(FRAME, center_nm=(90.0, 0.0)), OutOfReach),
        (dataclasses.replace(FRAME, dwell_s=9e-3), OutOfReach),
        (MoveStage((2e5, 0.0, 0.0)), OutOfReach),
    ]
    for request, error in refused:
        with pytest.raises(error):
            scope.acquire(request, id="x", stop=NEVER)
    assert (gms.parameters, gms.stage[0], gms.shift) == ({}, 1.0, (3.0, 4.0))


def test_what_the_site_has_not_said_is_refused(gms: Gms) -> None:
    scope = Gatan(GatanSite())
    with pytest.raises(NotSupported, match="before the site says create, signals, width_nm, scale_unit_nm"):
        scope.price(FRAME)
    for changed, said in (({"create": ("width", "hieght")}, "create has the words"), ({"create": ("width",)}, "needs")):
        with pytest.raises(DataInvalid, match=said):
            GatanSite(**changed)
    gms.blanker = False
    with pytest.raises(NotSupported, match="no beam blanker"):
        Gatan(SITE).describe()


def test_the_library_is_missing_here() -> None:
    with pytest.raises(NotSupported, match="only inside of GMS"):
        make().describe()


def serving_at(log: Path) -> str:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        if lines and lines[0]["what"] == "serving":
            return str(lines[0]["address"])
        time.sleep(0.05)
    raise TimeoutError("nothing is served")


def test_it_serves_from_a_thread_inside_of_another_program(
    gms: Gms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.json"
    site.write_text(
        '{"create": ["width", "height", "rotation", "pixel_time", "line_sync"], "signals": [["dark_field", 1]],'
        ' "width_nm": 64.0, "scale_unit_nm": 1000.0, "overhead_s": 0.5}'
    )
    monkeypatch.setenv("GATAN_SITE", str(site))
    folder = tmp_path / "served"
    server = threading.Thread(target=serve, args=(str(folder), "tcp://127.0.0.1:*"))
    server.start()
    try:
        remote = RemoteInstrument(serving_at(folder / "audit.jsonl"), patience_s=20.0)
        values = remote.acquire(FRAME, id="1", stop=NEVER).channels["dark_field"].values
        assert brightest(values) == pytest.approx((12.0, -5.0), abs=1.0)
        gms.specimen.hold.clear()  # a frame that takes its time
        watcher = RemoteInstrument(serving_at(folder / "audit.jsonl"), patience_s=20.0)
        watcher.describe()  # before that it has reached nobody
        threading.Timer(0.3, watcher.make_safe).start()
        threading.Timer(1.0, gms.specimen.hold.set).start()
        with pytest.raises(Stopped):
            remote.acquire(FRAME, id="2", stop=NEVER)
        assert gms.blanked
        watcher.close()
        remote.close()
    finally:
        gms.specimen.hold.set()
        folder.mkdir(exist_ok=True)
        (folder / "stop").touch()
        until = time.monotonic() + 20
        while server.is_alive() and time.monotonic() < until:
            time.sleep(0.05)
    assert not server.is_alive()
    assert gms.blanked

"""AutoScript's template against an object that speaks the calls as public code does: our reading, not their software.

What such an object cannot show is whether the reading is right; docs/templates.md lists what to check on site.
"""

import dataclasses
import json
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instruments.check import check
from instruments.errors import DataInvalid, HardwareFault, NotSupported, OutOfReach, Stopped
from instruments.probe import lines
from instruments.requests import MoveStage, PointSpectrum, Register, ScanImage, SetOptics
from instruments.templates.autoscript import AutoScript, AutoScriptSite, make

CHECKOUT = Path(__file__).resolve().parent.parent.parent
NEVER = threading.Event()
IDENTITY = ((1.0, 0.0), (0.0, 1.0))
SITE = AutoScriptSite(
    field_nm=200.0,
    sides=(32, 64),
    shift=IDENTITY,
    stage=((-1.0, 0.0), (0.0, 1.0)),
    stage_range_nm=1e5,
    defocus_sign=-1,
    eds_offset_eV=-100.0,
    eds_dead=0.2,
    current_pA=50.0,
    overhead_s=0.5,
    patience_s=0.5,
)
FRAME = ScanImage((0.0, 0.0), (64.0, 64.0), (64, 64), 2e-6)


class Record(types.SimpleNamespace):
    """Any of AutoScript's structures: what it was built with, by name."""


class Point:
    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = x, y


class Optics:
    """Fields as public code reads and writes them; the widest field is 1 um, whatever is asked for."""

    def __init__(self) -> None:
        self.optical_mode, self.scan_rotation, self.defocus = "Stem", 0.0, 0.0
        self.blanker, self.deflectors = Blanker(), Deflectors()
        self._width, self._parked = 1e-6, Point(0.5, 0.5)

    @property
    def scan_field_of_view(self) -> float:
        return self._width

    @scan_field_of_view.setter
    def scan_field_of_view(self, value: float) -> None:
        self._width = min(value, 1e-6)

    @property
    def paused_scan_beam_position(self) -> Point:
        return self._parked

    @paused_scan_beam_position.setter
    def paused_scan_beam_position(self, value: list[float]) -> None:
        self._parked = Point(*value)


class Blanker:
    def __init__(self) -> None:
        self.is_beam_blanked, self.stuck = False, False

    def blank(self) -> None:
        self.is_beam_blanked = not self.stuck

    def unblank(self) -> None:
        self.is_beam_blanked = False


class Deflectors:
    """A shift in metres, clamped at 0.4 um."""

    def __init__(self) -> None:
        self._shift = Point(1e-8, 0.0)

    @property
    def beam_shift(self) -> Point:
        return self._shift

    @beam_shift.setter
    def beam_shift(self, value: tuple[float, float]) -> None:
        self._shift = Point(*(min(max(v, -4e-7), 4e-7) for v in value))


class Stage:
    """Metres and radians; it goes no further than 50 um, without a word."""

    def __init__(self) -> None:
        self.position = Record(x=1e-6, y=2e-6, z=0.0, a=0.1, b=None)
        self.asked: list[Record] = []

    def absolute_move(self, target: Record) -> None:
        self.asked.append(target)
        for axis, value in vars(target).items():
            limit = 5e-5 if axis in "xyz" else 0.5
            setattr(self.position, axis, min(max(value, -limit), limit))


class Column:
    """What all clients of one microscope reach."""

    def __init__(self, specimen: Any) -> None:
        self.optics, self.specimen_stage, self.specimen = Optics(), Stage(), specimen
        self.settings: list[Record] = []
        self.spoilt: dict[str, Any] = {}

    def images(self, settings: Record) -> list[Record]:
        self.settings.append(settings)
        values = self.specimen.look(
            self.probe_nm(), 1e9 * self.optics.scan_field_of_view, settings.size, settings.dwell_time
        )
        if self.optics.blanker.is_beam_blanked:
            values = np.zeros_like(values)
        return [Record(data=self.spoilt.get("image", lambda v: v)(values)) for _ in settings.detector_types]

    def probe_nm(self) -> tuple[float, float]:
        """In the frame of the sample: the shift as it is; a stage step of x moves the sample to -x of the image."""
        shift, at = self.optics.deflectors.beam_shift, self.specimen_stage.position
        return (1e9 * (shift.x - 1e-8) + 1e9 * (at.x - 1e-6), 1e9 * shift.y - 1e9 * (at.y - 2e-6))

    def xrays(self, settings: Record) -> Record:
        parked, width = self.optics.paused_scan_beam_position, 1e9 * self.optics.scan_field_of_view
        x, y = ((f - 0.5) * width + p for f, p in zip((parked.x, parked.y), self.probe_nm(), strict=True))
        near = abs(x - self.specimen.feature_nm[0]) < 1 and abs(y - self.specimen.feature_nm[1]) < 1
        threading.Event().wait(settings.exposure_time)
        counts = np.zeros(512, np.uint32)
        counts[110] = 500 if near else 3
        return Record(data=counts)


@pytest.fixture
def column(specimen: Any, monkeypatch: pytest.MonkeyPatch) -> Column:
    """Modules with the names of AutoScript's, all of whose clients reach one column."""
    column = Column(specimen)

    class TemMicroscopeClient:
        def connect(self, host: str, port: int) -> None:
            assert (host, port) == ("localhost", 9095)
            self.optics = column.optics
            self.acquisition = Record(acquire_stem_images_advanced=column.images)
            self.analysis = Record(eds=Record(acquire_spectrum=column.xrays))
            self.specimen = Record(stage=column.specimen_stage)
            self.detectors = Record(screen=Record(position="Retracted"))

    client: Any = types.ModuleType("autoscript_tem_microscope_client")
    client.TemMicroscopeClient = TemMicroscopeClient
    structures: Any = types.ModuleType("autoscript_tem_microscope_client.structures")
    for name in ("StemAcquisitionSettings", "EdsAcquisitionSettings", "StagePosition"):
        setattr(structures, name, Record)
    structures.Region, structures.Rectangle = (lambda system, area: (system, area)), (lambda *edges: edges)
    enumerations: Any = types.ModuleType("autoscript_tem_microscope_client.enumerations")
    enumerations.RegionCoordinateSystem = Record(RELATIVE="Relative")
    enumerations.EdsDetectorType, enumerations.ExposureTimeType = Record(SUPER_X="SuperX"), Record(LIVE_TIME="Live")
    for module in (client, structures, enumerations):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return column


def brightest(values: np.ndarray, width_nm: float = 64.0) -> tuple[float, float]:
    row, at = np.unravel_index(values.argmax(), values.shape)
    return tuple((k + 0.5) / n * width_nm - width_nm / 2 for k, n in zip((at, row), values.shape[::-1], strict=True))


def image(scope: AutoScript, id: str, request: ScanImage = FRAME) -> np.ndarray:
    return scope.acquire(request, id=id, stop=NEVER).channels["dark_field"].values


def test_it_says_in_one_line_that_the_library_is_missing() -> None:
    with pytest.raises(NotSupported, match=r"no autoscript_tem_microscope_client .* comes with the microscope"):
        make().describe()


@pytest.mark.parametrize("name", ["autoscript", "pyjem", "gatan", "asylum"])
def test_the_bridge_says_what_is_missing_and_ends(name: str) -> None:
    command = [sys.executable, "-m", "instruments.bridge", f"instruments.templates.{name}:make"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT)
    assert done.returncode == 2
    assert done.stderr.startswith(("error: this Python has no ", "error: ASYLUM_SITE must name a JSON file"))
    assert done.stderr.count("\n") == 1


def test_it_can_be_read_before_anything_is_set(column: Column, monkeypatch: pytest.MonkeyPatch) -> None:
    class Restless(Optics):
        @property
        def defocus(self) -> float:
            self.asked = getattr(self, "asked", 0.0) + 1e-9
            return self.asked

        @defocus.setter
        def defocus(self, value: float) -> None:
            pass

    column.optics, column.optics.optical_mode = Restless(), "Tem"
    told = lines(AutoScript(SITE))
    assert "blanked = False" in told  # it was not blanked, and TEM mode is no reason not to be read
    assert "beam shift = (10.0, 0.0)" in told
    assert "field of view [m] = 1e-06" in told
    assert any(line.startswith("stage [nm, rad] = (999.99") and line.endswith("0.1, nan)") for line in told)
    assert any(line.startswith("defocus [m] = 1e-09, then 2e-09: it differs") for line in told)
    assert "screen = Retracted" in told
    monkeypatch.setattr(Deflectors, "beam_shift", property(lambda self: 1 / 0))
    assert "beam shift = cannot be read: ZeroDivisionError: division by zero" in lines(AutoScript(SITE))
    assert (column.specimen.scans, column.specimen_stage.asked) == (0, [])


def test_the_conformance_suite_passes_on_our_reading_of_it(column: Column) -> None:
    requests = [
        FRAME,
        PointSpectrum((2.0, 3.0), 0.05),
        SetOptics(defocus_nm=2.0),
        MoveStage((0.1, 0.05, 1.0), (0.001, 0.0)),
        Register((0.0, 0.0)),
    ]
    report = check(AutoScript(SITE), requests)
    report.raise_for_failures()
    assert "not run by us" in report.instrument
    assert column.optics.blanker.is_beam_blanked


def test_signs_by_one_feature_off_centre(column: Column) -> None:
    scope = AutoScript(SITE)
    assert brightest(image(scope, "1")) == pytest.approx((12.0, -5.0), abs=1.0)
    moved = dataclasses.replace(FRAME, center_nm=(10.0, -4.0))
    assert brightest(image(scope, "2", moved)) == pytest.approx((2.0, -1.0), abs=1.0)
    assert column.optics.deflectors.beam_shift.x == pytest.approx(20e-9)  # from 10 nm at the start
    scope.acquire(MoveStage((5.0, 3.0, 0.0)), id="3", stop=NEVER)
    assert vars(column.specimen_stage.asked[-1]) == pytest.approx({"x": 1.005e-6, "y": 2.003e-6})
    assert brightest(image(scope, "4")) == pytest.approx((12.0, -5.0), abs=1.0)  # a place is a place of the sample
    scope.acquire(Register((1.0, 0.0)), id="5", stop=NEVER)
    assert brightest(image(scope, "6")) == pytest.approx((11.0, -5.0), abs=1.0)
    assert scope.acquire(FRAME, id="7", stop=NEVER).state["offset_x_nm"] == pytest.approx(-4.0)


def test_units_on_the_way_to_the_vendor(column: Column) -> None:
    scope = AutoScript(SITE)
    image(scope, "1", dataclasses.replace(FRAME, shape=(32, 32), dwell_s=1e-5))
    settings = column.settings[-1]
    assert (settings.dwell_time, settings.size, settings.detector_types) == (1e-5, 32, ["HAADF"])
    assert settings.region == ("Relative", (0.0, 0.0, 1.0, 1.0))
    assert column.optics.scan_field_of_view == pytest.approx(64e-9)
    scope.acquire(SetOptics(defocus_nm=20.0), id="2", stop=NEVER)
    assert column.optics.defocus == pytest.approx(-20e-9)  # defocus_sign is -1
    with pytest.raises(OutOfReach):
        scope.price(SetOptics(defocus_nm=2e4))
    tilted = scope.acquire(MoveStage((0.0, 0.0, 0.0), (0.05, 0.0)), id="3", stop=NEVER)
    assert vars(column.specimen_stage.asked[-1]) == pytest.approx({"a": 0.15})
    assert tilted.state["blanked"] == 1.0


def parked_at(column: Column) -> tuple[float, float]:
    parked = column.optics.paused_scan_beam_position
    return (parked.x, parked.y)


def test_spectra_are_parked_in_the_last_image(column: Column) -> None:
    scope = AutoScript(SITE)
    with pytest.raises(OutOfReach, match="take one around the place first"):
        scope.price(PointSpectrum((12.0, -5.0), 0.02))
    image(scope, "1")
    taken = scope.acquire(PointSpectrum((12.0, -5.0), 0.02), id="2", stop=NEVER)
    counts, energies = taken.channels["xray"].values, taken.channels["xray"].axes[0].values
    assert counts.max() == 500
    assert energies[counts.argmax()] == pytest.approx(-100.0 + 5.0 * 110)
    assert parked_at(column) == pytest.approx((0.5 + 12 / 64, 0.5 - 5 / 64))
    assert scope.acquire(PointSpectrum((-12.0, 5.0), 0.02), id="3", stop=NEVER).channels["xray"].values.max() == 3
    assert taken.cost.electrons == pytest.approx(50e-12 / 1.602176634e-19 * (0.5 + 0.02 / 0.8))
    with pytest.raises(OutOfReach, match="outside the last image"):
        scope.price(PointSpectrum((40.0, 0.0), 0.02))
    column.optics.scan_field_of_view = 32e-9  # somebody turns the magnification
    with pytest.raises(HardwareFault, match="field of view"):
        scope.acquire(PointSpectrum((12.0, -5.0), 0.02), id="4", stop=NEVER)
    column.spoilt["image"] = lambda v: v * 0
    with pytest.raises(DataInvalid):
        image(scope, "5", dataclasses.replace(FRAME, center_nm=(20.0, 0.0)))
    scope.acquire(PointSpectrum((12.0, -5.0), 0.02), id="6", stop=NEVER)  # the image is none, but the scan is there
    assert parked_at(column) == pytest.approx((0.5 - 8 / 64, 0.5 - 5 / 64))
    column.optics.scan_rotation = 0.1
    with pytest.raises(NotSupported):
        image(scope, "7")
    with pytest.raises(OutOfReach, match="take one around the place first"):
        scope.price(PointSpectrum((12.0, -5.0), 0.02))  # nobody knows where the scan is now


def test_what_is_clamped_without_a_word_is_found(column: Column) -> None:
    scope = AutoScript(dataclasses.replace(SITE, field_nm=5000.0))
    for id, request, said in (
        ("1", dataclasses.replace(FRAME, size_nm=(2000.0, 2000.0)), r"field of view \[m\] was set to 2e-06"),
        ("2", dataclasses.replace(FRAME, center_nm=(500.0, 0.0)), r"beam shift x \[nm\] was set to 510 and reads 400"),
        ("3", MoveStage((6e4, 0.0, 0.0)), "stage x was set to 61000 and reads 50000"),
    ):
        with pytest.raises(HardwareFault, match=said):
            scope.acquire(request, id=id, stop=NEVER)
        assert scope.lookup(id) is None
    assert column.specimen.scans == 0  # nothing was exposed
    scope.acquire(MoveStage((-49000.0, 0.0, 0.0)), id="back", stop=NEVER)
    assert image(scope, "4").any()


def test_out_of_range_is_refused_before_anything_is_sent(column: Column) -> None:
    scope = AutoScript(SITE)
    for request in (
        dataclasses.replace(FRAME, center_nm=(90.0, 0.0)),
        dataclasses.replace(FRAME, dwell_s=2e-3),
        MoveStage((2e5, 0.0, 0.0)),
        MoveStage(tilt_rad=(0.3, 0.0)),
    ):
        with pytest.raises(OutOfReach):
            scope.acquire(request, id="x", stop=NEVER)
    for request in (
        dataclasses.replace(FRAME, shape=(50, 50)),
        dataclasses.replace(FRAME, shape=(64, 32)),
        dataclasses.replace(FRAME, rotation_rad=0.1),
        dataclasses.replace(FRAME, channels=("bright_field",)),
        SetOptics(defocus_nm=1.0, current_pA=1.0),
    ):
        with pytest.raises(NotSupported):
            scope.acquire(request, id="x", stop=NEVER)
    assert (column.specimen.scans, column.specimen_stage.asked) == (0, [])


def test_what_is_not_measured_is_refused(column: Column) -> None:
    scope = AutoScript(AutoScriptSite(sides=(64,)))
    assert scope.describe().requests == {"ScanImage", "Register"}
    assert scope.describe().calibration.current_pA is None
    assert image(scope, "1").shape == (64, 64)
    with pytest.raises(NotSupported, match="`shift` is not measured"):
        scope.price(dataclasses.replace(FRAME, center_nm=(10.0, 0.0)))


def test_bad_frames_are_none(column: Column) -> None:
    scope = AutoScript(SITE)
    for id, spoil, error, said in (
        ("a", lambda v: v * 0, DataInvalid, "every pixel is 0"),
        ("b", lambda v: v[:-1], DataInvalid, r"\(63, 64\) came"),
        ("c", lambda v: np.full_like(v, 65535), DataInvalid, "saturated at 65535"),
        ("d", lambda v: np.where(v > 500, np.nan, v.astype(float)), DataInvalid, "only a part"),
        ("e", lambda v: v.astype("U5"), DataInvalid, "not of numbers"),
    ):
        column.spoilt["image"] = spoil
        with pytest.raises(error, match=said):
            image(scope, id)
        assert column.optics.blanker.is_beam_blanked
        assert scope.lookup(id) is None
    column.spoilt.clear()
    column.specimen.slow = False
    with pytest.raises(HardwareFault, match=r"came after .* of beam"):
        image(scope, "f", dataclasses.replace(FRAME, dwell_s=1e-4))
    column.specimen.slow = True
    assert image(scope, "g").any()  # errors, then a good call


def test_a_blanker_that_does_not_follow_is_a_fault(column: Column) -> None:
    column.optics.blanker.stuck = True
    with pytest.raises(HardwareFault, match="was to be blanked, and reads otherwise"):
        AutoScript(SITE).describe()


def test_a_stopped_frame_goes_on_in_the_dark_and_is_none(column: Column) -> None:
    scope, stop = AutoScript(SITE), threading.Event()
    scope.describe()
    column.specimen.hold.clear()
    threading.Timer(0.2, stop.set).start()
    threading.Timer(0.6, column.specimen.hold.set).start()
    with pytest.raises(Stopped):
        scope.acquire(FRAME, id="1", stop=stop)
    assert scope.lookup("1") is None
    assert column.optics.blanker.is_beam_blanked
    assert image(scope, "2").any()


def test_a_call_that_hangs_is_given_up_blanked_and_nothing_is_asked_until_it_returns(column: Column) -> None:
    scope = AutoScript(dataclasses.replace(SITE, overhead_s=0.05, patience_s=0.1))
    scope.describe()
    column.specimen.hold.clear()
    with pytest.raises(HardwareFault, match="has not returned within"):
        scope.acquire(FRAME, id="1", stop=NEVER)
    assert column.optics.blanker.is_beam_blanked
    with pytest.raises(HardwareFault, match="still not returned"):
        scope.acquire(FRAME, id="2", stop=NEVER)
    assert column.specimen.scans == 1
    column.specimen.hold.set()
    for thread in threading.enumerate():
        if thread.daemon and thread is not threading.current_thread() and thread.name.startswith("Thread"):
            thread.join(5.0)
    assert image(scope, "3").any()


def test_tem_mode_and_a_turned_scan_are_refused(column: Column) -> None:
    column.optics.optical_mode = "Tem"
    with pytest.raises(NotSupported, match="choose STEM"):
        AutoScript(SITE).describe()
    column.optics.optical_mode, scope = "Stem", AutoScript(SITE)
    scope.describe()
    column.optics.scan_rotation = 0.2
    with pytest.raises(NotSupported, match=r"turned by 0\.2"):
        image(scope, "1")


def test_site_settings_are_read_and_wrong_ones_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "site.json"
    monkeypatch.setenv("AUTOSCRIPT_SITE", str(path))
    path.write_text(json.dumps({"host": "scope", "shift": [[1, 0], [0, -1]], "detectors": [["dark_field", "HAADF"]]}))
    assert make().site == AutoScriptSite(host="scope", shift=((1, 0), (0, -1)))
    for plain, said in (
        ({"hots": "scope"}, "site settings have the keys"),
        ({"shift": [[1, 0], [2, 0]]}, "determinant is 0"),
        ({"port": 70000}, "port"),
        ({"sides": 64}, "sides must be a tuple"),
        ({"defocus_sign": 0}, "1 or -1"),
        ({"shortest_dwell_s": 1e-2}, "above longest_dwell_s"),
    ):
        path.write_text(json.dumps(plain))
        with pytest.raises(DataInvalid, match=said):
            make()

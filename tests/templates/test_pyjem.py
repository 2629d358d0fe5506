"""PyJEM's template against an object that speaks the calls as JEOL's manual lists them: our reading, not PyJEM."""

import dataclasses
import math
import sys
import threading
import types
from typing import Any

import numpy as np
import pytest

from instruments.check import check
from instruments.errors import DataInvalid, HardwareFault, NotSupported, OutOfReach, Stopped
from instruments.probe import lines
from instruments.requests import MoveStage, PointSpectrum, Register, ScanImage, SetOptics
from instruments.templates.pyjem import PyJem, PyJemSite, make

NEVER = threading.Event()
NM_PER_COUNT = 0.05
SITE = PyJemSite(
    field_nm=200.0,
    views=((11, 2e6, 64, 64.0), (9, 1e6, 32, 128.0), (8, 5e5, 64, 256.0)),
    shift=((0.0, NM_PER_COUNT), (-NM_PER_COUNT, 0.0)),
    stage=((1.0, 0.0), (0.0, -1.0)),
    stage_unit_nm=1000.0,
    overhead_s=0.5,
    patience_s=1.0,
)
FRAME = ScanImage((0.0, 0.0), (64.0, 64.0), (64, 64), 2e-6)
MAGNIFICATIONS = {11: 2e6, 9: 1e6, 8: 5e5}
WIDTHS = {2e6: 64.0, 1e6: 128.0, 5e5: 256.0}


class Scope:
    """One microscope's state. It takes everything, and ignores without a word what is named in `deaf`."""

    def __init__(self, specimen: Any) -> None:
        self.specimen, self.deaf, self.mode = specimen, set[str](), 1
        self.blank, self.selector, self.shift, self.stage = 0, 9, [32000, 32000], [1.0, 2.0, 0.0, 0.0, 0.0]
        self.area, self.dwell_us, self.scanmode, self.rotation = (512, 512), 10.0, 0, 0.0
        self.moving, self.limiter, self.stopped, self.calls = 0, False, 0, list[tuple[str, Any]]()

    def put(self, name: str, value: Any) -> Any:
        self.calls.append((name, value))
        if name not in self.deaf:
            setattr(self, name, value)
        return getattr(self, name)

    def axis(self, k: int, value: float) -> None:
        self.calls.append(("stage", (k, value)))
        self.stage[k] = value
        self.moving = 2

    def raw(self) -> bytes:
        x, y = ((now - 32000) * NM_PER_COUNT for now in self.shift)
        dx, dy = 1000 * (self.stage[0] - 1.0), 1000 * (self.stage[1] - 2.0)  # a unit of this stage is 1 um
        probe = (y - dx, -x + dy)  # the shift is turned by 90 degrees against the image, the stage mirrored in y
        values = self.specimen.look(probe, WIDTHS[MAGNIFICATIONS[self.selector]], self.area[0], 1e-6 * self.dwell_us)
        return (values * (0 if self.blank else 1)).astype("<i2").tobytes()


@pytest.fixture
def scope(specimen: Any, monkeypatch: pytest.MonkeyPatch) -> Scope:
    """Modules with PyJEM's names over one microscope."""
    scope = Scope(specimen)

    class Def3:
        SetBeamBlank = staticmethod(lambda value: scope.put("blank", value))
        GetBeamBlank = staticmethod(lambda: scope.blank)
        SetCLA1 = staticmethod(lambda x, y: scope.put("shift", [x, y]))
        GetCLA1 = staticmethod(lambda: scope.shift)

    class EOS3:
        GetTemStemMode = staticmethod(lambda: scope.mode)
        SetSelector = staticmethod(lambda value: scope.put("selector", value))
        GetMagValue = staticmethod(lambda: [int(MAGNIFICATIONS[scope.selector]), "X", "X..."])

    class Stage3:
        GetPos = staticmethod(lambda: list(scope.stage))
        SetX, SetY, SetZ, SetTiltXAngle, SetTiltYAngle = (
            staticmethod(lambda value, k=k: scope.axis(k, value)) for k in range(5)
        )

        @staticmethod
        def GetStatus() -> list[int]:
            scope.moving -= scope.moving > 0
            return [2 if scope.limiter else int(scope.moving > 0), 0, 0, 0, 0]

        @staticmethod
        def Stop() -> None:
            scope.stopped += 1

    class Detector:
        def __init__(self, name: str) -> None:
            assert name == "ADF1"

        set_scanmode = staticmethod(lambda value: {"ScanMode": scope.put("scanmode", value)})
        set_scanrotation = staticmethod(lambda value: {"ScanRotation": scope.put("rotation", value)})
        set_imaging_area = staticmethod(lambda Width, Height: scope.put("area", (Width, Height)))
        set_exposuretime_value = staticmethod(lambda value: scope.put("dwell_us", value))
        snapshot_rawdata = staticmethod(lambda: scope.raw())

        @staticmethod
        def get_detectorsetting() -> dict[str, Any]:
            area = dict(zip(("Width", "Height"), scope.area, strict=True))
            return {"ExposureTimeValue": scope.dwell_us, "GainIndex": 100, "ImagingArea": area}

    tem, detector, package = (types.ModuleType(f"PyJEM{part}") for part in (".TEM3", ".detector", ""))
    tem.Def3, tem.EOS3, tem.Stage3 = Def3, EOS3, Stage3  # type: ignore[attr-defined]
    detector.Detector = Detector  # type: ignore[attr-defined]
    detector.get_attached_detector = lambda: ["ADF1", "BF"]  # type: ignore[attr-defined]
    for module in (package, tem, detector):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return scope


def brightest(values: np.ndarray, width_nm: float) -> tuple[float, float]:
    row, at = np.unravel_index(values.argmax(), values.shape)
    return tuple((k + 0.5) / n * width_nm - width_nm / 2 for k, n in zip((at, row), values.shape[::-1], strict=True))


def image(jeol: PyJem, id: str, request: ScanImage = FRAME) -> np.ndarray:
    return jeol.acquire(request, id=id, stop=NEVER).channels["dark_field"].values


def test_it_says_in_one_line_that_the_library_is_missing() -> None:
    with pytest.raises(NotSupported, match=r"no PyJEM\.TEM3 .* comes with the microscope"):
        make().describe()


def test_it_can_be_read_before_anything_is_set(scope: Scope) -> None:
    told = lines(PyJem(SITE))
    assert "blanked = False" in told
    assert "attached detectors = ['ADF1', 'BF']" in told
    assert "stage, in its own units = [1.0, 2.0, 0.0, 0.0, 0.0]" in told
    assert "stage [nm, rad] = (1000.0, 2000.0, 0.0, 0.0, 0.0)" in told
    assert any(line.startswith("settings of ADF1 = {'ExposureTimeValue': 10.0") for line in told)
    assert scope.calls == []


def test_the_conformance_suite_passes_on_our_reading_of_it(scope: Scope) -> None:
    report = check(
        PyJem(SITE),
        [dataclasses.replace(FRAME, dwell_s=2e-5), MoveStage((1.0, 2.0, 1.0), (0.001, 0.0)), Register((0.0, 0.0))],
    )
    report.raise_for_failures()
    assert report.instrument == "PyJEM, not run by us"
    assert scope.blank == 1


def test_signs_and_units_by_one_feature_off_centre(scope: Scope) -> None:
    jeol = PyJem(SITE)
    assert brightest(image(jeol, "1"), 64.0) == pytest.approx((12.0, -5.0), abs=1.0)
    assert brightest(image(jeol, "2", dataclasses.replace(FRAME, center_nm=(10.0, -4.0))), 64.0) == pytest.approx(
        (2.0, -1.0), abs=1.0
    )
    assert scope.shift == [32000 + 80, 32000 + 200]  # 10 nm of x are 200 counts of its y, -4 nm of y 80 counts of its x
    jeol.acquire(MoveStage((5.0, 3.0, 0.0)), id="3", stop=NEVER)
    assert scope.stage[:2] == pytest.approx([1.005, 2.003])  # um
    assert brightest(image(jeol, "4"), 64.0) == pytest.approx((12.0, -5.0), abs=1.0)
    jeol.acquire(MoveStage(tilt_rad=(0.1, 0.0)), id="5", stop=NEVER)
    assert scope.calls[-1] == ("stage", (3, pytest.approx(math.degrees(0.1))))
    wide = ScanImage((0.0, 0.0), (128.0, 128.0), (32, 32), 1e-5)
    assert brightest(image(jeol, "6", wide), 128.0) == pytest.approx((12.0, -5.0), abs=4.0)
    assert (scope.selector, scope.dwell_us, scope.area) == (9, pytest.approx(10.0), (32, 32))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("selector", "magnification was set to 2e[+]06 and reads 1e[+]06"),
        ("dwell_us", r"dwell \[us\] was set to 2 and reads 10"),
        ("area", "imaging area, Width was set to 64 and reads 512"),
        ("rotation", "scan turn was set to 0"),
        ("scanmode", "scan mode was set to 0"),
        ("shift", r"beam shift x \[counts\]"),
    ],
)
def test_what_is_ignored_without_a_word_is_found_before_the_beam_is_on(scope: Scope, name: str, said: str) -> None:
    jeol = PyJem(SITE)
    jeol.describe()
    scope.rotation, scope.scanmode = 30.0, 3
    scope.deaf.add(name)
    with pytest.raises(HardwareFault, match=said):
        image(jeol, "1", dataclasses.replace(FRAME, center_nm=(10.0, -4.0)))
    assert scope.specimen.scans == 0
    scope.deaf.clear()
    assert image(jeol, "2").any()


def test_a_deaf_blanker_is_a_fault(scope: Scope) -> None:
    scope.deaf.add("blank")
    with pytest.raises(HardwareFault, match="was to be blanked"):
        PyJem(SITE).describe()


def test_out_of_range_is_refused_before_anything_is_sent(scope: Scope) -> None:
    jeol = PyJem(SITE)
    jeol.describe()
    scope.calls.clear()
    refused = [
        (dataclasses.replace(FRAME, size_nm=(60.0, 60.0)), NotSupported),
        (dataclasses.replace(FRAME, shape=(32, 32)), NotSupported),
        (dataclasses.replace(FRAME, dwell_s=2e-3), OutOfReach),
        (dataclasses.replace(FRAME, center_nm=(90.0, 0.0)), OutOfReach),
        (MoveStage((2e5, 0.0, 0.0)), OutOfReach),
        (PointSpectrum((0.0, 0.0), 0.1), NotSupported),
        (SetOptics(defocus_nm=1.0), NotSupported),
    ]
    for request, error in refused:
        with pytest.raises(error):
            jeol.acquire(request, id="x", stop=NEVER)
    assert scope.calls == []


def test_a_shift_beyond_the_counts_is_refused(scope: Scope) -> None:
    far = dataclasses.replace(SITE, shift=((0.001, 0.0), (0.0, 0.001)))
    with pytest.raises(NotSupported, match="of 0 to 65535 counts"):
        image(PyJem(far), "1", dataclasses.replace(FRAME, center_nm=(40.0, 0.0)))
    assert scope.specimen.scans == 0


def test_raw_data_of_another_length_are_no_image(scope: Scope) -> None:
    with pytest.raises(DataInvalid, match="8192 bytes came for 64 x 64 pixels of 4"):
        image(PyJem(dataclasses.replace(SITE, raw="<i4")), "1")


def test_a_limiter_and_a_stop_on_the_way_are_said(scope: Scope) -> None:
    jeol = PyJem(SITE)
    scope.limiter = True
    with pytest.raises(HardwareFault, match="limiter"):
        jeol.acquire(MoveStage((5.0, 0.0, 0.0)), id="1", stop=NEVER)
    assert jeol._offset_nm() == pytest.approx((5.0, 0.0))  # where it went
    scope.limiter = False
    threading.Timer(0.1, jeol.make_safe).start()
    scope_axis = scope.axis

    def endless(k: int, value: float) -> None:
        scope_axis(k, value)
        scope.moving = 10**6

    scope.axis = endless  # type: ignore[method-assign]
    with pytest.raises(Stopped, match="on its way"):
        jeol.acquire(MoveStage((5.0, 0.0, 0.0)), id="2", stop=NEVER)
    assert scope.stopped == 1


def test_what_the_site_has_not_measured_is_refused(scope: Scope) -> None:
    jeol = PyJem(PyJemSite())
    assert jeol.describe().requests == {"ScanImage", "Register"}
    with pytest.raises(NotSupported, match="the site has measured none"):
        jeol.price(FRAME)
    with pytest.raises(DataInvalid, match="stage needs stage_unit_nm"):
        PyJemSite(stage=((1.0, 0.0), (0.0, 1.0)))
    with pytest.raises(DataInvalid, match="longest_dwell_s"):
        PyJemSite(longest_dwell_s=2e-3)
    scope.mode = 0
    with pytest.raises(NotSupported, match="choose STEM"):
        PyJem(SITE).describe()
    with pytest.raises(NotSupported, match="attached are ADF1, BF"):
        PyJem(dataclasses.replace(SITE, detector="ADF2")).describe()

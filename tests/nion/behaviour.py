"""Run by test_nion.py with a Python that has Nion's stack: what the stack does silently wrong, and the driver finds.

Prints a line for every function that passed; the first failure ends it with a traceback.
"""

import math
import threading
import time
from collections.abc import Callable

import numpy as np
from nion.usim_device import SampleSimulator
from nion.utils import Geometry
from scipy.ndimage import label, uniform_filter

from instruments.errors import DataInvalid, HardwareFault, InstrumentError, NotSupported, OutOfReach, Stopped
from instruments.measurement import Measurement
from instruments.nion.driver import Nion
from instruments.nion.microscope import Raster, Taken
from instruments.nion.site import Site
from instruments.nion.stack import Stack
from instruments.nion.watch import Watch
from instruments.requests import (
    CameraFrame,
    Dwell,
    MoveStage,
    PointSpectrum,
    Register,
    Request,
    ScanImage,
    SetAberrations,
    SetOptics,
    SpectrumImage,
    SubScan,
    Until,
)

NEVER = threading.Event()
FEATURE_NM = (20.0, -12.0)
WHOLE = ScanImage((0.0, 0.0), (100.0, 100.0), (100, 100), 4e-6)
stack = Stack.simulated()
nion = Nion(stack, simulated=True)
count = 0


def take(request: Request, stop: threading.Event = NEVER) -> Measurement:
    global count
    count += 1
    return nion.acquire(request, id=str(count), stop=stop)


def refused(request: Request, *errors: type[InstrumentError]) -> None:
    raises(lambda: take(request), "", *errors)


def raises(call: Callable[[], object], why: str, *errors: type[InstrumentError]) -> None:
    try:
        call()
    except errors as error:
        said = str(error)
    else:
        raise AssertionError(f"not even one of {errors}")
    assert why in said, said


def raising(control: str, value: float) -> bool:
    raise AssertionError("no words")


def seen_at(measurement: Measurement) -> tuple[float, float]:
    """Where the feature is, (x, y) by the measurement's own axes [nm]."""
    channel = measurement.channels["dark_field"]
    smooth = uniform_filter(channel.values.astype(float), 5)
    parts, _ = label(smooth > smooth.max() / 2)
    rows, columns = np.nonzero(parts == parts[np.unravel_index(smooth.argmax(), smooth.shape)])
    y, x = channel.axes
    return float(x.values[columns].mean()), float(y.values[rows].mean())


def lies(measurement: Measurement, x: float, y: float, within: float = 3.0) -> None:
    at = seen_at(measurement)
    assert math.dist(at, (x, y)) < within, (at, (x, y))


def signs_of_scan_stage_and_register_by_a_feature_off_centre() -> None:
    size, x, y = 8e-9, *FEATURE_NM
    place = Geometry.FloatPoint(y * 1e-9, x * 1e-9)
    flake = SampleSimulator.FlakeFeature(place, Geometry.FloatSize(size, size), [(68, 30)], 20, 4)
    stack._stem.scan_data_generator.sample.features[:] = [flake]
    lies(take(WHOLE), x, y)
    lies(take(ScanImage((10.0, 5.0), (100.0, 100.0), (100, 100), 4e-6)), x - 10, y - 5)
    cos, sin = math.cos(0.3), math.sin(0.3)
    turned = ScanImage((0.0, 0.0), (100.0, 100.0), (100, 100), 4e-6, 0.3)
    lies(take(turned), cos * x + sin * y, cos * y - sin * x)
    lies(take(ScanImage((0.0, 0.0), (60.0, 100.0), (100, 60), 4e-6)), x, y)
    lies(take(SubScan(WHOLE, (20, 60), (50, 95))), x, y)
    take(MoveStage((15.0, -6.0, 0.0)))
    lies(take(WHOLE), x, y)  # the scan follows the sample
    assert abs(stack.value("stage_position_m.x") - 15e-9) < 1e-15
    take(MoveStage((-15.0, 6.0, 0.0)))
    stack.set("CSH.x", 9e-9)  # somebody shifts the beam: the sample lies elsewhere for the scan
    lies(take(WHOLE), x - 9, y)
    take(Register((-9.0, 0.0)))
    lies(take(WHOLE), x, y)
    stack.set("CSH.x", 0.0)
    take(Register((0.0, 0.0)))


def what_is_out_of_range_is_refused_before_it_is_sent() -> None:
    refused(MoveStage((1e9, 0.0, 0.0)), OutOfReach)  # Nion accepts 1 m
    refused(MoveStage((0.0, 0.0, 5.0)), NotSupported)
    refused(ScanImage((0.0, 0.0), (1e7, 1e7), (8, 8), 1e-6), OutOfReach)  # and a field of 1 cm
    refused(ScanImage((0.0, 0.0), (100.0, 60.0), (60, 100), 1e-6), NotSupported)  # wider than high
    refused(ScanImage((0.0, 0.0), (100.0, 60.0), (60, 60), 1e-6), NotSupported)
    refused(ScanImage((0.0, 0.0), (60.0, 60.0), (8, 8), 1e-6, channels=("X7",)), NotSupported)
    named = ScanImage((0.0, 0.0), (60.0, 60.0), (8, 8), 1e-6, channels=("dark_field",))
    refused(SpectrumImage(named, 0.005), NotSupported)  # it would give spectra alone
    refused(PointSpectrum((2000.0, 2000.0), 0.02), OutOfReach)  # Nion parks at the edge instead
    refused(CameraFrame((0.0, 0.0), 0.02, 3), NotSupported)
    refused(SetOptics(current_pA=10.0), NotSupported)
    refused(SetAberrations(("A5",), ((1.0, 0.0),)), NotSupported)
    assert stack.value("stage_position_m.x") == 0.0


def a_parked_probe_that_was_clamped_is_found() -> None:
    assert not math.dist(stack.park((900.0, 0.0), 1000.0), (900.0, 0.0)) < 1.0
    assert math.dist(stack.park((-200.0, 100.0), 1000.0), (-200.0, 100.0)) < 1e-6


def a_control_that_is_none_is_found_at_the_start() -> None:
    assert stack.value("nope") is None
    assert not stack.set("nope", 1.0)
    raises(lambda: Nion(stack, Site(blanker="nope"), simulated=True), "no control nope", HardwareFault)
    strange = Site(channels={"HAADF": "dark_field", "nope": "bright_field"})
    raises(lambda: Nion(stack, strange, simulated=True), "no detector nope", HardwareFault)


def a_lens_that_the_site_map_lacks_is_refused() -> None:
    half = Nion(stack, Site(aberrations={"C1": (("C10",), 1.0), "A1": (("C12.x",), 1.0)}), simulated=True)
    for request, why in (
        (SetOptics(coma_nm=(1.0, 0.0)), "no control for B2"),
        (SetAberrations(("A2",), ((1.0, 0.0),)), "no control for A2"),
        (SetOptics(astigmatism_nm=(1.0, 2.0)), "A1 has one control"),
        (SetAberrations(("A1",), ((1.0, 2.0),)), "A1 has one control"),
    ):
        raises(lambda request=request: half.price(request), why, NotSupported)  # type: ignore[misc]


def a_set_value_that_is_ignored_is_found() -> None:
    before = stack.set
    ignores = {"C10"}
    stack.set = lambda control, value: control in ignores or before(control, value)  # type: ignore[method-assign]
    refused(SetOptics(defocus_nm=77.0), HardwareFault)
    stack.set = raising  # type: ignore[method-assign]
    raises(lambda: take(SetOptics(defocus_nm=77.0)), "SetOptics: AssertionError: no words", HardwareFault)
    stack.set = before  # type: ignore[method-assign]
    measurement = take(SetOptics(defocus_nm=77.0, coma_nm=(5.0, -2.0)))
    assert math.isclose(measurement.state["C1_nm"], 77.0)
    assert math.isclose(stack.value("C21.y") or 0.0, -6e-9)
    again = take(SetAberrations(("C1",), ((10.0, 0.0),)))
    assert math.isclose(again.state["C1_nm"], 87.0)


def raster(dwell_s: float, channels: tuple[int, ...], shape: tuple[int, int] = (8, 8)) -> Raster:
    return Raster((0.0, 0.0), 5.0, shape, dwell_s, 0.0, channels, (0, shape[0]), (0, shape[1]))


def a_wrong_channel_gives_nothing_and_the_next_scan_is_whole() -> None:
    assert stack.scan(raster(1e-6, (9,))) == []
    assert take(WHOLE).complete


def a_call_that_hangs_is_aborted_and_gives_no_frame() -> None:
    began = time.monotonic()
    watch = Watch(stack.abort, NEVER, threading.Event(), 1.0)
    with watch:
        stack.scan(raster(-1e-6, (0,)))
    raises(lambda: watch.judge("scan"), "did not end within 1 s", HardwareFault)
    assert time.monotonic() - began < 10
    assert take(WHOLE).complete


def a_frame_is_aborted_in_its_middle_and_is_none() -> None:
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    began = time.monotonic()
    try:
        take(ScanImage((0.0, 0.0), (100.0, 100.0), (512, 512), 5e-5), stop)
    except Stopped:
        assert time.monotonic() - began < 6  # of 13 s
    else:
        raise AssertionError("an aborted frame came back")
    timer.join()
    assert nion.lookup(str(count)) is None
    assert stack.value("C_Blank") == 1.0
    assert take(WHOLE).complete


def the_beam_is_blanked_but_for_acquisitions() -> None:
    assert stack.value("C_Blank") == 1.0
    bright = take(CameraFrame((0.0, 0.0), 0.02, 8)).channels["ronchigram"].values.mean()
    assert stack.value("C_Blank") == 1.0
    dark = stack.camera("ronchigram", 0.02, 8, 30.0)[0]
    assert dark is not None
    assert bright > 1.0 > abs(dark.values.mean())


def a_gap_or_a_missing_array_is_no_observation() -> None:
    taken = stack.scan
    stack.scan = lambda raster: [None]  # type: ignore[method-assign]
    refused(WHOLE, DataInvalid)
    stack.scan = taken  # type: ignore[method-assign]
    assert take(WHOLE).complete


class Blanking:
    """What the blanker was told, and when there was a scan, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._set, self._scan = stack.set, stack.scan

    def __enter__(self) -> "Blanking":
        stack.set, stack.scan = self.set, self.scan  # type: ignore[method-assign]
        return self

    def __exit__(self, *raised: object) -> None:
        stack.set, stack.scan = self._set, self._scan  # type: ignore[method-assign]

    def set(self, control: str, value: float) -> bool:
        if control == "C_Blank":
            self.seen.append("blanked" if value else "open")
        return self._set(control, value)

    def scan(self, raster: Raster) -> list[Taken | None]:
        self.seen.append("scan")
        return self._scan(raster)


def a_dwell_is_a_trace_of_one_place_and_the_beam_is_blanked_between_its_lines() -> None:
    with Blanking() as beam:
        measurement = take(Dwell(FEATURE_NM, 0.65, 0.1))
    assert beam.seen == ["open", "scan", "blanked"] * 4, beam.seen
    trace = measurement.channels["dark_field"]
    assert np.allclose(trace.axes[0].values, 0.05 + 0.1 * np.arange(7))
    assert np.isfinite(trace.values).all()
    assert 0.3 < trace.values[-1] / trace.values[:-1].mean() < 0.7  # the rest of the time is half a sample
    aside = take(Dwell((-100.0, 77.0), 0.2, 0.1)).channels["dark_field"].values
    assert trace.values[0] > 3.0 * abs(aside).max()
    assert math.isclose(measurement.cost.seconds, nion.price(measurement.request).seconds)


def a_dwell_ends_when_its_trace_leaves_the_band() -> None:
    here = take(Dwell(FEATURE_NM, 0.1, 0.1)).channels["dark_field"].values[0]
    for band, samples in (((-1.0, 0.5 * here), 2), ((0.5 * here, 2.0 * here), 10)):
        measurement = take(Dwell(FEATURE_NM, 1.0, 0.1, Until("dark_field", *band)))
        assert np.isfinite(measurement.channels["dark_field"].values).sum() == samples  # of the line that told
        assert measurement.complete
        assert math.isclose(measurement.cost.seconds, 0.1 * samples * nion.price(measurement.request).seconds)
    three = take(Dwell(FEATURE_NM, 1.0, 0.1, Until("dark_field", -1.0, 0.5 * here, 3)))
    assert np.isfinite(three.channels["dark_field"].values).sum() == 4  # the third sample is in the second line
    refused(Dwell(FEATURE_NM, 1.0, 0.1, Until("nope", 0.0, 1.0)), NotSupported)
    refused(Dwell(FEATURE_NM, 500.0, 1e-4), OutOfReach)


def a_dwell_that_is_stopped_keeps_its_whole_lines_and_no_beam_comes_through_afterwards() -> None:
    for end in ("stop", "make_safe"):
        stop = threading.Event()
        with Blanking() as beam:
            timer = threading.Timer(0.9, stop.set if end == "stop" else nion.make_safe)
            timer.start()
            measurement = take(Dwell(FEATURE_NM, 20.0, 0.1), stop)
            timer.join()
        found = np.isfinite(measurement.channels["dark_field"].values)
        kept = int(found.sum())
        assert kept % 2 == 0, kept  # two samples are a line
        assert 0 < kept < 20, kept
        assert found[:kept].all()
        assert not measurement.complete
        assert measurement.note
        assert stack.value("C_Blank") == 1.0
        assert beam.seen[-1] == "blanked"
        assert beam.seen.count("scan") - 1 <= kept // 2 + 1
    stop.set()
    try:
        take(Dwell(FEATURE_NM, 20.0, 0.1), stop)
    except Stopped:
        assert take(Dwell(FEATURE_NM, 0.1, 0.1)).complete
    else:
        raise AssertionError("a dwell that was stopped beforehand came back")


def a_line_of_a_dwell_that_hangs_or_has_gaps_is_a_fault_and_leaves_no_beam() -> None:
    brief, scan = Nion(stack, simulated=True, patience_s=0.5), stack.scan
    stack.scan = lambda raster: scan(raster._replace(dwell_s=-1e-6))  # type: ignore[method-assign]
    request = Dwell(FEATURE_NM, 0.2, 0.1)
    raises(lambda: brief.acquire(request, id="hung", stop=NEVER), "did not end within", HardwareFault)
    assert stack.value("C_Blank") == 1.0
    stack.scan = lambda raster: scan(raster._replace(dwell_s=2 * raster.dwell_s))  # type: ignore[method-assign]
    refused(request, HardwareFault)  # another dwell than was asked for
    stack.scan = lambda raster: scan(raster._replace(center_nm=(0.0, 0.0)))  # type: ignore[method-assign]
    refused(request, HardwareFault)  # another place
    stack.scan = lambda raster: [None]  # type: ignore[method-assign]
    refused(request, DataInvalid)
    stack.scan = scan  # type: ignore[method-assign]
    assert stack.value("C_Blank") == 1.0
    assert take(request).complete


CHECKS: tuple[Callable[[], None], ...] = (
    signs_of_scan_stage_and_register_by_a_feature_off_centre,
    what_is_out_of_range_is_refused_before_it_is_sent,
    a_parked_probe_that_was_clamped_is_found,
    a_control_that_is_none_is_found_at_the_start,
    a_lens_that_the_site_map_lacks_is_refused,
    a_set_value_that_is_ignored_is_found,
    a_wrong_channel_gives_nothing_and_the_next_scan_is_whole,
    a_call_that_hangs_is_aborted_and_gives_no_frame,
    a_frame_is_aborted_in_its_middle_and_is_none,
    the_beam_is_blanked_but_for_acquisitions,
    a_gap_or_a_missing_array_is_no_observation,
    a_dwell_is_a_trace_of_one_place_and_the_beam_is_blanked_between_its_lines,
    a_dwell_ends_when_its_trace_leaves_the_band,
    a_dwell_that_is_stopped_keeps_its_whole_lines_and_no_beam_comes_through_afterwards,
    a_line_of_a_dwell_that_hangs_or_has_gaps_is_a_fault_and_leaves_no_beam,
)

try:
    for check in CHECKS:
        check()
        print(check.__name__, flush=True)
finally:
    nion.close()
assert [t for t in threading.enumerate() if not t.daemon] == [threading.main_thread()], threading.enumerate()
print("no thread is left")

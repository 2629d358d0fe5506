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
from instruments.nion.microscope import Raster
from instruments.nion.site import Site
from instruments.nion.stack import Stack
from instruments.nion.watch import Watch
from instruments.requests import (
    CameraFrame,
    MoveStage,
    PointSpectrum,
    Register,
    Request,
    ScanImage,
    SetAberrations,
    SetOptics,
    SpectrumImage,
    SubScan,
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
    stack.set = lambda name, value: name in ignores or before(name, value)  # type: ignore[method-assign]
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
    stack.scan = lambda raster: [None]  # type: ignore[method-assign, assignment]
    refused(WHOLE, DataInvalid)
    stack.scan = taken  # type: ignore[method-assign]
    assert take(WHOLE).complete


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
)

try:
    for check in CHECKS:
        check()
        print(check.__name__, flush=True)
finally:
    nion.close()
assert [t for t in threading.enumerate() if not t.daemon] == [threading.main_thread()], threading.enumerate()
print("no thread is left")

"""Run by test_tango.py with a Python that has PyTango: signs, clamps, refusals and errors, against our server."""

import dataclasses
import sys
import threading
import time
from pathlib import Path

import numpy as np

from instruments.errors import ConnectionLost, DataInvalid, HardwareFault, NotSupported, OutOfReach, Stopped
from instruments.requests import MoveStage, PointSpectrum, ScanImage, SetOptics
from instruments.site import read_site
from instruments.tango.device import Device
from instruments.tango.driver import TangoColumn, TangoSite

SITE = read_site(TangoSite, Path(sys.argv[1]))
NEVER, FRAME = threading.Event(), ScanImage((0.0, 0.0), (8.0, 8.0), (64, 64), 1e-4)
raw, eels, scope = Device(SITE.microscope, 10.0), Device(str(SITE.eels), 10.0), TangoColumn(SITE)
count = iter(range(1000))


def image(request: ScanImage = FRAME) -> np.ndarray:
    return scope.acquire(request, id=f"i{next(count)}", stop=NEVER).channels["dark_field"].values


def refused(request, error, said: str, driver: TangoColumn = scope) -> None:
    id = f"r{next(count)}"
    try:
        driver.acquire(request, id=id, stop=NEVER)
    except error as found:
        why = str(found)
    else:
        raise AssertionError(f"{request} was taken")
    assert said in why, why
    assert driver.lookup(id) is None


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


# Signs, by what is off centre: a shift of (1, 0.5) nm are 8 columns and 4 rows.
still = image()
assert alike(still, image()) > 0.65
shifted = image(dataclasses.replace(FRAME, center_nm=(1.0, 0.5)))
assert alike(still, shifted) < 0.4
assert alike(still[4:, 8:], shifted[:-4, :-8]) > 0.65
start = np.array(raw.call("get_stage"))
moved = scope.acquire(MoveStage((1.0, 0.5, 0.0), (0.01, 0.0)), id="move", stop=NEVER)
gone = np.array(raw.call("get_stage")) - start
assert np.allclose(gone, [1e-9, 0.5e-9, 0.0, np.degrees(0.01), 0.0], rtol=1e-3, atol=1e-11)
assert abs(moved.state["offset_x_nm"] + 1.0) < 1e-3  # the site says that x is mirrored
assert alike(still, image()) > 0.65  # a place is a place of the sample
scope.acquire(MoveStage((-1.0, -0.5, 0.0)), id="back", stop=NEVER)
print("signs")

# Units and read-back on the way there.
assert np.isclose(raw.call("get_fov"), 8e-9)
scope.acquire(SetOptics(defocus_nm=30.0), id="focus", stop=NEVER)
assert np.isclose(raw.call("get_defocus"), -30e-9)  # defocus_sign is -1
assert image().std() < 0.9 * still.std()
scope.acquire(SetOptics(defocus_nm=0.0), id="focused", stop=NEVER)
scope.acquire(PointSpectrum((2.0, -3.0), 0.05), id="spectrum", stop=NEVER)
assert np.allclose(raw.read("beam_pos"), (0.75, 0.125), atol=1e-6)
assert np.isclose(eels.read("exposure_time"), 0.05)
print("units")

# What is clamped without a word, and what is refused before anything is sent.
refused(MoveStage((6e4, 0.0, 0.0)), HardwareFault, "and reads 50000: it was clamped")
home = 1e9 * float(start[0]) - 5e4
scope.acquire(MoveStage((home, 0.0, 0.0)), id="home", stop=NEVER)
wide = TangoColumn(dataclasses.replace(SITE, field_nm=5000.0))
wide.describe()
refused(dataclasses.replace(FRAME, size_nm=(2000.0, 2000.0)), HardwareFault, "field of view [m] was set to 2e-06", wide)
before = (raw.call("get_fov"), list(raw.call("get_image_shift")), list(raw.call("get_stage")))
refused(dataclasses.replace(FRAME, center_nm=(9.0, 0.0)), OutOfReach, "reaches beyond")
refused(dataclasses.replace(FRAME, dwell_s=0.1), OutOfReach, "dwell_s")
refused(PointSpectrum((1.0, 0.0), 7.0), OutOfReach, "exposure_s")  # the device's own limit is 5 s
refused(MoveStage((2e5, 0.0, 0.0)), OutOfReach, "from its start")
refused(dataclasses.replace(FRAME, shape=(50, 50)), NotSupported, "pixels to a side")
refused(dataclasses.replace(FRAME, rotation_rad=0.2), NotSupported, "rotation_rad")
assert before == (raw.call("get_fov"), list(raw.call("get_image_shift")), list(raw.call("get_stage")))
try:
    Device(SITE.scan, 5.0).write("dwell_time", 20.0)
except OutOfReach as beyond:
    told = str(beyond)
else:
    raise AssertionError("Tango took a dwell beyond its own limit")
assert "API_WAttrOutsideLimit" in told
print("limits")

# Errors in words, then a good call.
unknown = TangoColumn(dataclasses.replace(SITE, detectors=(("dark_field", "XX"),)))
unknown.describe()
refused(FRAME, HardwareFault, "UnknownDetector", unknown)
assert image().any()
for changed, error, said in (
    ({"microscope": SITE.microscope.replace("microscope", "nothing")}, ConnectionLost, "nothing"),
    ({"microscope": SITE.scan}, NotSupported, "has no acquire_scanned_image"),
    ({"tiled": "http://127.0.0.1:9"}, ConnectionLost, "127.0.0.1:9"),
):
    lost = TangoColumn(dataclasses.replace(SITE, patience_s=1.0, **changed))
    try:
        lost.acquire(FRAME, id="lost", stop=NEVER)
    except error as found:
        why = str(found)
    else:
        raise AssertionError(f"{changed} was taken")
    assert said in why, why
assert raw.read("beam_state")
Device(SITE.scan, 5.0).write("dwell_time", 2e-4)  # 0.8 s
try:
    Device(SITE.microscope, 0.3).call("acquire_scanned_image", ["HAADF"])
except HardwareFault as late:
    why = str(late)
else:
    raise AssertionError("a call that takes too long came back")
assert "not answered in time" in why, why
assert image().any()
print("errors")

# A stopped frame is none; made safe from another thread while it runs, the beam is blanked when that returns.
stop = threading.Event()
threading.Timer(0.2, stop.set).start()
try:
    scope.acquire(dataclasses.replace(FRAME, dwell_s=2e-4), id="stopped", stop=stop)
except Stopped:
    assert scope.lookup("stopped") is None
else:
    raise AssertionError("a stopped frame came back")
worker = threading.Thread(target=lambda: refused(dataclasses.replace(FRAME, dwell_s=2e-4), Stopped, "ended"))
worker.start()
time.sleep(0.3)
scope.make_safe()
assert raw.read("beam_state")
worker.join()
assert raw.read("beam_state")
assert image().any()
scope._last_key = "stem_image_HAADF_999999.h5"
scope._key("another")
try:
    scope._key("another")
except DataInvalid:
    print("stop")
scope.close()

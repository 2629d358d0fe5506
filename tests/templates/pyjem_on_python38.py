"""Run by test_exported.py with Python 3.8, in the exported copy: PyJEM's template over objects with its names."""

import sys
import threading
import time
import types

import numpy as np


class Scope:
    """State and calls of all of PyJEM's classes at once."""

    blank, selector, shift, stage, area, dwell_us = 0, 9, [32000, 32000], [1.0, 2.0, 0.0, 0.0, 0.0], (64, 64), 10.0

    def __init__(self, *name):
        pass

    def __getattr__(self, name):
        get = {
            "GetBeamBlank": lambda: Scope.blank,
            "GetCLA1": lambda: Scope.shift,
            "GetTemStemMode": lambda: 1,
            "GetMagValue": lambda: [Scope.selector * 1000, "X", "X"],
            "GetPos": lambda: list(Scope.stage),
            "GetStatus": lambda: [0] * 5,
            "get_detectorsetting": lambda: {
                "ExposureTimeValue": Scope.dwell_us,
                "ImagingArea": {"Width": Scope.area[0], "Height": Scope.area[1]},
            },
            "SetBeamBlank": lambda value: setattr(Scope, "blank", value),
            "SetSelector": lambda value: setattr(Scope, "selector", value),
            "SetCLA1": lambda x, y: setattr(Scope, "shift", [x, y]),
            "SetX": lambda value: Scope.stage.__setitem__(0, value),
            "set_imaging_area": lambda width, height: setattr(Scope, "area", (width, height)),
            "set_exposuretime_value": lambda value: setattr(Scope, "dwell_us", value),
            "set_scanmode": lambda value: {"ScanMode": value},
            "set_scanrotation": lambda value: {"ScanRotation": value},
        }
        return get.get(name, lambda *values: None)

    def snapshot_rawdata(self):
        pixels = Scope.area[0] * Scope.area[1]
        time.sleep(1e-6 * Scope.dwell_us * pixels)
        return (np.arange(pixels) % 1000 + 1).astype("<i2").tobytes()


modules = {name: types.ModuleType(name) for name in ("PyJEM", "PyJEM.TEM3", "PyJEM.detector")}
for name in ("Def3", "EOS3", "Stage3"):
    setattr(modules["PyJEM.TEM3"], name, Scope)
modules["PyJEM.detector"].Detector = Scope
modules["PyJEM.detector"].get_attached_detector = lambda: ["ADF1"]
sys.modules.update(modules)

from instruments.probe import lines  # noqa: E402
from instruments.requests import MoveStage, ScanImage  # noqa: E402
from instruments.templates.pyjem import PyJem, PyJemSite  # noqa: E402

eye = ((1.0, 0.0), (0.0, 1.0))
site = PyJemSite(views=((11, 11000.0, 64, 64.0),), shift=((0.05, 0.0), (0.0, 0.05)), stage=eye, stage_unit_nm=1000.0)
scope, never = PyJem(site), threading.Event()
assert "blanked = False" in lines(scope)
frame = ScanImage((10.0, 0.0), (64.0, 64.0), (64, 64), 2e-6)
assert scope.acquire(frame, id="1", stop=never).channels["dark_field"].values.shape == (64, 64)
assert Scope.shift == [32200, 32000]
scope.acquire(MoveStage((500.0, 0.0, 0.0)), id="2", stop=never)
assert Scope.stage[0] == 1.5
scope.close()
assert Scope.blank == 1
print(sys.version.split()[0], "ran")

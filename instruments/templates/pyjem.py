"""JEOL's PyJEM: NOT RUN BY US, written from JEOL's public manual and public code alone (docs/templates.md).

`python -m instruments.bridge instruments.templates.pyjem:make` serves it, with the Python that has PyJEM; PYJEM_SITE
names a JSON file with the site's settings. PyJEM takes what is wrong without a word and lets units differ from model to
model: magnifications, and units of stage and beam shift, are settings without a value.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Capabilities
from instruments.column.beam import asked, followed
from instruments.column.driver import Column
from instruments.column.scope import Frames, Stage
from instruments.column.site import ColumnSite
from instruments.errors import DataInvalid, HardwareFault, NotSupported, Stopped
from instruments.requests import ScanImage
from instruments.site import site_of
from instruments.templates.library import NOT_RUN, library
from physics_priors.bounds import POSITIVE_NM, Bounds

_STEM, _WHOLE_SCAN, _REST, _LIMITER = 1, 0, 0, 2
_LONGEST_DWELL_S = 1e-3
"""PyJEM's manual: 0 to 1000 us."""
_WIDEST_PX = 4096
_COUNTS = 65535
_LOOK_S = 0.05


@dataclass(frozen=True)
class PyJemSite(ColumnSite):
    """What has to be said of the site; `shift` is in nm of the image per count of CLA1."""

    host: str | None = None
    """Of TEMCenter; None is this computer."""
    detector: str = "ADF1"
    raw: str = "<i2"
    """How a pixel of the raw data is written, as NumPy says it; by public code that is not by JEOL."""
    views: tuple[tuple[int, float, int, float], ...] = ()
    """(selector, magnification that PyJEM then tells, pixels to a side, measured width of that image [nm])."""
    stage_unit_nm: Annotated[float, POSITIVE_NM] | None = None
    """What a unit of the stage is: nm in the manual, which adds that units may vary."""
    tilt_unit_rad: Annotated[float, Bounds("rad", 0.0, open_low=True)] = math.radians(1.0)

    def contradictions(self) -> list[str]:
        said = super().contradictions()
        if self.stage is not None and self.stage_unit_nm is None:
            said.append("stage needs stage_unit_nm")
        if any(not 1 <= side <= _WIDEST_PX for _, _, side, _ in self.views):
            said.append(f"images in views have 1 to {_WIDEST_PX} pixels to a side")
        if self.longest_dwell_s > _LONGEST_DWELL_S:
            said.append(f"longest_dwell_s may be {_LONGEST_DWELL_S:g} at most")
        return said


class PyJem(Column):
    """Images by one detector, stage; not run by us."""

    def __init__(self, site: PyJemSite) -> None:
        super().__init__(site)
        self.site = site
        self._tem: Any = None
        self._detectors: Any = None
        self._detector: Any = None

    def _reach(self) -> None:
        self._tem = library("PyJEM.TEM3", "it comes with the microscope")
        self._detectors = library("PyJEM.detector", "it comes with the microscope")
        if self.site.host is not None:
            asked("PyJEM", self._detectors.set_ip, self.site.host)

    def _further(self) -> Mapping[str, Callable[[], Any]]:
        return {
            "attached detectors": self._detectors.get_attached_detector,
            f"settings of {self.site.detector}": lambda: self._detectors.Detector(
                self.site.detector
            ).get_detectorsetting(),
            "STEM (1) or TEM (0)": lambda: self._tem.EOS3().GetTemStemMode(),
            "magnification": lambda: self._tem.EOS3().GetMagValue(),
            "stage, in its own units": lambda: self._tem.Stage3().GetPos(),
            "stage, states": lambda: self._tem.Stage3().GetStatus(),
        }

    def _connect(self) -> Capabilities:
        self._reached()
        attached = [str(name) for name in asked("PyJEM", self._detectors.get_attached_detector)]
        if self.site.detector not in attached:
            raise NotSupported(f"no detector {self.site.detector!r}; attached are {', '.join(attached) or 'none'}")
        self._detector = self._detectors.Detector(self.site.detector)
        if asked("PyJEM", self._tem.EOS3().GetTemStemMode) != _STEM:
            raise NotSupported("the microscope is in TEM mode: choose STEM")
        return self._described(f"PyJEM, {NOT_RUN}", {"dark_field": "counts"})

    def _set_blank(self, on: bool) -> None:
        self._tem.Def3().SetBeamBlank(int(on))

    def _blanked(self) -> bool:
        return bool(self._tem.Def3().GetBeamBlank())

    def _check_scan(self, request: ScanImage) -> None:
        self._view_of(request)

    def _view_of(self, request: ScanImage) -> tuple[int, float]:
        """Selector and magnification that give the width asked for; raises NotSupported where none does."""
        for selector, magnification, side, width_nm in self.site.views:
            if side == request.shape[0] and math.isclose(width_nm, request.size_nm[0], rel_tol=1e-3):
                return selector, magnification
        measured = ", ".join(f"{width:g} nm of {side} pixels" for _, _, side, width in self.site.views)
        asked_for = f"{request.size_nm[0]:g} nm of {request.shape[0]} pixels"
        raise NotSupported(f"no image of {asked_for} here; the site has measured {measured or 'none'}")

    def _scan(self, request: ScanImage) -> Callable[[], Frames]:
        selector, magnification = self._view_of(request)
        side, dwell_us = request.shape[0], 1e6 * request.dwell_s
        optics, detector = self._tem.EOS3(), self._detector
        optics.SetSelector(selector)
        followed("magnification", magnification, float(optics.GetMagValue()[0]))
        _told("scan turn", 0.0, detector.set_scanrotation(0.0))
        _told("scan mode", _WHOLE_SCAN, detector.set_scanmode(_WHOLE_SCAN))
        detector.set_imaging_area(side, side)
        detector.set_exposuretime_value(dwell_us)
        settings = detector.get_detectorsetting()
        followed("dwell [us]", dwell_us, float(settings["ExposureTimeValue"]), 1e-3 * dwell_us)
        for name in ("Width", "Height"):
            followed(f"imaging area, {name}", side, float(settings["ImagingArea"][name]))
        return lambda: self._frame(detector.snapshot_rawdata(), side)

    def _frame(self, raw: bytes, side: int) -> Frames:
        return lambda: {"dark_field": self._pixels(raw, side)}

    def _pixels(self, raw: bytes, side: int) -> NDArray[Any]:
        pixel = np.dtype(self.site.raw)
        if len(raw) != side * side * pixel.itemsize:
            raise DataInvalid(f"{len(raw)} bytes came for {side} x {side} pixels of {pixel.itemsize}")
        return np.frombuffer(raw, pixel).reshape(side, side)

    def _get_shift(self) -> tuple[float, float]:
        x, y = self._tem.Def3().GetCLA1()[:2]
        return (float(x), float(y))

    def _set_shift(self, shift: tuple[float, float]) -> None:
        x, y = (round(value) for value in shift)
        if not all(0 <= value <= _COUNTS for value in (x, y)):
            raise NotSupported(f"the beam shift would be ({x}, {y}) of 0 to {_COUNTS} counts: move the stage")
        self._tem.Def3().SetCLA1(x, y)
        for axis, wanted, got in zip("xy", (x, y), self._get_shift(), strict=True):
            followed(f"beam shift {axis} [counts]", wanted, got)

    @property
    def _units(self) -> tuple[float, ...]:
        """What a unit of each axis of the stage is [nm, rad]."""
        return 3 * (self.site.stage_unit_nm or 1.0,) + 2 * (self.site.tilt_unit_rad,)

    def _get_stage(self) -> Stage:
        told = [float(value) for value in self._tem.Stage3().GetPos()]
        x, y, z, a, b = (value * unit for value, unit in zip(told, self._units, strict=True))
        return (x, y, z, a, b)

    def _set_stage(self, target: Stage, moves: tuple[bool, ...]) -> None:
        stage = self._tem.Stage3()
        calls = (stage.SetX, stage.SetY, stage.SetZ, stage.SetTiltXAngle, stage.SetTiltYAngle)
        for call, value, unit, move in zip(calls, target, self._units, moves, strict=True):
            if move:
                call(value / unit)
                self._rest(stage)

    def _rest(self, stage: Any) -> None:
        """Wait until no axis moves; raises HardwareFault at a limiter or where it never ends."""
        until = time.monotonic() + self.site.patience_s
        while states := [int(state) for state in stage.GetStatus() if state != _REST]:
            if _LIMITER in states:
                raise HardwareFault("an axis of the stage is at its limiter")
            if self._ended.is_set() or time.monotonic() > until:
                stage.Stop()
                if self._ended.is_set():
                    raise Stopped("the stage was stopped on its way")
                raise HardwareFault(f"the stage still moved after {self.site.patience_s:g} s, and was stopped")
            time.sleep(_LOOK_S)


def make() -> PyJem:
    """With the settings of the JSON file that PYJEM_SITE names."""
    return PyJem(site_of(PyJemSite, "PYJEM_SITE"))


def _told(name: str, wanted: float, answer: Any) -> None:
    """Setters of PyJEM answer with a dict of what was set; raises HardwareFault where that is another value."""
    values = [value for value in dict(answer).values() if isinstance(value, (int, float))]
    if not any(math.isclose(value, wanted, abs_tol=1e-6) for value in values):
        raise HardwareFault(f"{name} was set to {wanted:g} and is told to be {answer}")

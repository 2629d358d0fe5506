"""Nion's stack as an instrument: check, set, read back, acquire under a watchdog, and believe no answer unlooked at.

Positions are (x, y) in the sample frame: the scan's own frame, moved by what the stage was moved since the start and by
what was registered. The beam is blanked except while something is acquired. Costs are computed, not measured.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Calibration, Capabilities, Field
from instruments.cost import Cost, electrons
from instruments.errors import Closed, DataInvalid, HardwareFault, NotSupported, OutOfReach, Stopped
from instruments.measurement import Axis, Channel, Measurement
from instruments.nion.controls import Controls
from instruments.nion.microscope import Microscope, Raster, Taken
from instruments.nion.site import Site
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
from instruments.seam import Stop
from physics_priors.bounds import Bounds

_KEPT = 256
_ACQUIRING = (ScanImage, SubScan, PointSpectrum, SpectrumImage, CameraFrame)
_COUNTS = {"energy_loss": {"energy_loss": "counts"}, "ronchigram": {"ronchigram": "counts"}}
Channels = Mapping[str, Channel]


class Nion:
    """Scans, parts of scans, spectra, spectrum images, Ronchigrams, aberrations, stage; frames are whole or nothing.

    `frame_s` and `pixel_s` are what a frame and a pixel of a spectrum image take on top of beam time.
    """

    def __init__(
        self,
        stack: Microscope,
        site: Site | None = None,
        *,
        simulated: bool,
        frame_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 0.3,
        pixel_s: Annotated[float, Bounds("s", 0.0, 1.0)] = 0.03,
        patience_s: Annotated[float, Bounds("s", 0.0, 3600.0, open_low=True)] = 30.0,
    ) -> None:
        """Raises HardwareFault where the column lacks a control of the site's map: nothing is set before that."""
        self._site = site or Site()
        self._stack, self._controls = stack, Controls(stack, self._site)
        self._frame_s, self._pixel_s, self._patience_s = frame_s, pixel_s, patience_s
        self._registered_nm = (0.0, 0.0)
        self._busy = threading.RLock()
        self._ended = threading.Event()
        self._closed = False
        self._done: OrderedDict[str, Measurement] = OrderedDict()
        self._detectors = [name for name in stack.detectors if name in self._site.channels]
        self._ways: Mapping[type[Request], Callable[[Any, Watch], Channels]] = {
            ScanImage: lambda request, watch: self._scan(request, (0, request.shape[0]), (0, request.shape[1]), watch),
            SubScan: lambda request, watch: self._scan(request.frame, request.rows, request.columns, watch),
            PointSpectrum: self._spectrum,
            SpectrumImage: self._spectra,
            CameraFrame: self._ronchigram,
            SetOptics: self._optics,
            SetAberrations: self._aberrations,
            MoveStage: self._move,
            Register: self._register,
        }
        self._known = self._capabilities(simulated)
        self._controls.blank()

    def describe(self) -> Capabilities:
        self._open()
        return self._known

    def price(self, request: Request) -> Cost:
        self._open()
        request.__post_init__()
        if request.kind not in self._known.requests:
            have = ", ".join(sorted(self._known.requests))
            raise NotSupported(f"{self._known.name} has no {request.kind}; it has {have}")
        self._within(request)
        seconds = self._seconds(request)
        exposed = isinstance(request, _ACQUIRING)
        return Cost(seconds, electrons(self._known.calibration.current_pA or 0.0, seconds) if exposed else 0.0)

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        with self._busy:
            self._open()
            if id in self._done:
                return self._done[id]
            price = self.price(request)
            self._ended.clear()
            if stop.is_set():
                raise Stopped(f"{request.kind} {id!r} was ended before it began")
            limit_s = 3 * price.seconds + self._patience_s
            channels = self._carried_out(request, Watch(self._stack.abort, stop, self._ended, limit_s))
            place = request.places_nm()
            at = None if len(place) != 1 else (float(place[0][0]), float(place[0][1]))
            measurement = Measurement(id, request, channels, price, True, at, self._controls.state())
            self._done[id] = measurement
            while len(self._done) > _KEPT:
                self._done.popitem(last=False)
            return measurement

    def lookup(self, id: str) -> Measurement | None:
        self._open()
        return self._done.get(id)

    def make_safe(self) -> None:
        """End what runs and blank, from any thread."""
        if self._closed:
            return
        self._ended.set()
        try:
            self._stack.abort()
        finally:
            self._controls.blank()

    def close(self) -> None:
        if self._closed:
            return
        try:
            self.make_safe()
        finally:
            self._closed = True
            with self._busy:
                self._stack.close()

    def _open(self) -> None:
        if self._closed:
            raise Closed("the microscope was closed: start its server anew")

    def _capabilities(self, simulated: bool) -> Capabilities:
        side, reach = self._site.field_nm, self._site.aberration_range_nm
        scans = {self._site.channels[name]: "counts" for name in self._detectors}
        nothing: dict[str, str] = {}
        about = self._controls.calibration()
        return Capabilities(
            name="nion simulator" if simulated else "nion",
            family="STEM",
            simulated=simulated,
            requests=frozenset(cls.__name__ for cls in self._ways),
            field=Field((0.0, 0.0), (side, side)),
            channels={
                **dict.fromkeys(("ScanImage", "SubScan"), scans),
                **dict.fromkeys(("PointSpectrum", "SpectrumImage"), _COUNTS["energy_loss"]),
                "CameraFrame": _COUNTS["ronchigram"],
                **dict.fromkeys(("SetOptics", "SetAberrations", "MoveStage", "Register"), nothing),
            },
            calibration=Calibration(
                current_pA=about["current_pA"],
                beam_energy_keV=about["energy_keV"],
                convergence_mrad=about["convergence_mrad"],
                scan_rotation_rad=0.0,
            ),
            limits={
                "dwell_s": Bounds("s", 1e-7, 1.0),
                "exposure_s": Bounds("s", 1e-3, 100.0),
                "defocus_nm": Bounds("nm", -reach, reach),
                "astigmatism_nm": Bounds("nm", -reach, reach),
                "coma_nm": Bounds("nm", -reach, reach),
            },
        )

    def _within(self, request: Request) -> None:
        """Raise before anything is sent."""
        for name, allowed in self._known.limits.items():
            value = getattr(request, name, None)
            for number in value if isinstance(value, tuple) else () if value is None else (value,):
                if not allowed.contains(number):
                    raise OutOfReach(f"{name}={number:g} is outside {allowed}")
        frame = request if isinstance(request, ScanImage) else getattr(request, "frame", None)
        if frame is not None:
            self._scannable(frame)
        if isinstance(request, CameraFrame) and request.binning not in self._stack.binnings("ronchigram"):
            raise NotSupported(f"binning {request.binning}: there are {self._stack.binnings('ronchigram')}")
        places = request.places_nm()
        if len(places) and not self._known.field.contains(places + np.array(self._offset_nm())):
            raise OutOfReach(f"{request.kind} reaches beyond {self._known.field} of the scan")
        if isinstance(request, MoveStage):
            self._controls.check_stage(request)
        if isinstance(request, SetOptics) and request.current_pA is not None:
            raise NotSupported("the current is what the column says: it cannot be set from here")
        if isinstance(request, SetAberrations):
            self._controls.check_aberrations(request)

    def _scannable(self, frame: ScanImage) -> None:
        (width, height), (rows, columns) = frame.size_nm, frame.shape
        if not math.isclose(width / columns, height / rows, rel_tol=1e-6):
            raise NotSupported("pixels are square here: choose size_nm and shape of one ratio")
        if columns > rows:
            raise NotSupported("frames wider than high are refused: images and scales of the stack disagree for them")
        if not self._known.limits["dwell_s"].contains(frame.dwell_s):
            raise OutOfReach(f"dwell_s={frame.dwell_s:g} is outside {self._known.limits['dwell_s']}")
        unknown = set(frame.channels) - set(self._known.channels["ScanImage"])
        if unknown:
            raise NotSupported(f"no channel {', '.join(sorted(unknown))}; there are {self._detectors}")

    def _seconds(self, request: Request) -> float:
        if isinstance(request, ScanImage):
            return self._frame_s + request.dwell_s * (request.shape[1] + 2) * request.shape[0]
        if isinstance(request, SubScan):
            (r0, r1), (c0, c1) = request.rows, request.columns
            return self._frame_s + request.frame.dwell_s * (c1 - c0 + 2) * (r1 - r0)
        if isinstance(request, SpectrumImage):
            rows, columns = request.frame.shape
            return self._frame_s + (request.exposure_s + self._pixel_s) * (columns + 2) * rows
        if isinstance(request, (PointSpectrum, CameraFrame)):
            return self._frame_s + 2 * request.exposure_s  # one that runs already is left to end
        return 0.0 if isinstance(request, Register) else self._frame_s

    def _carried_out(self, request: Request, watch: Watch) -> Channels:
        if not isinstance(request, _ACQUIRING):
            return self._ways[type(request)](request, watch)
        try:
            self._controls.unblank()
            if self._ended.is_set():
                raise Stopped(f"{request.kind} was ended before it began")
            with watch:
                channels = self._ways[type(request)](request, watch)
            watch.judge(request.kind)  # what an abort released looks like a frame, and is none
            return channels
        except (Stopped, OutOfReach, NotSupported):
            raise
        except Exception as error:  # Swift raises bare Exception, AssertionError and whatever else
            watch.judge(request.kind)
            if isinstance(error, (HardwareFault, DataInvalid)):
                raise
            raise HardwareFault(f"{request.kind}: {type(error).__name__}: {error}") from None
        finally:
            self._controls.blank()

    def _scan(self, frame: ScanImage, rows: tuple[int, int], columns: tuple[int, int], watch: Watch) -> Channels:
        wanted = [n for n in self._detectors if not frame.channels or self._site.channels[n] in frame.channels]
        raster = self._raster(frame, rows, columns, wanted)
        found = self._stack.scan(raster)
        watch.judge("scan")
        shape = (rows[1] - rows[0], columns[1] - columns[0])
        axes = (
            _centers("y", rows, frame.shape[0], frame.size_nm[1]),
            _centers("x", columns, frame.shape[1], frame.size_nm[0]),
        )
        channels = {}
        for name, taken in zip(wanted, _all_there(found, len(wanted)), strict=True):
            _as_asked(taken, raster, shape, name)
            channels[self._site.channels[name]] = Channel(taken.values.astype(np.float32), "counts", axes)
        return channels

    def _raster(self, frame: ScanImage, rows: tuple[int, int], columns: tuple[int, int], wanted: list[str]) -> Raster:
        (x, y), (dx, dy) = frame.center_nm, self._offset_nm()
        detectors = self._stack.detectors
        return Raster(
            (x + dx, y + dy),
            frame.size_nm[1] / frame.shape[0],
            frame.shape,
            frame.dwell_s,
            frame.rotation_rad,
            tuple(detectors.index(name) for name in wanted),
            rows,
            columns,
        )

    def _spectrum(self, request: PointSpectrum, watch: Watch) -> Channels:
        self._park(request.position_nm)
        taken = self._seen("energy_loss", request.exposure_s, 1, watch)
        energies = _axis("energy", "eV", taken.axes[1], taken.values.shape[1])
        return {"energy_loss": Channel(taken.values.sum(axis=0), "counts", (energies,))}

    def _ronchigram(self, request: CameraFrame, watch: Watch) -> Channels:
        self._park(request.position_nm)
        taken = self._seen("ronchigram", request.exposure_s, request.binning, watch)
        axes = [_axis(f"angle_{n}", "rad", taken.axes[i], taken.values.shape[i]) for i, n in enumerate("yx")]
        mrad = tuple(Axis(axis.name, "mrad", 1e3 * axis.values) for axis in axes)
        return {"ronchigram": Channel(taken.values, "counts", mrad)}

    def _seen(self, camera: str, exposure_s: float, binning: int, watch: Watch) -> Taken:
        found = self._stack.camera(camera, exposure_s, binning, watch.limit_s)
        watch.judge(camera)
        (taken,) = _all_there(found, 1)
        said = taken.said.get("hardware_source", {})
        if taken.values.ndim != 2 or not math.isclose(said.get("exposure", 0.0), exposure_s, rel_tol=1e-3):
            raise HardwareFault(f"{camera}: asked for {exposure_s:g} s, {said.get('exposure')} s came")
        if said.get("binning", binning) != binning:
            raise HardwareFault(f"{camera}: asked for binning {binning}, {said.get('binning')} came")
        return taken

    def _spectra(self, request: SpectrumImage, watch: Watch) -> Channels:
        frame = request.frame
        whole = ((0, frame.shape[0]), (0, frame.shape[1]))
        raster = self._raster(frame, *whole, self._detectors[:1])
        found = self._stack.spectra(raster, request.exposure_s, 1)
        watch.judge("spectrum image")
        (taken,) = _all_there(found, 1)
        if taken.values.shape[:2] != frame.shape or taken.values.ndim != 3:
            raise DataInvalid(f"asked for {frame.shape} spectra, {taken.values.shape} came")
        axes = tuple(_centers(n, (0, frame.shape[i]), frame.shape[i], frame.size_nm[1 - i]) for i, n in enumerate("yx"))
        energies = _axis("energy", "eV", taken.axes[2], taken.values.shape[2])
        return {"energy_loss": Channel(taken.values, "counts", (*axes, energies))}

    def _park(self, position_nm: tuple[float, float]) -> None:
        dx, dy = self._offset_nm()
        wanted = (position_nm[0] + dx, position_nm[1] + dy)
        got = self._stack.park(wanted, self._site.field_nm)
        if not math.dist(got, wanted) <= 1e-6 * self._site.field_nm:
            raise HardwareFault(f"the probe was to be parked at {wanted} nm and is at {got} nm")

    def _optics(self, request: SetOptics, watch: Watch) -> Channels:
        chosen = {"C1": request.defocus_nm, "A1": request.astigmatism_nm, "B2": request.coma_nm}
        pairs = {n: v if isinstance(v, tuple) else (v, 0.0) for n, v in chosen.items() if v is not None}
        self._controls.set_aberrations(pairs)
        return {}

    def _aberrations(self, request: SetAberrations, watch: Watch) -> Channels:
        self._controls.set_aberrations(self._controls.targets(request))
        return {}

    def _move(self, request: MoveStage, watch: Watch) -> Channels:
        self._controls.move_stage(request)
        return {}

    def _register(self, request: Register, watch: Watch) -> Channels:
        self._registered_nm = request.shift_nm
        return {}

    def _offset_nm(self) -> tuple[float, float]:
        """What is added to a place of the sample to get the place of the scan."""
        (x, y), (dx, dy) = self._controls.moved_nm(), self._registered_nm
        return x + dx, y + dy


def _all_there(found: list[Taken | None], count: int) -> list[Taken]:
    """The arrays, none missing and none with a gap; raises DataInvalid."""
    whole = [taken for taken in found if taken is not None]
    if len(whole) != count:
        raise DataInvalid(f"{len(whole)} of {count} arrays came: the acquisition failed, and no frame of it is one")
    for taken in whole:
        if not np.isfinite(taken.values).all():
            raise DataInvalid("the array has gaps")
    return whole


def _as_asked(taken: Taken, raster: Raster, shape: tuple[int, int], name: str) -> None:
    """Raise where a frame is not the one that was asked for, as far as it says what it is."""
    if taken.values.shape != shape:
        raise DataInvalid(f"{name}: asked for {shape} pixels, {taken.values.shape} came")
    source, scan = taken.said.get("hardware_source", {}), taken.said.get("scan", {})
    if source.get("valid_rows") != shape[0]:
        raise DataInvalid(f"{name}: {source.get('valid_rows')} of {shape[0]} rows are valid")
    read = {
        "pixel [nm]": (taken.axes[0][0], raster.pixel_nm),
        "dwell [us]": (source.get("pixel_time_us"), 1e6 * raster.dwell_s),
        "centre x [nm]": (scan.get("center_x_nm"), raster.center_nm[0]),
        "centre y [nm]": (scan.get("center_y_nm"), raster.center_nm[1]),
        "rotation [rad]": (scan.get("rotation"), raster.rotation_rad),
    }
    for what, (got, asked) in read.items():
        if got is None or not math.isclose(got, asked, rel_tol=1e-6, abs_tol=1e-9):
            raise HardwareFault(f"{name}: {what} was to be {asked:g} and reads {got}")


def _centers(name: str, part: tuple[int, int], points: int, size_nm: float) -> Axis:
    """Centres of pixels [nm], from the middle of the whole frame."""
    return Axis(name, "nm", (np.arange(*part) + 0.5) / points * size_nm - size_nm / 2)


def _axis(name: str, unit: str, scale: tuple[float, float, str], points: int) -> Axis:
    """A calibrated axis; raises DataInvalid where it came in another unit."""
    step, first, said = scale
    if said != unit:
        raise DataInvalid(f"{name} came in {said!r}, not in {unit}")
    values: NDArray[np.float64] = first + step * np.arange(points, dtype=np.float64)
    return Axis(name, unit, values)

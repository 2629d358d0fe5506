"""Nion's stack as an instrument: check, set, read back, acquire under a watchdog, and believe no answer unlooked at.

Positions are (x, y) in the sample frame: the scan's own frame, moved by what the stage was moved since the start and by
what was registered. The beam is blanked except while something is acquired. Costs are computed, not measured.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from instruments.capabilities import Calibration, Capabilities, Field
from instruments.cost import Cost, electrons
from instruments.errors import HardwareFault, InstrumentError, Stopped
from instruments.measurement import Measurement
from instruments.nion.cameras import Cameras
from instruments.nion.controls import Controls
from instruments.nion.dwells import Dwells
from instruments.nion.microscope import Microscope
from instruments.nion.scans import Scans
from instruments.nion.site import Site
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
)
from instruments.seam import Stop
from instruments.vendor import Channels, Vendor
from physics_priors.bounds import Bounds

_EXPOSING = (ScanImage, SubScan, PointSpectrum, SpectrumImage, CameraFrame, Dwell)
_PIXEL_S, _BLANKS_S = 0.01, 1.0
_COUNTS = {"energy_loss": {"energy_loss": "counts"}, "ronchigram": {"ronchigram": "counts"}}


class Nion(Vendor):
    """Scans, parts of them, dwells, spectra, spectrum images, Ronchigrams, lenses, stage; frames are whole or nothing.

    `frame_s` and `pixel_s` are what a frame and a pixel of a spectrum image take on top of beam time, `line_overhead_s`
    what a line of a dwell takes, which is `line_s` long at most.
    """

    def __init__(
        self,
        stack: Microscope,
        site: Site | None = None,
        *,
        simulated: bool,
        frame_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 0.3,
        pixel_s: Annotated[float, Bounds("s", 0.0, 1.0)] = 0.03,
        line_s: Annotated[float, Bounds("s", 0.0, 10.0, open_low=True)] = 0.2,
        line_overhead_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 0.1,
        patience_s: Annotated[float, Bounds("s", 0.0, 3600.0, open_low=True)] = 30.0,
    ) -> None:
        """Raises HardwareFault where the column lacks a control or detector of the site's map, before anything is set.

        The beam is blanked at once.
        """
        super().__init__()
        self._site, self._simulated = site or Site(), simulated
        self._stack, self._controls = stack, Controls(stack, self._site)
        self._scans = Scans(stack, self._site, self._controls)
        self._cameras = Cameras(stack, self._site, self._controls)
        self._dwells = Dwells(stack, self._scans, line_s=line_s, pixel_s=_PIXEL_S, overhead_s=line_overhead_s)
        self._blanking = threading.RLock()
        self._frame_s, self._pixel_s, self._patience_s = frame_s, pixel_s, patience_s
        self._acquires: Mapping[type[Request], Callable[[Any, Watch], Channels]] = {
            ScanImage: self._scans.whole,
            SubScan: self._scans.part,
            SpectrumImage: self._scans.spectra,
            PointSpectrum: self._cameras.spectrum,
            CameraFrame: self._cameras.ronchigram,
        }
        self._sets: Mapping[type[Request], Callable[[Any], None]] = {
            SetOptics: self._controls.set_optics,
            SetAberrations: self._controls.set_lenses,
            MoveStage: self._controls.move_stage,
            Register: self._controls.register,
        }
        self.describe()

    def _connect(self) -> Capabilities:
        known = self._capabilities(self._simulated)
        self._controls.blank()
        return known

    def _capabilities(self, simulated: bool) -> Capabilities:
        side, reach = self._site.field_nm, self._site.aberration_range_nm
        scans = self._scans.channels
        nothing: dict[str, str] = {}
        about = self._controls.calibration()
        return Capabilities(
            name="nion simulator" if simulated else "nion",
            family="STEM",
            simulated=simulated,
            requests=frozenset(cls.__name__ for cls in (*_EXPOSING, *self._sets)),
            field=Field((0.0, 0.0), (side, side)),
            channels={
                **dict.fromkeys(("ScanImage", "SubScan", "Dwell"), scans),
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
                "longest_s": Bounds("s", 1e-6, 600.0),
                "sample_s": Bounds("s", 1e-6, 10.0),
                "defocus_nm": Bounds("nm", -reach, reach),
                "astigmatism_nm": Bounds("nm", -reach, reach),
                "coma_nm": Bounds("nm", -reach, reach),
            },
        )

    def _check(self, request: Request, known: Capabilities) -> None:
        frame = request if isinstance(request, ScanImage) else getattr(request, "frame", None)
        if frame is not None:
            self._scans.check(frame, known.limits["dwell_s"], known.channels[request.kind])
        if isinstance(request, CameraFrame):
            self._cameras.check(request)
        if isinstance(request, Dwell):
            self._dwells.check(request)
        if isinstance(request, MoveStage):
            self._controls.check_stage(request)
        if isinstance(request, SetOptics):
            self._controls.check_optics(request)
        if isinstance(request, SetAberrations):
            self._controls.check_aberrations(request)

    def _cost(self, request: Request, known: Capabilities) -> Cost:
        return self._spent(self._seconds(request), known, isinstance(request, _EXPOSING))

    def _spent(self, seconds: float, known: Capabilities, exposed: bool) -> Cost:
        return Cost(seconds, electrons(known.calibration.current_pA or 0.0, seconds) if exposed else 0.0)

    def _seconds(self, request: Request) -> float:
        if isinstance(request, Dwell):
            return self._dwells.seconds(request)
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

    def _carry_out(self, request: Request, id: str, price: Cost, stop: Stop) -> Measurement:
        watch = Watch(self._stack.abort, stop, self._ended, 3 * price.seconds + self._patience_s)
        try:
            if isinstance(request, Dwell):
                return self._dwelt(request, id, watch)
            channels = self._acquired(request, watch) if isinstance(request, _EXPOSING) else self._set(request)
        except InstrumentError:
            raise
        except Exception as error:  # Swift raises bare Exception, AssertionError and whatever else
            raise HardwareFault(f"{request.kind}: {type(error).__name__}: {error}") from None
        place = request.places_nm()
        at = None if len(place) != 1 else (float(place[0][0]), float(place[0][1]))
        return Measurement(id, request, channels, price, True, at, self._controls.state())

    def _set(self, request: Request) -> Channels:
        self._sets[type(request)](request)
        return {}

    def _dwelt(self, request: Dwell, id: str, watch: Watch) -> Measurement:
        with watch:
            trace = self._dwells.record(request, watch, self._beam)
        cost = self._spent(trace.seconds, self.describe(), True)
        note = "" if trace.complete else "ended early: the lines that were whole are kept"
        place = request.position_nm
        return Measurement(id, request, trace.channels, cost, trace.complete, place, self._controls.state(), note)

    def _acquired(self, request: Request, watch: Watch) -> Channels:
        """What was acquired between unblanking and blanking; the reason of an abort goes before whatever it caused."""
        try:
            self._beam(True)
            with watch:
                channels = self._acquires[type(request)](request, watch)
        except Exception:
            watch.judge(request.kind)
            raise
        else:
            watch.judge(request.kind)  # what an abort released looks like a frame, and is none
            return channels
        finally:
            self._beam(False)

    def _beam(self, on: bool) -> None:
        """Let the beam through, or blank it; raises Stopped where it was made safe, after which none comes through."""
        if not on:
            self._controls.blank()
            return
        with self._blanking:
            if self._ended.is_set():
                raise Stopped("it was made safe")
            self._controls.unblank()

    def _offset_nm(self) -> tuple[float, float]:
        return self._controls.offset_nm()

    def _secure(self) -> None:
        """Blank, and end what runs; a call to the blanker that hangs is not waited for."""
        alone = self._blanking.acquire(timeout=_BLANKS_S)
        try:
            self._controls.blank()
        finally:
            if alone:
                self._blanking.release()
            self._stack.abort()

    def _disconnect(self) -> None:
        with self._busy:
            self._stack.close()

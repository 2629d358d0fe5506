"""What holds for every column whose calls block, whatever the vendor.

The beam is blanked except while something is acquired, everything that is set is read back, a frame that shall stop is
none, and one that is empty, saturated or came sooner than its beam time is none either. Positions are (x, y) in the
sample frame: that of the images, moved by what the stage was moved since the start and by what was registered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from instruments.capabilities import Calibration, Capabilities, Field
from instruments.column.beam import Beam, asked, followed
from instruments.column.data import spectrum_channel, whole_image
from instruments.column.scope import Scope, Stage
from instruments.column.site import ColumnSite
from instruments.cost import Cost, electrons
from instruments.errors import NotSupported, OutOfReach
from instruments.measurement import Measurement
from instruments.probe import read_each
from instruments.requests import MoveStage, PointSpectrum, Register, Request, ScanImage, SetOptics
from instruments.seam import Stop
from instruments.vendor import Channels, Vendor, check_channels
from physics_priors.bounds import Bounds

_AT_HOME_NM = 1e-3


class Column(Scope, Vendor):
    """Images, spectra with the probe parked in the last image, defocus, stage: what of it a vendor's driver offers."""

    def __init__(self, site: ColumnSite) -> None:
        super().__init__()
        self._site = site
        self._beam = Beam(self._set_blank, self._blanked, self._ended)
        self._start_shift, self._start_stage = (0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0)
        self._stage_at: Stage = self._start_stage
        self._registered_nm = (0.0, 0.0)
        self._view: tuple[tuple[float, float], float] | None = None
        self._note, self._is_reached = "", False
        self._ways: Mapping[type[Request], Callable[[Any, Stop], Channels]] = {
            ScanImage: self._image,
            PointSpectrum: self._spectrum,
            SetOptics: self._focus,
            MoveStage: self._move,
            Register: self._register,
        }

    def readings(self) -> dict[str, Any]:
        """What the column tells of itself, by name; it is reached, and nothing is set.

        What cannot be read is its error; what nothing is known of is left out.
        """
        with self._opening:
            self._reached()
        asks = {"blanked": self._blanked, "beam shift": self._get_shift, "stage [nm, rad]": self._get_stage}
        return read_each({**asks, **self._further()})

    def _reached(self) -> None:
        if not self._is_reached:
            self._reach()
            self._is_reached = True

    def _described(
        self,
        name: str,
        channels: Mapping[str, str],
        *,
        spectra: bool = False,
        defocus_nm: float = 0.0,
        simulated: bool = False,
        limits: Mapping[str, Bounds] | None = None,
    ) -> Capabilities:
        """Capabilities of a column that was reached; the beam is blanked, and where shift and stage are is noted."""
        site = self._site
        nothing: dict[str, str] = {}
        self._beam.blank()
        if site.shift is not None:
            self._start_shift = asked("beam shift", self._get_shift)
        if site.stage is not None:
            self._start_stage = self._stage_at = asked("stage", self._get_stage)
        offered: dict[str, Mapping[str, str]] = {
            "ScanImage": channels,
            "Register": nothing,
            **({"PointSpectrum": {self.spectrum_name: "counts"}} if spectra else {}),
            **({"SetOptics": nothing} if defocus_nm else {}),
            **({"MoveStage": nothing} if site.stage is not None else {}),
        }
        return Capabilities(
            name=name,
            family="STEM",
            simulated=simulated,
            requests=frozenset(offered),
            field=Field((0.0, 0.0), (site.field_nm, site.field_nm)),
            channels=offered,
            calibration=Calibration(current_pA=site.current_pA, beam_energy_keV=site.energy_keV),
            limits={
                "dwell_s": Bounds("s", site.shortest_dwell_s, site.longest_dwell_s),
                "exposure_s": Bounds("s", 1e-6, site.longest_frame_s),
                "defocus_nm": Bounds("nm", -defocus_nm, defocus_nm),
                **(limits or {}),
            },
        )

    def _check(self, request: Request, known: Capabilities) -> None:
        if isinstance(request, ScanImage):
            self._scannable(request, known)
        if isinstance(request, PointSpectrum):
            self._fraction(request)
        if isinstance(request, MoveStage):
            self._stage_target(request)
        if isinstance(request, SetOptics) and (request.defocus_nm is None or _more_than_defocus(request)):
            raise NotSupported("only defocus can be set here: astigmatism, coma and current cannot")

    def _scannable(self, request: ScanImage, known: Capabilities) -> None:
        check_channels(request.channels, known.channels["ScanImage"])
        (rows, columns), (width, height) = request.shape, request.size_nm
        if rows != columns or not math.isclose(width, height, rel_tol=1e-9):
            raise NotSupported("images are square here")
        if request.rotation_rad:
            raise NotSupported("nothing is known of how this vendor's scan turns: rotation_rad is 0 here")
        seconds, longest = request.dwell_s * rows * columns, self._site.longest_frame_s
        if seconds > longest:
            raise OutOfReach(f"a frame of {seconds:g} s: nothing is known to end one, so at most {longest:g} s")
        (x, y), (dx, dy) = request.center_nm, self._offset_nm()
        if self._site.shift is None and math.hypot(x + dx, y + dy) > _AT_HOME_NM:
            raise NotSupported("the site setting `shift` is not measured: images are where the beam is")
        self._check_scan(request)

    def _cost(self, request: Request, known: Capabilities) -> Cost:
        overhead = self._site.overhead_s
        if isinstance(request, ScanImage):
            seconds = overhead + request.dwell_s * request.shape[0] * request.shape[1]
        elif isinstance(request, PointSpectrum):
            seconds = overhead + self._spectrum_s(request.exposure_s)
        else:
            return Cost(0.0 if isinstance(request, Register) else overhead)
        return Cost(seconds, electrons(known.calibration.current_pA or 0.0, seconds))

    def _carry_out(self, request: Request, id: str, price: Cost, stop: Stop) -> Measurement:
        self._note = ""
        channels = self._ways[type(request)](request, stop)
        place = request.places_nm()
        at = None if len(place) != 1 else (float(place[0][0]), float(place[0][1]))
        x, y = self._offset_nm()
        state = {"offset_x_nm": x, "offset_y_nm": y, "blanked": float(self._beam.is_blanked())}
        return Measurement(id, request, channels, price, True, at, state, self._note)

    def _secure(self) -> None:
        if self._known is not None:
            self._beam.blank()

    def _disconnect(self) -> None:
        """Nothing is held but what ends with the process."""

    def _image(self, request: ScanImage, stop: Stop) -> Channels:
        (x, y), (dx, dy) = request.center_nm, self._offset_nm()
        self._view = None  # the scan is no longer where it was
        if self._site.shift is not None:
            step = np.linalg.solve(np.array(self._site.shift), np.array([x + dx, y + dy]))
            there = np.array(self._start_shift) + step
            asked("beam shift", self._set_shift, (float(there[0]), float(there[1])))
        beam_s = request.dwell_s * request.shape[0] * request.shape[1]
        call = asked("scan", self._scan, request)
        self._view = ((x + dx, y + dy), request.size_nm[0])
        fetch, seconds = self._exposed(request, call, stop)
        frames = asked("frames", fetch)
        found = {name: whole_image(values, request, seconds, beam_s) for name, values in frames.items()}
        return {name: found[name] for name in request.channels or found}

    def _spectrum(self, request: PointSpectrum, stop: Stop) -> Channels:
        assert self._view is not None
        asked("parking", self._park, self._fraction(request), self._view[1])
        call = asked("spectrometer", self._spectra, request.exposure_s)
        fetch, seconds = self._exposed(request, call, stop)
        values, energies = asked("spectrum", fetch)
        return {self.spectrum_name: spectrum_channel(values, energies, seconds, request.exposure_s)}

    def _exposed(self, request: Request, call: Callable[[], Any], stop: Stop) -> tuple[Any, float]:
        priced_s = self.price(request).seconds
        value, seconds = self._beam.exposed(request.kind, call, stop, 3 * priced_s + self._site.patience_s)
        if seconds > priced_s:
            self._note = (
                f"it took {seconds:.3g} s and was priced at {priced_s:.3g} s: the site's overhead_s is too small"
            )
        return value, seconds

    def _fraction(self, request: PointSpectrum) -> tuple[float, float]:
        """Where the probe parks in the last image; raises OutOfReach where there is none, or outside of it."""
        if self._view is None:
            raise OutOfReach("the probe parks within the last image: take one around the place first")
        (cx, cy), width = self._view
        (x, y), (dx, dy) = request.position_nm, self._offset_nm()
        fraction = (0.5 + (x + dx - cx) / width, 0.5 + (y + dy - cy) / width)
        if not all(-1e-9 <= f <= 1 + 1e-9 for f in fraction):
            raise OutOfReach(f"({x:g}, {y:g}) nm is outside the last image: take one around it first")
        return (min(max(fraction[0], 0.0), 1.0), min(max(fraction[1], 0.0), 1.0))

    def _focus(self, request: SetOptics, stop: Stop) -> Channels:
        asked("defocus", self._set_defocus_nm, request.defocus_nm)
        return {}

    def _move(self, request: MoveStage, stop: Stop) -> Channels:
        self._stage_at = asked("stage", self._get_stage)  # somebody may have moved it by hand
        target, moves = self._stage_target(request)
        try:
            asked("stage", self._set_stage, target, moves)
        finally:
            self._stage_at = asked("stage", self._get_stage)  # where it went, even if that is not where it was to go
        for k, axis in enumerate("xyzab"):
            if moves[k]:
                most = self._site.stage_error_nm if axis in "xyz" else self._site.tilt_error_rad
                followed(f"stage {axis}", target[k], self._stage_at[k], most)
        return {}

    def _stage_target(self, request: MoveStage) -> tuple[Stage, tuple[bool, ...]]:
        """Where the axes shall be, and which of them move; raises OutOfReach beyond the site's range."""
        steps = (*request.shift_nm, *request.tilt_rad)
        x, y, z, a, b = (at + step for at, step in zip(self._stage_at, steps, strict=True))
        ranges = 3 * (self._site.stage_range_nm,) + 2 * (self._site.tilt_range_rad,)
        for axis, value, start, most, step in zip(
            "xyzab", (x, y, z, a, b), self._start_stage, ranges, steps, strict=True
        ):
            if step and not abs(value - start) <= most:
                raise OutOfReach(f"stage {axis} would be {value - start:g} from its start, {most:g} are allowed")
        return (x, y, z, a, b), tuple(bool(step) for step in steps)

    def _register(self, request: Register, stop: Stop) -> Channels:
        self._registered_nm = request.shift_nm
        return {}

    def _offset_nm(self) -> tuple[float, float]:
        if self._site.stage is None:
            return self._registered_nm
        moved = np.array(self._site.stage) @ (np.array(self._stage_at[:2]) - np.array(self._start_stage[:2]))
        return (float(moved[0]) + self._registered_nm[0], float(moved[1]) + self._registered_nm[1])


def _more_than_defocus(request: SetOptics) -> bool:
    return any(value is not None for value in (request.astigmatism_nm, request.coma_nm, request.current_pA))

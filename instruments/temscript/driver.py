"""A TEM behind temscript's server: magnification instead of a field of view, no parking, and silent clamping.

The server answers one call at a time: nothing ends a frame, and `make_safe` is answered after it. So frames that would
take longer than `longest_frame_s` are refused. Positions are (x, y) in the sample frame, reached by beam shift.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Calibration, Capabilities, Field
from instruments.cost import Cost, electrons
from instruments.errors import DataInvalid, HardwareFault, InstrumentError, NotSupported, OutOfReach, Stopped
from instruments.measurement import Axis, Channel, Measurement
from instruments.requests import MoveStage, Register, Request, ScanImage, SetOptics
from instruments.seam import Stop
from instruments.temscript.connection import Connection
from instruments.vendor import Channels, Vendor, check_channels
from physics_priors.bounds import Bounds

_M = 1e-9
_LOOK_S = 0.01
_FULL_PIXELS = 2048
"""Side of a full frame with binning 1."""
_AXES = ("x", "y", "z", "a", "b")


class Temscript(Vendor):
    """Images by one detector, defocus, stage; the beam is blanked except while an image is taken."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: Annotated[int, Bounds("", 1, 65535)] = 8080,
        *,
        field_at_1x_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] = 2e6,
        detector: str = "HAADF",
        shift_range_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] = 10.0,
        defocus_range_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] = 10_000.0,
        longest_frame_s: Annotated[float, Bounds("s", 0.0, 600.0, open_low=True)] = 10.0,
        overhead_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 0.3,
        timeout_s: Annotated[float, Bounds("s", 0.0, 3600.0, open_low=True)] = 30.0,
    ) -> None:
        """`field_at_1x_nm` over the magnification is the width of an image: a calibration of the site's own.

        Raises DataInvalid where blanking, which is answered after a frame, would be given up before that.
        """
        if timeout_s <= longest_frame_s + overhead_s:
            raise DataInvalid(f"timeout_s={timeout_s:g} must be longer than a frame of longest_frame_s and overhead_s")
        super().__init__()
        self._connection = Connection(host, port, timeout_s)
        self._field_at_1x_nm, self._detector = field_at_1x_nm, detector
        self._shift_range_nm, self._defocus_range_nm = shift_range_nm, defocus_range_nm
        self._longest_frame_s, self._overhead_s = longest_frame_s, overhead_s
        self._binnings: list[int] = []
        self._stage_m: dict[str, float] = {}
        self._start_m: dict[str, float] = {}
        self._limits_m: Mapping[str, tuple[float, float]] = {}
        self._registered_nm = (0.0, 0.0)
        self._ways: Mapping[type[Request], Callable[[Any, Stop], Channels]] = {
            ScanImage: self._image,
            SetOptics: self._focus,
            MoveStage: self._move,
            Register: self._register,
        }

    def _connect(self) -> Capabilities:
        get = self._connection.get
        version = str(get("version"))
        if not version.startswith("2."):
            raise NotSupported(f"temscript {version}: this driver knows version 2")
        detectors = get("stem_detectors")
        if not get("stem_available") or self._detector not in detectors:
            raise NotSupported(f"no STEM detector {self._detector!r}: there are {', '.join(detectors) or 'none'}")
        self._binnings = [int(value) for value in detectors[self._detector]["binnings"]]
        self._limits_m = {axis: (low, high) for axis, (low, high) in get("stage_limits").items()}
        self._stage_m = self._start_m = dict(get("stage_position"))
        side = 2 * self._shift_range_nm
        nothing: dict[str, str] = {}
        self._set("beam_blanked", True)
        return Capabilities(
            name=f"temscript {get('family')}",
            family="STEM",
            simulated=str(get("family")) == "NULL",
            requests=frozenset(cls.__name__ for cls in self._ways),
            field=Field((0.0, 0.0), (side, side)),
            channels={
                "ScanImage": {"dark_field": "counts"},
                **dict.fromkeys(("SetOptics", "MoveStage", "Register"), nothing),
            },
            calibration=Calibration(
                current_pA=1e12 * float(get("screen_current")),
                beam_energy_keV=float(get("voltage")),
                convergence_mrad=1e3 * float(get("convergence_angle")),
            ),
            limits={
                "dwell_s": Bounds("s", 1e-8, 1e-2),
                "defocus_nm": Bounds("nm", -self._defocus_range_nm, self._defocus_range_nm),
            },
        )

    def _check(self, request: Request, known: Capabilities) -> None:
        if isinstance(request, ScanImage):
            self._scannable(request)
        if isinstance(request, SetOptics) and (request.defocus_nm is None or _more_than_defocus(request)):
            raise NotSupported("only defocus can be set here: astigmatism, coma and current cannot")
        if isinstance(request, MoveStage):
            self._stage_targets(request)

    def _cost(self, request: Request, known: Capabilities) -> Cost:
        if not isinstance(request, ScanImage):
            return Cost(0.0 if isinstance(request, Register) else self._overhead_s)
        seconds = self._overhead_s + request.dwell_s * request.shape[0] * request.shape[1]
        return Cost(seconds, electrons(known.calibration.current_pA or 0.0, seconds))

    def _carry_out(self, request: Request, id: str, price: Cost, stop: Stop) -> Measurement:
        channels = self._ways[type(request)](request, stop)
        return Measurement(id, request, channels, price, True, None, self._state())

    def _secure(self) -> None:
        """Blank; the server does so when the frame in progress is done."""
        if self._known is not None:
            self._set("beam_blanked", True)

    def _disconnect(self) -> None:
        """Every call had a connection of its own, which ended with it."""

    def _scannable(self, request: ScanImage) -> None:
        (rows, columns), (width, height) = request.shape, request.size_nm
        sides = [_FULL_PIXELS // binning for binning in self._binnings]
        if rows != columns or not math.isclose(width, height, rel_tol=1e-9) or rows not in sides:
            raise NotSupported(f"images are square here, of {', '.join(map(str, sides))} pixels")
        seconds = request.dwell_s * rows * columns
        if seconds > self._longest_frame_s:
            raise OutOfReach(f"a frame of {seconds:g} s: nothing ends one, so at most {self._longest_frame_s:g} s")
        check_channels(request.channels, ("dark_field",))

    def _image(self, request: ScanImage, stop: Stop) -> Channels:
        (x, y), (dx, dy) = request.center_nm, self._offset_nm()
        binning = _FULL_PIXELS // request.shape[0]
        self._set("stem_magnification", self._field_at_1x_nm / request.size_nm[0])
        self._set("stem_rotation", request.rotation_rad)
        self._set("beam_shift", [(x + dx) * _M, (y + dy) * _M])
        chosen = {"image_size": "FULL", "dwell_time(s)": request.dwell_s, "binning": binning}
        self._set("stem_acquisition_param", chosen)
        values = self._frame(request, stop)
        if values.shape != request.shape:
            raise DataInvalid(f"asked for {request.shape} pixels, {values.shape} came")
        if np.issubdtype(values.dtype, np.integer) and values.max() == np.iinfo(values.dtype).max:
            raise DataInvalid(f"the detector is saturated at {values.max()}: choose a shorter dwell")
        if not values.any():
            raise DataInvalid("every pixel is 0: is the detector in, are the column valves open?")
        axis = (np.arange(request.shape[0]) + 0.5) / request.shape[0] * request.size_nm[0] - request.size_nm[0] / 2
        return {
            "dark_field": Channel(values.astype(np.float32), "counts", (Axis("y", "nm", axis), Axis("x", "nm", axis)))
        }

    def _frame(self, request: ScanImage, stop: Stop) -> NDArray[Any]:
        """A frame between unblanking and blanking; one that shall stop is waited for, and is none."""
        box: list[Any] = []
        limit_s = 3 * self.price(request).seconds + self._connection.timeout_s
        thread = threading.Thread(target=self._into, args=(box, limit_s), daemon=True)
        asked = False
        try:
            self._set("beam_blanked", False)
            if stop.is_set() or self._ended.is_set():
                raise Stopped("the image was ended before it began")
            thread.start()
            while thread.is_alive():
                asked = asked or stop.is_set() or self._ended.is_set()
                thread.join(_LOOK_S)
        finally:
            self._set("beam_blanked", True)
        if asked or self._ended.is_set():
            raise Stopped("the image was ended; what the server still gave is none")
        (found,) = box
        if isinstance(found, InstrumentError):
            raise found
        values: NDArray[Any] = found
        return values

    def _into(self, box: list[Any], limit_s: float) -> None:
        try:
            box.append(self._connection.acquire(self._detector, limit_s))
        except InstrumentError as error:
            box.append(error)

    def _focus(self, request: SetOptics, stop: Stop) -> Channels:
        assert request.defocus_nm is not None
        self._set("probe_defocus", request.defocus_nm * _M)
        return {}

    def _move(self, request: MoveStage, stop: Stop) -> Channels:
        targets = self._stage_targets(request)
        self._connection.put("stage_position?method=GO", targets)
        now = self._stage_m = dict(self._connection.get("stage_position"))
        for axis, value in targets.items():
            if not math.isclose(now[axis], value, rel_tol=1e-6, abs_tol=1e-12):
                raise HardwareFault(f"the stage was to go to {axis}={value:g} and is at {now[axis]:g}")
        return {}

    def _stage_targets(self, request: MoveStage) -> dict[str, float]:
        """Where the axes that move shall be [m, rad]; raises OutOfReach beyond what the stage says of itself."""
        steps = (*(value * _M for value in request.shift_nm), *request.tilt_rad)
        targets = {axis: self._stage_m[axis] + step for axis, step in zip(_AXES, steps, strict=True) if step}
        for axis, value in targets.items():
            low, high = self._limits_m[axis]
            if not low <= value <= high:
                raise OutOfReach(f"stage {axis}={value:g} is outside [{low:g}, {high:g}]: it would be clamped")
        return targets

    def _register(self, request: Register, stop: Stop) -> Channels:
        self._registered_nm = request.shift_nm
        return {}

    def _offset_nm(self) -> tuple[float, float]:
        """What is added to a place of the sample to get the beam's."""
        x, y = ((self._stage_m[axis] - self._start_m[axis]) / _M for axis in "xy")
        return x + self._registered_nm[0], y + self._registered_nm[1]

    def _state(self) -> dict[str, float]:
        x, y = self._offset_nm()
        get = self._connection.get
        blanked, defocus_m = bool(get("beam_blanked")), float(get("probe_defocus"))
        return {"offset_x_nm": x, "offset_y_nm": y, "blanked": float(blanked), "defocus_nm": defocus_m / _M}

    def _set(self, name: str, value: Any) -> None:
        """Set, and read back what became of it; raises HardwareFault where it did not follow."""
        self._connection.put(name, value)
        got = self._connection.get(name)
        if not _follows(value, got):
            raise HardwareFault(f"{name} was set to {value} and reads {got}: the microscope clamped or ignored it")


def _follows(asked: Any, got: Any) -> bool:
    if isinstance(asked, dict):
        return isinstance(got, dict) and all(_follows(value, got.get(key)) for key, value in asked.items())
    if isinstance(asked, list):
        return isinstance(got, list) and len(got) == len(asked) and all(map(_follows, asked, got))
    if isinstance(asked, float):
        return isinstance(got, (int, float)) and math.isclose(got, asked, rel_tol=1e-6, abs_tol=1e-15)
    return bool(got == asked)


def _more_than_defocus(request: SetOptics) -> bool:
    return any(value is not None for value in (request.astigmatism_nm, request.coma_nm, request.current_pA))

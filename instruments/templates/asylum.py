"""Asylum Research's software (Igor Pro): NOT RUN BY US, written from public code alone (docs/templates.md).

`python -m instruments.bridge instruments.templates.asylum:make` serves it, on the computer of the microscope;
ASYLUM_SITE must name a JSON file with the site's settings. There is no channel for errors: every value is read back,
and an image is a new file in a folder, whose own note must say what was asked for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from instruments.capabilities import Capabilities, Field
from instruments.column.beam import followed
from instruments.cost import Cost
from instruments.errors import DataInvalid, HardwareFault, NotSupported, Stopped
from instruments.measurement import Measurement
from instruments.probe import read_each
from instruments.requests import Register, Request, ScanImage, SetFeedback, Withdraw
from instruments.seam import Stop
from instruments.site import Site, site_of
from instruments.templates.asylum_image import CHANNELS, NOTED, Named, channels_of, near
from instruments.templates.ibw import Wave, read_wave
from instruments.templates.igor import Igor, number
from instruments.templates.library import NOT_RUN
from instruments.vendor import Channels, Vendor, check_channels
from physics_priors.bounds import POSITIVE_NM, Bounds

_M = 1e-9
_LOOK_S = 0.05
_PANEL = '"MasterPanel"'
_START = f'ARExecuteControl("DownScan_0",{_PANEL},0,"")'
_STOP = f'ARExecuteControl("StopScan_0",{_PANEL},0,"")'


@dataclass(frozen=True)
class AsylumSite(Site):
    """What has to be said of the site; the settings without a value have none that public code would tell."""

    folder: str
    """Where the command file lies that `send` hands to Igor."""
    send: tuple[str, ...]
    """The program that does so, with its arguments."""
    images: str
    """Where the software saves images; saving must be on."""
    withdraw: tuple[str, ...]
    """Igor's commands that take the tip off the surface: try them with nothing at stake."""
    first_row: str
    """`low` where the second index of a saved layer begins at the smallest y, else `high`."""
    field_nm: Annotated[float, POSITIVE_NM]
    """Side of what the scanner reaches, around an offset of 0."""
    process: str = "Igor"
    """Occurs in what `processes` prints while Igor runs."""
    processes: tuple[str, ...] = ("tasklist", "/FO", "CSV", "/NH")
    channels: tuple[Named, ...] = CHANNELS
    """(label in the file, channel, unit, factor)."""
    lever_nN_V: Annotated[float, Bounds("nN/V", 0.0, open_low=True)] | None = None
    """Spring constant times sensitivity; without it no set-point is taken."""
    force_limit_nN: Annotated[float, Bounds("nN", 0.0, open_low=True)] = 100.0
    most_lines_per_s: Annotated[float, Bounds("Hz", 0.0, 100.0, open_low=True)] = 5.0
    settle_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 0.35
    saving_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 5.0
    """A file that has not grown for so long is whole, or never will be."""
    timeout_s: Annotated[float, Bounds("s", 0.0, 600.0, open_low=True)] = 20.0
    overhead_s: Annotated[float, Bounds("s", 0.0, 600.0)] = 20.0
    """What setting, engaging and saving take on top of the lines."""

    def contradictions(self) -> list[str]:
        said = [] if self.first_row in ("low", "high") else ["first_row is low or high"]
        return [*said, *(f"{name} is empty" for name in ("send", "withdraw", "channels") if not getattr(self, name))]


class Asylum(Vendor):
    """Images, set-point and withdrawal; not run by us. Positions are those of the scan's offsets, from 0."""

    def __init__(self, site: AsylumSite) -> None:
        super().__init__()
        self.site = site
        how = {"process": site.process, "timeout_s": site.timeout_s, "settle_s": site.settle_s}
        self._igor = Igor(Path(site.folder), site.send, processes=site.processes, **how)  # type: ignore[arg-type]
        self._registered_nm = (0.0, 0.0)
        self._ways: Mapping[type[Request], Callable[[Any, Stop], Channels]] = {
            ScanImage: self._image,
            SetFeedback: self._regulate,
            Withdraw: lambda request, stop: self._withdrawn(),
            Register: self._register,
        }

    def readings(self) -> dict[str, Any]:
        """What Igor tells, by name; nothing of the microscope is set."""
        names = (*NOTED, "ScanPoints", "ScanLines", "DeflectionSetpointVolts")
        asks = {name: lambda name=name: self._igor.read([name])[0] for name in names}
        return read_each({**asks, "images": lambda: f"{len(self._files())} files in {self.site.images}"})

    def _connect(self) -> Capabilities:
        site = self.site
        nothing: dict[str, str] = {}
        self._igor.read(NOTED)
        if not Path(site.images).is_dir():
            raise NotSupported(f"there is no folder {site.images}")
        offered = {
            "ScanImage": {channel: unit for _, channel, unit, _ in site.channels},
            **dict.fromkeys(("Withdraw", "Register"), nothing),
            **({} if site.lever_nN_V is None else {"SetFeedback": nothing}),
        }
        return Capabilities(
            name=f"Asylum, {NOT_RUN}",
            family="SPM",
            simulated=False,
            requests=frozenset(offered),
            field=Field((0.0, 0.0), (site.field_nm, site.field_nm)),
            channels=offered,
            limits={"dwell_s": Bounds("s", 1e-6, 1.0), "setpoint_nN": Bounds("nN", 0.0, site.force_limit_nN)},
        )

    def _check(self, request: Request, known: Capabilities) -> None:
        if isinstance(request, ScanImage):
            (rows, columns), (width, height) = request.shape, request.size_nm
            check_channels(request.channels, known.channels["ScanImage"])
            if rows != columns or not math.isclose(width, height, rel_tol=1e-9):
                raise NotSupported("images are square here")
            if _rate(request) > self.site.most_lines_per_s:
                raise NotSupported(f"{_rate(request):g} lines a second: at most {self.site.most_lines_per_s:g}")
        if isinstance(request, SetFeedback):
            gains = (request.setpoint_pA, request.proportional, request.integral_Hz)
            if not request.on or request.setpoint_nN is None or any(value is not None for value in gains):
                raise NotSupported("only a force as set-point can be set here, with the loop on")

    def _cost(self, request: Request, known: Capabilities) -> Cost:
        if not isinstance(request, ScanImage):
            return Cost(0.0 if isinstance(request, Register) else self.site.overhead_s)
        return Cost(self.site.overhead_s + request.shape[0] / _rate(request))

    def _carry_out(self, request: Request, id: str, price: Cost, stop: Stop) -> Measurement:
        return Measurement(id, request, self._ways[type(request)](request, stop), price)

    def _secure(self) -> None:
        if self._known is not None:
            self._igor.run(_STOP)
            self._igor.run(*self.site.withdraw)

    def _disconnect(self) -> None:
        """Every command file stood for itself."""

    def _image(self, request: ScanImage, stop: Stop) -> Channels:
        (x, y), (dx, dy) = request.center_nm, self._offset_nm()
        asked = {
            "ScanSize": request.size_nm[0] * _M,
            "XOffset": (x + dx) * _M,
            "YOffset": (y + dy) * _M,
            "ScanAngle": math.degrees(request.rotation_rad),
            "ScanRate": _rate(request),
        }
        points = {"ScanPoints": float(request.shape[1]), "ScanLines": float(request.shape[0])}
        self._set(asked, request.shape[0], {**asked, **points})
        before = self._files()
        if stop.is_set() or self._ended.is_set():
            raise Stopped("the image was ended before it began")
        self._igor.run(_START)
        wave = self._saved(before, 2 * self.price(request).seconds, stop)
        return channels_of(wave, request, asked, self.site.channels, low_first=self.site.first_row == "low")

    def _set(self, asked: Mapping[str, float], side: int, told: Mapping[str, float]) -> None:
        """Set the scan and read it back; raises HardwareFault where a value was clamped or ignored."""
        controls = (("ScanSizeSetVar_0", asked["ScanSize"]), ("PointsLinesSetVar_0", side))
        panel = [f'ARExecuteControl("{name}",{_PANEL},{number(value)},"")' for name, value in controls]
        values = [f'PV("{name}", {number(asked[name])})' for name in ("XOffset", "YOffset", "ScanAngle")]
        rate = f'ARExecuteControl("ScanRateSetVar_0",{_PANEL},{number(asked["ScanRate"])},"")'
        self._igor.run(*panel, *values, rate)
        for (name, wanted), got in zip(told.items(), self._igor.read(list(told)), strict=True):
            followed(name, wanted, got, near(name, wanted))

    def _saved(self, before: set[Path], limit_s: float, stop: Stop) -> Wave:
        """The new file, once it is whole; a scan that shall stop is stopped, and its file is none."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            if stop.is_set() or self._ended.is_set():
                self._igor.run(_STOP)
                raise Stopped("the scan was ended; what was saved of it is none")
            time.sleep(_LOOK_S)
            new = self._files() - before
            if len(new) > 1:
                raise DataInvalid(f"{len(new)} files appeared for one scan: who scans besides?")
            if new:
                return self._whole(new.pop())
        self._igor.run(_STOP)
        raise HardwareFault(f"no image was saved within {limit_s:g} s: is saving on? The scan was stopped")

    def _whole(self, path: Path) -> Wave:
        """A file that may still be written; raises DataInvalid where it stays a part for `saving_s`."""
        until, size = time.monotonic() + self.site.saving_s, -1
        while True:
            content = path.read_bytes()
            try:
                return read_wave(content)
            except DataInvalid:
                if len(content) == size and time.monotonic() > until:
                    raise
            if len(content) != size:
                until, size = time.monotonic() + self.site.saving_s, len(content)
            time.sleep(_LOOK_S)

    def _files(self) -> set[Path]:
        return set(Path(self.site.images).glob("*.ibw"))

    def _regulate(self, request: SetFeedback, stop: Stop) -> Channels:
        assert request.setpoint_nN is not None
        assert self.site.lever_nN_V is not None
        volts = request.setpoint_nN / self.site.lever_nN_V
        self._igor.run(f'PV("DeflectionSetpointVolts", {number(volts)})')
        (got,) = self._igor.read(["DeflectionSetpointVolts"])
        followed("set-point [V]", volts, got, 1e-6)
        return {}

    def _withdrawn(self) -> Channels:
        self._igor.run(*self.site.withdraw)
        return {}

    def _register(self, request: Register, stop: Stop) -> Channels:
        self._registered_nm = request.shift_nm
        return {}

    def _offset_nm(self) -> tuple[float, float]:
        return self._registered_nm


def make() -> Asylum:
    """With the settings of the JSON file that ASYLUM_SITE names."""
    return Asylum(site_of(AsylumSite, "ASYLUM_SITE"))


def _rate(request: ScanImage) -> float:
    """Lines a second, there and back: nominal, because the turns at a line's ends are not told."""
    return 1.0 / (2.0 * request.dwell_s * request.shape[1])

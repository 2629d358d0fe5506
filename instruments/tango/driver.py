"""asyncroscopy's Tango devices as an instrument: NEVER RUN AGAINST ASYNCROSCOPY ITSELF (docs/tango.md).

`python -m instruments.bridge instruments.tango.driver:make` serves it, with a Python that has PyTango; TANGO_SITE names
a JSON file with the site's settings. A device answers one call at a time, so blanking waits for a frame that runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Capabilities
from instruments.column.beam import followed
from instruments.column.driver import Column
from instruments.column.scope import Frames, Spectrum, Stage
from instruments.column.site import ColumnSite
from instruments.errors import DataInvalid, HardwareFault, NotSupported
from instruments.requests import ScanImage
from instruments.site import site_of
from instruments.tango.device import Device
from instruments.tango.tiled import read_array
from physics_priors.bounds import POSITIVE_NM, Bounds

_M = 1e-9
_NEEDED = ("acquire_scanned_image", "blank_beam", "unblank_beam", "set_fov", "get_fov")
_WHOLE = [0.0, 0.0, 1.0, 1.0]


@dataclass(frozen=True)
class TangoSite(ColumnSite):
    """Addresses of the devices, with `#dbase=no` where there is no database; `shift` is per nm of the image shift."""

    microscope: str = "asyncroscopy/microscope/default"
    scan: str = "asyncroscopy/scan/default"
    eels: str | None = None
    data: str | None = None
    """The device that tells where the Tiled server is; else `tiled` does."""
    tiled: str | None = None
    detectors: tuple[tuple[str, str], ...] = (("dark_field", "HAADF"),)
    """(channel, name of the detector)."""
    sides: tuple[int, ...] = (256, 512, 1024, 2048)
    defocus_sign: Annotated[int, Bounds("", -1, 1)] | None = None
    """1 where its defocus is positive for overfocus, else -1."""
    defocus_range_nm: Annotated[float, POSITIVE_NM] = 10_000.0
    blind: bool = False
    """Take a microscope that cannot be asked whether its beam is blanked; nothing tells then that it is."""

    def contradictions(self) -> list[str]:
        said = super().contradictions()
        said += [] if self.data or self.tiled else ["say data or tiled: frames come from a Tiled server"]
        return [*said, *(["defocus_sign is 1 or -1"] if self.defocus_sign == 0 else [])]


class TangoColumn(Column):
    """Images, EELS at a point, defocus, stage, by asyncroscopy's commands; not run against asyncroscopy itself."""

    spectrum_name = "energy_loss"

    def __init__(self, site: TangoSite) -> None:
        super().__init__(site)
        self.site = site
        self._scope: Any = None
        self._aside: Any = None
        self._settings: Any = None
        self._eels: Any = None
        self._tiled, self._last_key = "", ""
        self._tells_blank, self._tells_probe, self._believed_blanked = False, False, False
        self._axes = 5

    def _reach(self) -> None:
        site, timeout_s = self.site, 2 * self.site.longest_frame_s + self.site.patience_s
        self._scope, self._aside = (Device(site.microscope, timeout_s) for _ in range(2))
        self._settings = Device(site.scan, timeout_s)
        self._eels = None if site.eels is None else Device(site.eels, timeout_s)
        self._tells_blank, self._tells_probe = self._scope.has("beam_state"), self._scope.has("beam_pos")
        self._tiled = site.tiled or str(json.loads(Device(str(site.data), timeout_s).call("get_config"))["uri"])

    def _further(self) -> Mapping[str, Callable[[], Any]]:
        return {
            "in STEM mode": lambda: self._scope.read("stem_mode"),
            "field of view [m]": lambda: self._scope.call("get_fov"),
            "defocus [m]": lambda: self._scope.call("get_defocus"),
            "dwell [s]": lambda: self._settings.read("dwell_time"),
            "data server": lambda: self._tiled,
        }

    def _connect(self) -> Capabilities:
        self._reached()
        site = self.site
        missing = set(_NEEDED) - set(self._scope.commands())
        if missing:
            raise NotSupported(f"{site.microscope} has no {', '.join(sorted(missing))}")
        if not self._tells_blank and not site.blind:
            raise NotSupported(
                f"{site.microscope} cannot be asked whether its beam is blanked: say blind to believe it"
            )
        if not self._scope.read("stem_mode"):
            raise NotSupported(f"{site.microscope} is not in STEM mode")
        return self._described(
            f"Tango {site.microscope.partition('#')[0].rpartition('//')[2]}, never run against asyncroscopy itself",
            {channel: "counts" for channel, _ in site.detectors},
            spectra=self._eels is not None,
            defocus_nm=0.0 if site.defocus_sign is None else site.defocus_range_nm,
            limits=self._held(),
        )

    def _held(self) -> dict[str, Bounds]:
        """The devices' own limits, within the site's."""
        site = self.site
        dwell = _within(self._settings.limits("dwell_time"), "s", site.shortest_dwell_s, site.longest_dwell_s)
        if self._eels is None:
            return {"dwell_s": dwell}
        return {
            "dwell_s": dwell,
            "exposure_s": _within(self._eels.limits("exposure_time"), "s", 1e-6, site.longest_frame_s),
        }

    def _set_blank(self, on: bool) -> None:
        self._aside.call("blank_beam" if on else "unblank_beam")
        self._believed_blanked = on

    def _blanked(self) -> bool:
        return bool(self._aside.read("beam_state")) if self._tells_blank else self._believed_blanked

    def _check_scan(self, request: ScanImage) -> None:
        if request.shape[0] not in self.site.sides:
            raise NotSupported(f"images have {', '.join(map(str, self.site.sides))} pixels to a side here")

    def _scan(self, request: ScanImage) -> Callable[[], Frames]:
        width_m = request.size_nm[0] * _M
        self._scope.call("set_fov", width_m)
        followed("field of view [m]", width_m, float(self._scope.call("get_fov")))
        self._settings.write("imsize", request.shape[0])
        self._settings.write("dwell_time", request.dwell_s)
        self._settings.write("scan_region", _WHOLE)
        chosen = [pair for pair in self.site.detectors if not request.channels or pair[0] in request.channels]
        return lambda: self._frames(chosen)

    def _frames(self, chosen: list[tuple[str, str]]) -> Frames:
        key = self._key(self._scope.call("acquire_scanned_image", [name for _, name in chosen]))
        return lambda: {channel: self._fetched(key, "image", name.upper()) for channel, name in chosen}

    def _key(self, answer: Any) -> str:
        """The key of what was acquired just now; raises DataInvalid for one that was given before."""
        key = str(answer)
        if not key or key == self._last_key:
            raise DataInvalid(f"the key of the acquisition is {key!r}: that is of the one before")
        self._last_key = key
        return key

    def _fetched(self, *path: str) -> NDArray[Any]:
        return read_array(self._tiled, path, self.site.patience_s)

    def _get_shift(self) -> tuple[float, float]:
        x_m, y_m = self._scope.call("get_image_shift")
        return (float(x_m) / _M, float(y_m) / _M)

    def _set_shift(self, shift: tuple[float, float]) -> None:
        self._scope.call("set_image_shift", [shift[0] * _M, shift[1] * _M])
        for axis, wanted, got in zip("xy", shift, self._get_shift(), strict=True):
            followed(f"image shift {axis} [nm]", wanted, got, 1e-3)

    def _set_defocus_nm(self, value: float) -> None:
        wanted_m = (self.site.defocus_sign or 1) * value * _M
        self._scope.call("set_defocus", wanted_m)
        followed("defocus [m]", wanted_m, float(self._scope.call("get_defocus")), 1e-12)

    def _park(self, fraction: tuple[float, float], width_nm: float) -> None:
        followed("field of view [m]", width_nm * _M, float(self._scope.call("get_fov")))
        self._scope.call("place_beam", list(fraction))
        if self._tells_probe:
            for axis, wanted, got in zip("xy", fraction, self._scope.read("beam_pos"), strict=True):
                followed(f"parked probe {axis}", wanted, float(got), 1e-6)

    def _spectra(self, exposure_s: float) -> Callable[[], Spectrum]:
        self._eels.write("exposure_time", exposure_s)
        self._eels.write("number_of_frames", 1)
        dispersion_eV = float(self._eels.call("get_eels_dispersion")[1])
        offset_eV = float(self._eels.read("offset"))
        if not (math.isfinite(offset_eV) and dispersion_eV > 0):
            raise HardwareFault(f"the spectrometer tells offset {offset_eV:g} and dispersion {dispersion_eV:g} eV")
        return lambda: self._losses(offset_eV, dispersion_eV)

    def _losses(self, offset_eV: float, dispersion_eV: float) -> Spectrum:
        key = self._key(self._eels.call("acquire_eels_spectrum"))
        return lambda: self._energies(self._fetched(key, "spectrum"), offset_eV, dispersion_eV)

    def _energies(
        self, counts: NDArray[Any], offset_eV: float, dispersion_eV: float
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        return counts, offset_eV + dispersion_eV * np.arange(counts.size, dtype=np.float64)

    def _get_stage(self) -> Stage:
        told = [float(value) for value in self._scope.call("get_stage")]
        self._axes = len(told)  # holders without a second tilt tell four
        x, y, z, a, b = (*told, *[math.nan] * (5 - len(told)))
        return (x / _M, y / _M, z / _M, math.radians(a), math.radians(b))

    def _set_stage(self, target: Stage, moves: tuple[bool, ...]) -> None:
        if moves[4] and math.isnan(self._get_stage()[4]):
            raise NotSupported("this holder has no second tilt")
        wanted = [*(value * _M for value in target[:3]), *(math.degrees(value) for value in target[3:])]
        self._scope.call("move_stage", wanted[: self._axes])


def make() -> TangoColumn:
    """With the settings of the JSON file that TANGO_SITE names."""
    return TangoColumn(site_of(TangoSite, "TANGO_SITE"))


def _within(own: Bounds, unit: str, low: float, high: float) -> Bounds:
    return Bounds(unit, max(own.low, low), min(own.high, high))

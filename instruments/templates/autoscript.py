"""Thermo Fisher's AutoScript TEM: NOT RUN BY US, written from public code alone (docs/templates.md).

`python -m instruments.bridge instruments.templates.autoscript:make` serves it, with the Python that has
`autoscript_tem_microscope_client`; AUTOSCRIPT_SITE names a JSON file with the site's settings. The control software
must be in STEM mode with its scan not turned. Several clients are known to connect at
once: blanking has one of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Capabilities
from instruments.column.beam import asked, followed
from instruments.column.driver import Column
from instruments.column.scope import Frames, Spectrum, Stage
from instruments.column.site import ColumnSite
from instruments.errors import DataInvalid, NotSupported
from instruments.requests import ScanImage
from instruments.site import site_of
from instruments.templates.library import NOT_RUN, library
from physics_priors.bounds import POSITIVE_NM, Bounds

_M = 1e-9
_CLIENT = "autoscript_tem_microscope_client"
_UNTURNED_RAD = 1e-6


@dataclass(frozen=True)
class AutoScriptSite(ColumnSite):
    """What has to be said of the site; `shift` is in nm of the image per nm of the beam shift."""

    host: str = "localhost"
    port: Annotated[int, Bounds("", 1, 65535)] = 9095
    detectors: tuple[tuple[str, str], ...] = (("dark_field", "HAADF"),)
    """(channel, AutoScript's name of the detector)."""
    sides: tuple[int, ...] = (256, 512, 1024, 2048)
    """Sides [pixels] that images may have; AutoScript knows presets."""
    defocus_sign: Annotated[int, Bounds("", -1, 1)] | None = None
    """1 where AutoScript's defocus is positive for overfocus, else -1."""
    defocus_range_nm: Annotated[float, POSITIVE_NM] = 10_000.0
    eds_offset_eV: Annotated[float, Bounds("eV")] | None = None
    """Energy of the first channel."""
    eds_dispersion_eV: Annotated[float, Bounds("eV", 0.0, open_low=True)] = 5.0
    eds_detector: str = "SUPER_X"
    eds_shaping_s: Annotated[float, Bounds("s", 0.0, open_low=True)] = 3e-6
    eds_dead: Annotated[float, Bounds("", 0.0, 0.99)] = 0.5
    """Largest dead fraction: exposures are live time, and the beam is on for longer."""

    def contradictions(self) -> list[str]:
        said = super().contradictions()
        return [*said, "defocus_sign is 1 or -1"] if self.defocus_sign == 0 else said


class AutoScript(Column):
    """Images, X-ray spectra at a point, defocus, stage; not run by us."""

    spectrum_name = "xray"

    def __init__(self, site: AutoScriptSite) -> None:
        super().__init__(site)
        self.site = site
        self._scope: Any = None
        self._aside: Any = None
        self._structures: Any = None
        self._enumerations: Any = None

    def _reach(self) -> None:
        client = library(_CLIENT, "it comes with the microscope")
        self._structures, self._enumerations = (
            library(f"{_CLIENT}.{name}", "it comes with the microscope") for name in ("structures", "enumerations")
        )
        self._scope, self._aside = client.TemMicroscopeClient(), client.TemMicroscopeClient()
        for one in (self._scope, self._aside):
            asked("connecting", one.connect, self.site.host, self.site.port)

    def _further(self) -> Mapping[str, Callable[[], Any]]:
        optics, detectors = self._scope.optics, self._scope.detectors
        return {
            "optical mode": lambda: optics.optical_mode,
            "scan rotation": lambda: optics.scan_rotation,
            "field of view [m]": lambda: optics.scan_field_of_view,
            "defocus [m]": lambda: optics.defocus,
            "parked probe": lambda: _pair(optics.paused_scan_beam_position),
            "screen": lambda: detectors.screen.position,
        }

    def _connect(self) -> Capabilities:
        self._reached()
        self._ready()
        return self._described(
            f"AutoScript at {self.site.host}, {NOT_RUN}",
            {channel: "counts" for channel, _ in self.site.detectors},
            spectra=self.site.eds_offset_eV is not None,
            defocus_nm=0.0 if self.site.defocus_sign is None else self.site.defocus_range_nm,
        )

    def _ready(self) -> None:
        optics = self._scope.optics
        mode, turn = asked("optical mode", lambda: (str(optics.optical_mode), float(optics.scan_rotation)))
        if mode != "Stem":
            raise NotSupported(f"AutoScript is in {mode} mode: choose STEM")
        if abs(turn) > _UNTURNED_RAD:
            raise NotSupported(f"the scan is turned by {turn:g}: set it to 0")

    def _set_blank(self, on: bool) -> None:
        blanker = self._aside.optics.blanker
        if on:
            blanker.blank()
        else:
            blanker.unblank()

    def _blanked(self) -> bool:
        return bool(self._aside.optics.blanker.is_beam_blanked)

    def _check_scan(self, request: ScanImage) -> None:
        if request.shape[0] not in self.site.sides:
            raise NotSupported(f"images have {', '.join(map(str, self.site.sides))} pixels to a side here")

    def _scan(self, request: ScanImage) -> Callable[[], Frames]:
        self._ready()
        optics, structures = self._scope.optics, self._structures
        width_m = request.size_nm[0] * _M
        optics.scan_field_of_view = width_m
        followed("field of view [m]", width_m, float(optics.scan_field_of_view))
        chosen = [pair for pair in self.site.detectors if not request.channels or pair[0] in request.channels]
        whole = structures.Region(
            self._enumerations.RegionCoordinateSystem.RELATIVE, structures.Rectangle(0.0, 0.0, 1.0, 1.0)
        )
        settings = structures.StemAcquisitionSettings(
            dwell_time=request.dwell_s,
            detector_types=[name for _, name in chosen],
            size=request.shape[0],
            region=whole,
        )
        return lambda: self._frames(settings, [channel for channel, _ in chosen])

    def _frames(self, settings: Any, channels: list[str]) -> Frames:
        images = self._scope.acquisition.acquire_stem_images_advanced(settings)
        images = list(images) if isinstance(images, (list, tuple)) else [images]
        if len(images) != len(channels):
            raise DataInvalid(f"asked for {len(channels)} detectors, {len(images)} images came")
        return lambda: {channel: np.asarray(image.data) for channel, image in zip(channels, images, strict=True)}

    def _get_shift(self) -> tuple[float, float]:
        x_m, y_m = _pair(self._scope.optics.deflectors.beam_shift)
        return (x_m / _M, y_m / _M)

    def _set_shift(self, shift: tuple[float, float]) -> None:
        self._scope.optics.deflectors.beam_shift = (shift[0] * _M, shift[1] * _M)
        for axis, wanted, got in zip("xy", shift, self._get_shift(), strict=True):
            followed(f"beam shift {axis} [nm]", wanted, got, 1e-3)

    def _set_defocus_nm(self, value: float) -> None:
        assert self.site.defocus_sign is not None
        wanted_m = self.site.defocus_sign * value * _M
        self._scope.optics.defocus = wanted_m
        followed("defocus [m]", wanted_m, float(self._scope.optics.defocus), 1e-12)

    def _park(self, fraction: tuple[float, float], width_nm: float) -> None:
        followed("field of view [m]", width_nm * _M, float(self._scope.optics.scan_field_of_view))
        self._scope.optics.paused_scan_beam_position = list(fraction)
        for axis, wanted, got in zip("xy", fraction, _pair(self._scope.optics.paused_scan_beam_position), strict=True):
            followed(f"parked probe {axis}", wanted, got, 1e-6)

    def _spectra(self, exposure_s: float) -> Callable[[], Spectrum]:
        site = self.site
        settings = self._structures.EdsAcquisitionSettings()
        settings.eds_detector = getattr(self._enumerations.EdsDetectorType, site.eds_detector)
        settings.dispersion = site.eds_dispersion_eV
        settings.shaping_time = site.eds_shaping_s
        settings.exposure_time = exposure_s
        settings.exposure_time_type = self._enumerations.ExposureTimeType.LIVE_TIME
        return lambda: self._xrays(settings)

    def _xrays(self, settings: Any) -> Spectrum:
        spectrum = self._scope.analysis.eds.acquire_spectrum(settings)
        return lambda: self._energies(np.asarray(spectrum.data))

    def _energies(self, counts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        channels = np.arange(counts.size, dtype=np.float64)
        return counts, (self.site.eds_offset_eV or 0.0) + self.site.eds_dispersion_eV * channels

    def _spectrum_s(self, exposure_s: float) -> float:
        return exposure_s / (1.0 - self.site.eds_dead)

    def _get_stage(self) -> Stage:
        at = self._scope.specimen.stage.position
        x, y, z = (float(value) / _M for value in (at.x, at.y, at.z))
        a, b = (math.nan if value is None else float(value) for value in (at.a, at.b))
        return (x, y, z, a, b)

    def _set_stage(self, target: Stage, moves: tuple[bool, ...]) -> None:
        scaled = (*(value * _M for value in target[:3]), *target[3:])
        wanted = {axis: value for axis, value, move in zip("xyzab", scaled, moves, strict=True) if move}
        self._scope.specimen.stage.absolute_move(self._structures.StagePosition(**wanted))


def make() -> AutoScript:
    """With the settings of the JSON file that AUTOSCRIPT_SITE names."""
    return AutoScript(site_of(AutoScriptSite, "AUTOSCRIPT_SITE"))


def _pair(value: Any) -> tuple[float, float]:
    """A point with x and y, or a pair: public code has both."""
    return (float(value.x), float(value.y)) if hasattr(value, "x") else (float(value[0]), float(value[1]))

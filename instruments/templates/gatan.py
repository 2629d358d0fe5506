"""Gatan's DigitalMicrograph with a DigiScan: NOT RUN BY US, written from public scripts alone (docs/templates.md).

The module `DigitalMicrograph` exists only inside of Gatan's GMS, so the server runs there, as a script in a background
thread: `from instruments.templates.gatan import serve; serve(r"C:\\served")`. The file `stop` in that folder ends it.
GATAN_SITE names a JSON file with the site's settings.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Capabilities
from instruments.column.beam import asked
from instruments.column.driver import Column
from instruments.column.scope import Frames, Stage
from instruments.column.site import ColumnSite
from instruments.errors import DataInvalid, HardwareFault, NotSupported, Stopped
from instruments.requests import ScanImage
from instruments.site import site_of
from instruments.templates.library import NOT_RUN, library
from physics_priors.bounds import POSITIVE_NM

_UM_NM = 1e3
_BYTES = 4
_LOOK_S = 0.05
_ALL_AXES = 31
WORDS = ("width", "height", "rotation", "pixel_time", "line_sync", "bytes", "zero")
"""What the arguments of DS_CreateParameters may be."""


@dataclass(frozen=True)
class GatanSite(ColumnSite):
    """What has to be said of the site; `shift` is in nm of the image per unit of GetBeamShift."""

    create: tuple[str, ...] = ()
    """The arguments of DS_CreateParameters in this GMS, by `WORDS`: three public scripts have three orders."""
    signals: tuple[tuple[str, int], ...] = ()
    """(channel, index of DigiScan's signal)."""
    width_nm: Annotated[float, POSITIVE_NM] | None = None
    """Width of the whole scan at the magnification that is set by hand."""
    scale_unit_nm: Annotated[float, POSITIVE_NM] | None = None
    """What a unit of an image's own calibration is; with it every frame's width is compared with `width_nm`."""

    def contradictions(self) -> list[str]:
        said = super().contradictions()
        if set(self.create) - set(WORDS):
            said.append(f"create has the words {', '.join(WORDS)}")
        if self.create and not {"width", "height", "pixel_time"} <= set(self.create):
            said.append("create needs width, height and pixel_time")
        return said


class Gatan(Column):
    """Images by DigiScan, stage; not run by us."""

    def __init__(self, site: GatanSite) -> None:
        super().__init__(site)
        self.site = site
        self._dm: Any = None
        self._scope: Any = None

    def _reach(self) -> None:
        self._dm = library("DigitalMicrograph", "it exists only inside of GMS")
        self._scope = asked("GMS", self._dm.Py_Microscope)

    def _further(self) -> Mapping[str, Callable[[], Any]]:
        return {
            "has a blanker": self._scope.HasBeamBlanker,
            "stage [um, degrees]": lambda: self._scope.GetStagePositions(_ALL_AXES),
        }

    def _connect(self) -> Capabilities:
        self._reached()
        if not asked("GMS", self._scope.HasBeamBlanker):
            raise NotSupported("GMS knows no beam blanker: nothing could make this microscope safe")
        channels = {channel: "counts" for channel, _ in self.site.signals}
        return self._described(f"DigitalMicrograph, {NOT_RUN}", channels)

    def _set_blank(self, on: bool) -> None:
        self._scope.SetBeamBlanked(on)

    def _blanked(self) -> bool:
        return bool(self._scope.GetBeamBlanked())

    def _check_scan(self, request: ScanImage) -> None:
        site = self.site
        missing = [name for name in ("create", "signals", "width_nm", "scale_unit_nm") if not getattr(site, name)]
        if missing:
            raise NotSupported(f"no image before the site says {', '.join(missing)} (docs/templates.md)")
        if not math.isclose(request.size_nm[0], site.width_nm or 0.0, rel_tol=1e-3):
            raise NotSupported(f"images are {site.width_nm:g} nm wide here: the magnification is set by hand")

    def _scan(self, request: ScanImage) -> Callable[[], Frames]:
        rows, columns = request.shape
        words = {
            "width": columns,
            "height": rows,
            "rotation": 0.0,
            "pixel_time": 1e6 * request.dwell_s,
            "line_sync": False,
            "bytes": _BYTES,
            "zero": 0,
        }
        chosen = [pair for pair in self.site.signals if not request.channels or pair[0] in request.channels]
        return lambda: self._frames([words[word] for word in self.site.create], chosen)

    def _frames(self, arguments: list[Any], chosen: list[tuple[str, int]]) -> Frames:
        dm = self._dm
        parameters = dm.DS_CreateParameters(*arguments)
        try:
            for _, signal in chosen:
                dm.DS_SetParametersSignal(parameters, signal, _BYTES, True, 0)
            dm.DS_StartAcquisition(parameters, False, True)
            images = {channel: dm.FindImageByID(dm.DS_GetAcquiredImageID(signal)) for channel, signal in chosen}
            return lambda: {channel: self._pixels(image) for channel, image in images.items()}
        finally:
            dm.DS_DeleteParameters(parameters)

    def _pixels(self, image: Any) -> NDArray[Any]:
        values = np.array(image.GetNumArray())  # a copy: GMS goes on writing into its own
        width_nm = float(image.GetDimensionScale(0)) * values.shape[-1] * (self.site.scale_unit_nm or 0.0)
        if not math.isclose(width_nm, self.site.width_nm or 0.0, rel_tol=0.02):
            raise DataInvalid(f"GMS says that the image is {width_nm:g} nm wide: who changed the magnification?")
        return values

    def _get_shift(self) -> tuple[float, float]:
        x, y = self._scope.GetBeamShift()
        return (float(x), float(y))

    def _set_shift(self, shift: tuple[float, float]) -> None:
        self._scope.SetBeamShift(*shift)
        got = self._get_shift()
        if not np.allclose(got, shift, rtol=1e-6, atol=1e-9):
            raise HardwareFault(f"the beam shift was set to {shift} and reads {got}")

    def _get_stage(self) -> Stage:
        x, y, z, a, b = (float(value) for value in self._scope.GetStagePositions(_ALL_AXES))
        return (x * _UM_NM, y * _UM_NM, z * _UM_NM, math.radians(a), math.radians(b))

    def _set_stage(self, target: Stage, moves: tuple[bool, ...]) -> None:
        flags = sum(1 << k for k, move in enumerate(moves) if move)
        x, y, z, a, b = target
        self._scope.SetStagePositions(flags, x / _UM_NM, y / _UM_NM, z / _UM_NM, math.degrees(a), math.degrees(b))
        until, before = time.monotonic() + self.site.patience_s, self._get_stage()
        while time.monotonic() < until:
            if self._ended.is_set():
                raise Stopped("nothing is known to stop this stage: it goes on to its target")
            time.sleep(_LOOK_S)
            now = self._get_stage()
            if now == before:
                return
            before = now


def make() -> Gatan:
    """With the settings of the JSON file that GATAN_SITE names."""
    return Gatan(site_of(GatanSite, "GATAN_SITE"))


def serve(
    folder: str, address: str = "tcp://127.0.0.1:5555", *, keys: str | None = None, limits: str | None = None
) -> None:
    """Serve from inside of GMS until a file `stop` appears in the folder: no signals, no process of its own.

    `keys` is a folder that `keys` of the bridge made, `limits` a file with the server's own limits (docs/bridge.md).
    """
    from instruments.bridge.limits_file import read_limits
    from instruments.bridge.server import Server
    from instruments.bridge.settings import ServerSettings
    from instruments.guard import Limits

    held = Limits() if limits is None else read_limits(Path(limits))
    settings = ServerSettings(
        address=address, keys=None if keys is None else Path(keys), folder=Path(folder), limits=held
    )
    Server(make(), settings).run()

"""`python -m instruments.temscript.server` is temscript's own HTTP server over a STEM that our optical bench simulates.

Run it with a Python that has the extra `temscript`. It clamps as the null microscope does: stage, magnification and
int16 counts, without a word.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from temscript.null_microscope import NullMicroscope
from temscript.server import MicroscopeServer

from instruments.embedded import Embedded
from instruments.requests import ScanImage, SetAberrations
from instruments.twins.stem.optical_bench import OpticalBench

FIELD_AT_1X_NM = 2e6
_FULL_PIXELS = 2048
_MAGNIFICATIONS = (1e3, 1e7)
_NM = 1e9


class Bench(NullMicroscope):  # type: ignore[misc]
    """A null microscope with one STEM detector; scans take their time, and a blanked beam counts nothing."""

    def __init__(self, seed: int = 0) -> None:
        core = OpticalBench()
        super().__init__(voltage=core.column.energy_keV)
        self._twin, self._current_A = Embedded(core), core.current_pA * 1e-12
        self._twin.reset(seed, {})
        self._convergence_angle = core.column.convergence_mrad * 1e-3
        self._numbers, self._never, self._focused_nm = itertools.count(), threading.Event(), 0.0

    def is_stem_available(self) -> bool:
        """It is one."""
        return True

    def get_stem_detectors(self) -> dict[str, Any]:
        """The dark-field detector."""
        return {"HAADF": {"type": "STEM_DETECTOR", "binnings": [4, 8, 16, 32, 64, 128]}}

    def get_screen_current(self) -> float:
        """What the twin's beam carries [A]."""
        return self._current_A

    def set_stem_magnification(self, value: float) -> None:
        """Clamped without a word."""
        super().set_stem_magnification(min(max(value, _MAGNIFICATIONS[0]), _MAGNIFICATIONS[1]))

    def set_stem_acquisition_param(self, param: Any, ignore_errors: bool = False) -> None:
        """The null microscope knows no binning here; a real one does."""
        param = dict(param)
        self._stem_acq_param["binning"] = int(param.pop("binning", self._stem_acq_param["binning"]))
        super().set_stem_acquisition_param(param, ignore_errors)

    def acquire(self, *detectors: str) -> dict[str, NDArray[Any]]:
        """Frames by detector; one that is unknown is left out."""
        found: dict[str, NDArray[Any]] = super().acquire(*(name for name in detectors if name != "HAADF"))
        if "HAADF" in detectors:
            found["HAADF"] = self._scan()
        return found

    def _scan(self) -> NDArray[Any]:
        side = _FULL_PIXELS // self._stem_acq_param["binning"]
        dwell_s = self._stem_acq_param["dwell_time(s)"]
        time.sleep(dwell_s * side * side)
        if self._beam_blanked:
            return np.zeros((side, side), np.int16)
        self._focus()
        center = tuple(_NM * float(b - self._stage_pos[axis]) for b, axis in zip(self._beam_shift, "xy", strict=True))
        size = FIELD_AT_1X_NM / self._stem_magnification
        frame = ScanImage((center[0], center[1]), (size, size), (side, side), dwell_s, self._stem_rotation)
        counts = self._acquired(frame).channels["dark_field"].values
        clipped: NDArray[Any] = np.clip(counts, 0, np.iinfo(np.int16).max).astype(np.int16)
        return clipped

    def _focus(self) -> None:
        defocus_nm = _NM * self._probe_defocus
        if defocus_nm != self._focused_nm:
            self._acquired(SetAberrations(("C1",), ((defocus_nm, 0.0),), relative=False))
            self._focused_nm = defocus_nm

    def _acquired(self, request: Any) -> Any:
        return self._twin.acquire(request, id=f"frame-{next(self._numbers)}", stop=self._never)


def main(arguments: list[str] | None = None) -> int:
    """Serve on loopback until it is killed or interrupted; the port is printed."""
    parser = argparse.ArgumentParser(prog="python -m instruments.temscript.server", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="0 takes any that is free")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    server = MicroscopeServer(("127.0.0.1", options.port), microscope_factory=lambda: Bench(options.seed))
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

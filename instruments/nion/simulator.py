"""`python -m instruments.bridge instruments.nion.simulator:make` serves Nion's simulator, with a Python that has it.

`make` is the simulator as it is; `make_tuning` has our optical bench behind its scans, so that truth stands behind
Nion's acquisition stack: lenses, blanker, stage and beam shift act on the images.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.embedded import Embedded
from instruments.measurement import Measurement
from instruments.nion.driver import Nion
from instruments.nion.microscope import Raster
from instruments.nion.site import Site, read_site
from instruments.requests import Request, ScanImage, SetAberrations

_NM = 1e9


def make() -> Nion:
    """Nion's simulator as it is; NION_SITE names a JSON file with a site map."""
    from instruments.nion.stack import Stack

    site = os.environ.get("NION_SITE")
    return _over(Stack.simulated(), Site() if site is None else read_site(Path(site)))


def make_tuning() -> Nion:
    """Nion's simulator with the optical bench behind its dark field; NION_SEED chooses sample and lenses.

    Needs SciPy and Numba too, as the twin does.
    """
    from instruments.nion.stack import Stack, fed
    from instruments.twins.stem.optical_bench import OpticalBench

    core = OpticalBench()
    site = Site(channels={"HAADF": "dark_field"}, field_nm=core.field_nm)
    twin = Embedded(core)
    twin.reset(int(os.environ.get("NION_SEED", "0")), {})
    behind = Behind(twin, site)
    stack = Stack.simulated(generator=fed(behind))
    behind.begin(stack.value)
    for control, value in (
        (site.current, core.current_pA * 1e-12),
        (site.energy, core.column.energy_keV * 1e3),
        (site.convergence, core.column.convergence_mrad * 1e-3),
    ):
        stack.set(control, value)
    return _over(stack, site)


class Behind:
    """Frames of a twin for somebody else's scan: the lenses are first turned to where the column's controls are."""

    def __init__(self, twin: Embedded, site: Site) -> None:
        self._twin, self._site = twin, site
        self._numbers, self._never = itertools.count(), threading.Event()
        self._start_nm: dict[str, tuple[float, float]] = {}
        self._turned: dict[str, tuple[float, float]] = {}

    def __call__(self, raster: Raster, read: Callable[[str], float | None]) -> NDArray[Any]:
        """Counts [rows, columns]; none where the beam is blanked."""
        if read(self._site.blanker):
            return np.zeros(raster.shape, np.float32)
        self._turn(read)
        rows, columns = raster.shape
        size_nm = (raster.pixel_nm * columns, raster.pixel_nm * rows)
        request = ScanImage(raster.center_nm, size_nm, raster.shape, raster.dwell_s, raster.rotation_rad)
        return self._acquired(request).channels["dark_field"].values.astype(np.float32)

    def begin(self, read: Callable[[str], float | None]) -> None:
        """What the controls say now is where the twin's lenses are."""
        self._start_nm = self._controls_nm(read)
        self._turned = dict.fromkeys(self._start_nm, (0.0, 0.0))

    def _turn(self, read: Callable[[str], float | None]) -> None:
        now, start = self._controls_nm(read), self._start_nm
        since = {name: (now[name][0] - start[name][0], now[name][1] - start[name][1]) for name in now}
        if since != self._turned:
            self._acquired(SetAberrations(tuple(since), tuple(since.values()), relative=False))
        self._turned = since

    def _controls_nm(self, read: Callable[[str], float | None]) -> dict[str, tuple[float, float]]:
        found = {}
        for name, (controls, factor) in self._site.aberrations.items():
            parts = [(read(control) or 0.0) / factor * _NM for control in controls]
            found[name] = (parts[0], parts[1] if len(parts) > 1 else 0.0)
        return found

    def _acquired(self, request: Request) -> Measurement:
        return self._twin.acquire(request, id=f"frame-{next(self._numbers)}", stop=self._never)


def _over(stack: Any, site: Site) -> Nion:
    try:
        return Nion(stack, site, simulated=True)
    except BaseException:
        stack.close()  # its threads would keep the process for ever
        raise

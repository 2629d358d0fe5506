"""`python -m instruments.bridge instruments.nion.simulator:make` serves Nion's simulator, with a Python that has it.

`make` is the simulator as it is. `make_tuning` has our optical bench behind its scans, `make_dopant` our graphene with
a silicon atom, so that truth stands behind Nion's acquisition stack: lenses, blanker, stage and beam shift act on the
images, and the beam on the sample.
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
    from instruments.twins.stem.optical_bench import OpticalBench

    return over(Embedded(OpticalBench()), "dark_field")


def make_dopant() -> Nion:
    """Nion's simulator with graphene that answers to every electron behind its dark field; NION_SEED chooses it.

    Needs SciPy, Numba and ASE too, as the twin does.
    """
    from instruments.twins.stem.microscope import StemMicroscope

    return over(Embedded(StemMicroscope()), "haadf")


def over(twin: Embedded, channel: str) -> Nion:
    """Nion's simulator with an electron twin behind its dark field, which is `channel` of both; NION_SEED resets it."""
    from instruments.nion.stack import Stack, fed

    known = twin.describe()
    site = Site(channels={"HAADF": channel}, field_nm=min(known.field.size_nm))
    behind = Behind(twin, site, channel)
    behind.warm()
    twin.reset(int(os.environ.get("NION_SEED", "0")), {})
    stack = Stack.simulated(generator=fed(behind))
    behind.begin(stack.value)
    about = known.calibration
    for control, value in (
        (site.current, 1e-12 * (about.current_pA or 0.0)),
        (site.energy, 1e3 * (about.beam_energy_keV or 0.0)),
        (site.convergence, 1e-3 * (about.convergence_mrad or 0.0)),
    ):
        stack.set(control, value)
    return _over(stack, site)


class Behind:
    """Frames of a twin for somebody else's scan: the lenses are first turned to where the column's controls are."""

    def __init__(self, twin: Embedded, site: Site, channel: str) -> None:
        self._twin, self._site, self._channel = twin, site, channel
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
        return self._acquired(request).channels[self._channel].values.astype(np.float32)

    def warm(self) -> None:
        """Have the twin compile what it will need: while Swift scans it would be too late."""
        side = self._site.field_nm / 8
        self._acquired(ScanImage((0.0, 0.0), (side, side), (2, 2), 1e-6))
        self._acquired(SetAberrations(("C1",), ((1.0, 0.0),)))

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

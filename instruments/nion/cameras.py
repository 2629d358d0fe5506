"""Spectra and Ronchigrams with the probe parked, which are read back: place, exposure, binning."""

from __future__ import annotations

import math

from instruments.errors import HardwareFault, NotSupported
from instruments.measurement import Axis, Channel
from instruments.nion.arrays import all_there, axis
from instruments.nion.controls import Controls
from instruments.nion.microscope import Microscope, Taken
from instruments.nion.site import Site
from instruments.nion.watch import Watch
from instruments.requests import CameraFrame, PointSpectrum
from instruments.vendor import Channels


class Cameras:
    """The EELS and the Ronchigram camera of one stack."""

    def __init__(self, stack: Microscope, site: Site, controls: Controls) -> None:
        self._stack, self._site, self._controls = stack, site, controls

    def check(self, request: CameraFrame) -> None:
        """Raise NotSupported where the camera has no such binning."""
        binnings = self._stack.binnings("ronchigram")
        if request.binning not in binnings:
            raise NotSupported(f"binning {request.binning}: there are {binnings}")

    def spectrum(self, request: PointSpectrum, watch: Watch) -> Channels:
        """Counts [energy]."""
        self._park(request.position_nm)
        taken = self._seen("energy_loss", request.exposure_s, 1, watch)
        energies = axis("energy", "eV", taken.axes[1], taken.values.shape[1])
        return {"energy_loss": Channel(taken.values.sum(axis=0), "counts", (energies,))}

    def ronchigram(self, request: CameraFrame, watch: Watch) -> Channels:
        """Counts [rows, columns] of angles in mrad."""
        self._park(request.position_nm)
        taken = self._seen("ronchigram", request.exposure_s, request.binning, watch)
        axes = [axis(f"angle_{n}", "rad", taken.axes[i], taken.values.shape[i]) for i, n in enumerate("yx")]
        mrad = tuple(Axis(angle.name, "mrad", 1e3 * angle.values) for angle in axes)
        return {"ronchigram": Channel(taken.values, "counts", mrad)}

    def _seen(self, camera: str, exposure_s: float, binning: int, watch: Watch) -> Taken:
        found = self._stack.camera(camera, exposure_s, binning, watch.limit_s)
        watch.judge(camera)
        (taken,) = all_there(found, 1)
        said = taken.said.get("hardware_source", {})
        if taken.values.ndim != 2 or not math.isclose(said.get("exposure", 0.0), exposure_s, rel_tol=1e-3):
            raise HardwareFault(f"{camera}: asked for {exposure_s:g} s, {said.get('exposure')} s came")
        if said.get("binning") != binning:
            raise HardwareFault(f"{camera}: asked for binning {binning}, {said.get('binning')} came")
        return taken

    def _park(self, position_nm: tuple[float, float]) -> None:
        dx, dy = self._controls.offset_nm()
        wanted = (position_nm[0] + dx, position_nm[1] + dy)
        got = self._stack.park(wanted, self._site.field_nm)
        if not math.dist(got, wanted) <= 1e-6 * self._site.field_nm:
            raise HardwareFault(f"the probe was to be parked at {wanted} nm and is at {got} nm")

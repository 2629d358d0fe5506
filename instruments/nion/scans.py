"""Scans, parts of scans and spectrum images: refused, acquired, and looked at before they are believed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from instruments.errors import DataInvalid, HardwareFault, NotSupported
from instruments.measurement import Channel
from instruments.nion.arrays import all_there, as_asked, axis, centers
from instruments.nion.controls import Controls
from instruments.nion.microscope import Microscope, Raster
from instruments.nion.site import Site
from instruments.nion.watch import Watch
from instruments.requests import ScanImage, SpectrumImage, SubScan
from instruments.vendor import Channels, check_channels, check_limit
from physics_priors.bounds import Bounds


class Scans:
    """The scan of one stack. Raises HardwareFault where it lacks a detector of the site's map."""

    def __init__(self, stack: Microscope, site: Site, controls: Controls) -> None:
        self._stack, self._site, self._controls = stack, site, controls
        self._detectors = [name for name in stack.detectors if name in site.channels]
        missing = set(site.channels) - set(self._detectors)
        if missing or not site.channels:
            said = ", ".join(sorted(missing)) or "that the site map names"
            raise HardwareFault(f"no detector {said}; there are {', '.join(stack.detectors)}: correct the site map")

    @property
    def channels(self) -> dict[str, str]:
        """Channel -> unit of every frame."""
        return {self._site.channels[name]: "counts" for name in self._detectors}

    def check(self, frame: ScanImage, dwell: Bounds, channels: Iterable[str]) -> None:
        """Raise NotSupported or OutOfReach where Swift cannot scan a frame, or does it wrongly without a word."""
        (width, height), (rows, columns) = frame.size_nm, frame.shape
        if not math.isclose(width / columns, height / rows, rel_tol=1e-6):
            raise NotSupported("pixels are square here: choose size_nm and shape of one ratio")
        if columns > rows:
            raise NotSupported("frames wider than high are refused: images and scales of the stack disagree for them")
        check_limit("dwell_s", frame.dwell_s, dwell)
        check_channels(frame.channels, channels)

    def whole(self, request: ScanImage, watch: Watch) -> Channels:
        """Frames [rows, columns] of every channel that is wanted."""
        return self._scan(request, (0, request.shape[0]), (0, request.shape[1]), watch)

    def part(self, request: SubScan, watch: Watch) -> Channels:
        """The part of a frame, on the whole frame's axes."""
        return self._scan(request.frame, request.rows, request.columns, watch)

    def spectra(self, request: SpectrumImage, watch: Watch) -> Channels:
        """Spectra [rows, columns, energy]; only their shape, gaps and energies are looked at."""
        frame = request.frame
        whole = ((0, frame.shape[0]), (0, frame.shape[1]))
        raster = self._raster(frame, *whole, self._detectors[:1])
        found = self._stack.spectra(raster, request.exposure_s, 1)
        watch.judge("spectrum image")
        (taken,) = all_there(found, 1)
        if taken.values.shape[:2] != frame.shape or taken.values.ndim != 3:
            raise DataInvalid(f"asked for {frame.shape} spectra, {taken.values.shape} came")
        axes = tuple(centers(n, (0, frame.shape[i]), frame.shape[i], frame.size_nm[1 - i]) for i, n in enumerate("yx"))
        energies = axis("energy", "eV", taken.axes[2], taken.values.shape[2])
        return {"energy_loss": Channel(taken.values, "counts", (*axes, energies))}

    def _scan(self, frame: ScanImage, rows: tuple[int, int], columns: tuple[int, int], watch: Watch) -> Channels:
        wanted = [n for n in self._detectors if not frame.channels or self._site.channels[n] in frame.channels]
        raster = self._raster(frame, rows, columns, wanted)
        found = self._stack.scan(raster)
        watch.judge("scan")
        shape = (rows[1] - rows[0], columns[1] - columns[0])
        axes = (
            centers("y", rows, frame.shape[0], frame.size_nm[1]),
            centers("x", columns, frame.shape[1], frame.size_nm[0]),
        )
        channels = {}
        for name, taken in zip(wanted, all_there(found, len(wanted)), strict=True):
            as_asked(taken, raster, shape, name)
            channels[self._site.channels[name]] = Channel(taken.values.astype(np.float32), "counts", axes)
        return channels

    def raster_at(
        self, position_nm: tuple[float, float], pixel_nm: float, shape: tuple[int, int], dwell_s: float
    ) -> Raster:
        """All of an upright frame of every detector around a place of the sample."""
        rows, columns = (0, shape[0]), (0, shape[1])
        channels = self._indices(self._detectors)
        return Raster(self._scanned(position_nm), pixel_nm, shape, dwell_s, 0.0, channels, rows, columns)

    def _raster(self, frame: ScanImage, rows: tuple[int, int], columns: tuple[int, int], wanted: list[str]) -> Raster:
        return Raster(
            self._scanned(frame.center_nm),
            frame.size_nm[1] / frame.shape[0],
            frame.shape,
            frame.dwell_s,
            frame.rotation_rad,
            self._indices(wanted),
            rows,
            columns,
        )

    def _scanned(self, place_nm: tuple[float, float]) -> tuple[float, float]:
        (x, y), (dx, dy) = place_nm, self._controls.offset_nm()
        return x + dx, y + dy

    def _indices(self, wanted: list[str]) -> tuple[int, ...]:
        detectors = self._stack.detectors
        return tuple(detectors.index(name) for name in wanted)

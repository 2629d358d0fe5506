"""Swift's acquisition stack without its window: the only file that imports it, in Swift's own units inside.

Calls block and are ended by `abort` from another thread. What comes back is checked by whoever asked.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from nion.instrumentation import DriftTracker, HardwareSource, camera_base, scan_base
from nion.usim_device import DeviceConfiguration, InstrumentDevice
from nion.utils import Geometry, Registry
from numpy.typing import NDArray

from instruments.nion.microscope import Raster, Taken

_ENDS_S = 10.0
_MODULES = (HardwareSource, DriftTracker, camera_base, scan_base)


class Stack:
    """The registered microscope: controls, one scan, an EELS and a Ronchigram camera."""

    def __init__(self, configuration: Any, folder: tempfile.TemporaryDirectory[str]) -> None:
        self._configuration, self._folder = configuration, folder
        self._stem = Registry.get_component("stem_controller")
        self._scan = self._stem.scan_controller
        self.cameras = {"energy_loss": self._stem.eels_camera, "ronchigram": self._stem.ronchigram_camera}

    @classmethod
    def simulated(cls, sample: int = 0, generator: type[Any] | None = None) -> Stack:
        """Nion's simulator of a column; `generator` takes the place of its ScanDataGenerator."""
        if generator is not None:
            InstrumentDevice.ScanDataGenerator = generator
        folder = tempfile.TemporaryDirectory(prefix="nion-")
        HardwareSource.run()
        DriftTracker.run()
        camera_base.run(Path(folder.name))
        scan_base.run(Path(folder.name))
        configuration = DeviceConfiguration.AcquisitionContextConfiguration(
            sample_index=sample, set_configuration_location=False
        )
        configuration.run()
        return cls(configuration, folder)

    def close(self) -> None:
        """End its threads, which are no daemons: without this the process never ends."""
        for camera in self.cameras.values():
            with contextlib.suppress(Exception):  # Swift raises bare Exception where nothing plays
                camera.abort_playing()
        self._configuration.stop()
        for module in reversed(_MODULES):
            module.stop()
        HardwareSource.HardwareSourceManager().close()
        self._folder.cleanup()

    @property
    def detectors(self) -> list[str]:
        """Names of the scan's channels."""
        return [str(self._scan.get_channel_state(i).name) for i in range(self._scan.channel_count)]

    def binnings(self, camera: str) -> list[int]:
        """What a camera's binning can be."""
        return [int(value) for value in self.cameras[camera].binning_values]

    def value(self, control: str) -> float | None:
        """A control [SI]; None where there is no such."""
        known, value = self._stem.TryGetVal(control)
        return float(value) if known and value is not None else None

    def set(self, control: str, value: float) -> bool:
        """Set a control [SI]; False where there is no such. What became of it must be read back."""
        return bool(self._stem.SetVal(control, value))

    def scan(self, raster: Raster) -> list[Taken | None]:
        """A frame of every channel; a failed or aborted scan is short, or empty."""
        try:
            return [_taken(x) for x in self._scan.record_immediate(self._frame(raster))]
        finally:
            self._scan.set_enabled_channels([0])  # after a wrong channel all later scans would be empty

    def spectra(self, raster: Raster, exposure_s: float, binning: int) -> list[Taken | None]:
        """Spectra at every pixel [rows, columns, energy]; empty where it was aborted."""
        camera = self.cameras["energy_loss"]
        settings = camera.get_frame_parameters(0)
        settings.exposure_ms, settings.binning, settings.processing = 1e3 * exposure_s, binning, "sum_project"
        found = self._scan.grab_synchronized(
            scan_frame_parameters=self._frame(raster), camera=camera, camera_frame_parameters=settings
        )
        return [] if found is None else [_taken(x) for x in found[1]]

    def park(self, position_nm: tuple[float, float], field_nm: float) -> tuple[float, float]:
        """Park the probe in a square field around the scan's centre; where it says that it is [nm]."""
        context = self._scan.get_frame_parameters(0)
        context.size, context.fov_nm, context.rotation_rad = Geometry.IntSize(16, 16), field_nm, 0.0
        context.center_nm = Geometry.FloatPoint(0.0, 0.0)
        self._scan.set_current_frame_parameters(context)
        x, y = (value / field_nm + 0.5 for value in position_nm)
        self._scan.probe_position = Geometry.FloatPoint(y, x)
        at, fov = self._scan.probe_position, float(self._scan.scan_context.fov_nm or 0.0)
        return (float("nan"), float("nan")) if at is None else ((at.x - 0.5) * fov, (at.y - 0.5) * fov)

    def camera(self, name: str, exposure_s: float, binning: int, patience_s: float) -> list[Taken | None]:
        """A frame that began after this call; empty where it was aborted."""
        camera = self.cameras[name]
        settings = camera.get_frame_parameters(0)
        settings.exposure_ms, settings.binning = 1e3 * exposure_s, binning
        camera.set_current_frame_parameters(settings)
        camera.start_playing()
        try:
            return [_taken(x) for x in camera.grab_next_to_start(timeout=patience_s)[:1]]  # others are derived from it
        finally:
            camera.abort_playing(sync_timeout=_ENDS_S)  # the next start would else be taken for the end of this one

    def abort(self) -> None:
        """End whatever runs, from any thread; may come again and again, and before anything began."""
        self._scan.abort_recording()
        with contextlib.suppress(AttributeError):  # before the first spectrum image there is nothing to abort
            self._scan.grab_synchronized_abort()
        for camera in self.cameras.values():
            if camera.is_playing:
                camera.abort_playing()

    def _frame(self, raster: Raster) -> Any:
        (rows, columns), (r0, r1), (c0, c1) = raster.shape, raster.rows, raster.columns
        frame = self._scan.get_frame_parameters(0)
        frame.size = Geometry.IntSize(rows, columns)
        frame.fov_nm = raster.pixel_nm * max(rows, columns)
        frame.pixel_time_us = 1e6 * raster.dwell_s
        frame.center_nm = Geometry.FloatPoint(raster.center_nm[1], raster.center_nm[0])
        frame.rotation_rad = raster.rotation_rad
        frame.enabled_channel_indexes = list(raster.channels)
        if (r0, r1, c0, c1) != (0, rows, 0, columns):
            frame.subscan_pixel_size = Geometry.IntSize(r1 - r0, c1 - c0)
            frame.subscan_fractional_size = Geometry.FloatSize((r1 - r0) / rows, (c1 - c0) / columns)
            frame.subscan_fractional_center = Geometry.FloatPoint((r0 + r1) / 2 / rows, (c0 + c1) / 2 / columns)
        return frame


def _taken(data: Any) -> Taken | None:
    if data is None or data.data is None:
        return None
    axes = tuple((float(c.scale), float(c.offset), str(c.units)) for c in data.dimensional_calibrations)
    return Taken(np.array(data.data), axes, dict(data.metadata))


def fed(source: Callable[[Raster, Callable[[str], float | None]], NDArray[Any]]) -> type[Any]:
    """A scan-data generator for `Stack.simulated` that asks `source` for every frame [rows, columns].

    `source` gets the raster, moved to the sample by stage and beam shift, and a way to read controls.
    """

    class Fed(InstrumentDevice.ScanDataGenerator):  # type: ignore[misc]
        def generate_scan_data(self, instrument: Any, parameters: Any) -> NDArray[Any]:
            rows, columns = (int(side) for side in parameters.size)
            offset_m, center = instrument.value_manager.actual_offset_m, parameters.center_nm
            raster = Raster(
                (center.x - 1e9 * offset_m.x, center.y - 1e9 * offset_m.y),
                float(parameters.fov_nm) / rows,
                (rows, columns),
                1e-6 * parameters.pixel_time_us,
                float(parameters.rotation_rad),
                (),
                (0, rows),
                (0, columns),
            )
            return np.asarray(source(raster, instrument.GetVal), np.float32)

    return Fed

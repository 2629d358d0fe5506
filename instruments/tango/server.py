"""`python -m instruments.tango.server` is a Tango device server of ours, without a database, over a STEM twin.

Its devices have the commands and attributes of asyncroscopy's microscope, scan, EELS and data devices, as far as
public code tells them; frames and spectra lie in a Tiled server beside it. It needs PyTango and `tiled[server]`, and is
no part of asyncroscopy. Scans take their beam time, a blanked beam counts nothing, the stage is mirrored in x against
the image and clamps at 50 um without a word.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import threading
import time
from typing import Any, ClassVar

import numpy as np
import tango
from numpy.typing import NDArray
from tango import AttrWriteType, DevFloat, DevState, DevVarFloatArray, DevVarStringArray
from tango.server import Device, attribute, command
from tango.test_context import MultiDeviceTestContext

from instruments.embedded import Embedded
from instruments.requests import PointSpectrum, Request, ScanImage, SetAberrations

_NM = 1e9
_STAGE_M = 5e-5
_MOST = np.iinfo(np.uint16).max


class World:
    """One twin, and what the devices were set to; lengths in m as the devices count them."""

    def __init__(self, core: Any, seed: int, store: dict[str, Any]) -> None:
        self.twin, self.store = Embedded(core), store
        self.twin.reset(seed, {})
        known = self.twin.describe()
        self.tunable = "SetAberrations" in known.requests
        self.blanked, self.fov_m, self.shift_m, self.defocus_m = False, 8e-9, [0.0, 0.0], 0.0
        self.stage, self.parked = [0.0] * 5, (0.5, 0.5)
        self.side, self.dwell_s, self.region = 64, 1e-6, [0.0, 0.0, 1.0, 1.0]
        self.exposure_s, self.frames = 0.1, 1
        self.losses_eV = core.spectrometer.loss_eV
        self._numbers, self._never = itertools.count(), threading.Event()

    def focus(self, defocus_m: float) -> None:
        """Overfocus is negative here, as it may be somewhere."""
        self.acquired(SetAberrations(("C1",), ((-_NM * defocus_m, 0.0),), relative=False))
        self.defocus_m = defocus_m

    def scanned(self) -> NDArray[Any]:
        """Counts of a frame; it takes its beam time."""
        time.sleep(self.dwell_s * self.side * self.side)
        if self.blanked:
            return np.zeros((self.side, self.side), np.uint16)
        width_nm, shape = _NM * self.fov_m, (self.side, self.side)
        frame = ScanImage(self._centre_nm(), (width_nm, width_nm), shape, self.dwell_s)
        counts = self.acquired(frame).channels["dark_field"].values
        return np.asarray(np.clip(np.round(counts), 0, _MOST), np.uint16)

    def spectrum(self) -> NDArray[Any]:
        """Counts of the parked probe."""
        time.sleep(self.exposure_s)
        if self.blanked:
            return np.zeros(len(self.losses_eV), np.float32)
        (x, y), width_nm = self._centre_nm(), _NM * self.fov_m
        place = (x + (self.parked[0] - 0.5) * width_nm, y + (self.parked[1] - 0.5) * width_nm)
        found = self.acquired(PointSpectrum(place, self.exposure_s)).channels["energy_loss"].values
        return np.asarray(found, np.float32)

    def kept(self, name: str, tree: Any) -> str:
        """The key under which the Tiled server has it."""
        key = f"{name}_{next(self._numbers):06d}.h5"
        self.store[key] = tree
        return key

    def acquired(self, request: Request) -> Any:
        """What the twin measures."""
        return self.twin.acquire(request, id=f"asked-{next(self._numbers)}", stop=self._never)

    def _centre_nm(self) -> tuple[float, float]:
        """Of the scan, in the sample: the stage moves the sample to -x and +y of the image."""
        (sx, sy), (x, y) = self.shift_m, self.stage[:2]
        return (_NM * (sx + x), _NM * (sy - y))


class Microscope(Device):  # type: ignore[misc]
    """The microscope's commands."""

    world: ClassVar[World]

    stem_mode = attribute(dtype=bool, access=AttrWriteType.READ)
    beam_state = attribute(dtype=bool, access=AttrWriteType.READ, doc="True when blanked")
    beam_pos = attribute(dtype=(float,), max_dim_x=2, access=AttrWriteType.READ, unit="fractional")

    def init_device(self) -> None:
        Device.init_device(self)
        self.set_state(DevState.ON)

    def read_stem_mode(self) -> bool:
        return True

    def read_beam_state(self) -> bool:
        return self.world.blanked

    def read_beam_pos(self) -> list[float]:
        return list(self.world.parked)

    @command(dtype_in=DevVarStringArray, dtype_out=str)  # type: ignore[untyped-decorator]
    def acquire_scanned_image(self, detectors: list[str]) -> str:
        """A frame by each detector, which there is one of; its key."""
        from tiled.adapters.array import ArrayAdapter
        from tiled.adapters.mapping import MapAdapter

        names = [name.upper() for name in detectors]
        if names != ["HAADF"]:
            tango.Except.throw_exception("UnknownDetector", f"no {names}: there is HAADF", "acquire_scanned_image()")
        image = MapAdapter({"HAADF": ArrayAdapter.from_array(self.world.scanned())})
        return self.world.kept("stem_image_HAADF", MapAdapter({"image": image}))

    @command(dtype_in=DevVarFloatArray)  # type: ignore[untyped-decorator]
    def place_beam(self, position: Any) -> None:
        """Fractions of the scan, clamped without a word."""
        x, y = (min(max(float(value), 0.0), 1.0) for value in position)
        self.world.parked = (x, y)

    @command()  # type: ignore[untyped-decorator]
    def blank_beam(self) -> None:
        """Blank."""
        self.world.blanked = True

    @command()  # type: ignore[untyped-decorator]
    def unblank_beam(self) -> None:
        """Unblank."""
        self.world.blanked = False

    @command(dtype_in=DevFloat)  # type: ignore[untyped-decorator]
    def set_defocus(self, value: float) -> None:
        """In m."""
        if not self.world.tunable:
            tango.Except.throw_exception("UnsupportedCommand", "this twin has no lenses", "set_defocus()")
        self.world.focus(value)

    @command(dtype_out=DevFloat)  # type: ignore[untyped-decorator]
    def get_defocus(self) -> float:
        """In m."""
        return self.world.defocus_m

    @command(dtype_in=DevFloat)  # type: ignore[untyped-decorator]
    def set_fov(self, value: float) -> None:
        """In m, clamped at 1 um without a word."""
        self.world.fov_m = min(value, 1e-6)

    @command(dtype_out=DevFloat)  # type: ignore[untyped-decorator]
    def get_fov(self) -> float:
        """In m."""
        return self.world.fov_m

    @command(dtype_in=DevVarFloatArray)  # type: ignore[untyped-decorator]
    def set_image_shift(self, shift: Any) -> None:
        """In m."""
        self.world.shift_m = [float(value) for value in shift]

    @command(dtype_out=DevVarFloatArray)  # type: ignore[untyped-decorator]
    def get_image_shift(self) -> list[float]:
        """In m."""
        return self.world.shift_m

    @command(dtype_in=DevVarFloatArray)  # type: ignore[untyped-decorator]
    def move_stage(self, position: Any) -> None:
        """To x, y, z [m], two tilts [degrees]; NaN stays."""
        for k, value in enumerate(position):
            if not math.isnan(value):
                limit = _STAGE_M if k < 3 else 30.0
                self.world.stage[k] = float(min(max(value, -limit), limit))

    @command(dtype_out=DevVarFloatArray)  # type: ignore[untyped-decorator]
    def get_stage(self) -> list[float]:
        """As `move_stage` takes it."""
        return self.world.stage


class Scan(Device):  # type: ignore[misc]
    """The scan's settings."""

    world: ClassVar[World]

    dwell_time = attribute(dtype=float, access=AttrWriteType.READ_WRITE, unit="s", min_value=1e-9, max_value=10)
    imsize = attribute(dtype=int, access=AttrWriteType.READ_WRITE, unit="px")
    scan_region = attribute(dtype=(float,), max_dim_x=4, access=AttrWriteType.READ_WRITE, min_value=0.0, max_value=1.0)

    def read_dwell_time(self) -> float:
        return self.world.dwell_s

    def write_dwell_time(self, value: float) -> None:
        self.world.dwell_s = value

    def read_imsize(self) -> int:
        return self.world.side

    def write_imsize(self, value: int) -> None:
        self.world.side = value

    def read_scan_region(self) -> list[float]:
        return self.world.region

    def write_scan_region(self, value: Any) -> None:
        self.world.region = [float(edge) for edge in value]


class Eels(Device):  # type: ignore[misc]
    """The spectrometer."""

    world: ClassVar[World]

    exposure_time = attribute(dtype=float, access=AttrWriteType.READ_WRITE, unit="s", min_value=1e-6, max_value=5)
    number_of_frames = attribute(dtype=int, access=AttrWriteType.READ_WRITE, min_value=1, max_value=5)
    offset = attribute(dtype=float, access=AttrWriteType.READ, unit="eV")

    def read_exposure_time(self) -> float:
        return self.world.exposure_s

    def write_exposure_time(self, value: float) -> None:
        self.world.exposure_s = value

    def read_number_of_frames(self) -> int:
        return self.world.frames

    def write_number_of_frames(self, value: int) -> None:
        self.world.frames = value

    def read_offset(self) -> float:
        return float(self.world.losses_eV[0])

    @command(dtype_out=DevVarFloatArray)  # type: ignore[untyped-decorator]
    def get_eels_dispersion(self) -> list[float]:
        """Index and eV per channel."""
        return [0.0, float(self.world.losses_eV[1] - self.world.losses_eV[0])]

    @command(dtype_out=str)  # type: ignore[untyped-decorator]
    def acquire_eels_spectrum(self) -> str:
        """A spectrum of the parked probe; its key."""
        from tiled.adapters.array import ArrayAdapter
        from tiled.adapters.mapping import MapAdapter

        return self.world.kept(
            "spectrum_eels", MapAdapter({"spectrum": ArrayAdapter.from_array(self.world.spectrum())})
        )


class Data(Device):  # type: ignore[misc]
    """Where the Tiled server is."""

    uri: ClassVar[str] = ""

    @command(dtype_out=str)  # type: ignore[untyped-decorator]
    def get_config(self) -> str:
        """As JSON."""
        return json.dumps({"uri": self.uri})


def main(arguments: list[str] | None = None) -> int:
    """Serve on loopback until standard input is closed; the devices' addresses are printed as a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m instruments.tango.server", description=__doc__)
    parser.add_argument("--sample", choices=("bench", "oxide"), default="bench")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    store: dict[str, Any] = {}
    tiled = _Tiled(store)
    Data.uri = tiled.uri
    Microscope.world = Scan.world = Eels.world = World(_core(options.sample), options.seed, store)
    names = {"microscope": Microscope, "scan": Scan, "eels": Eels, "data": Data}
    devices = [{"class": cls, "devices": [{"name": f"probewright/{name}/twin"}]} for name, cls in names.items()]
    with MultiDeviceTestContext(devices, host="127.0.0.1", process=False) as context:
        print(json.dumps({name: context.get_device_access(f"probewright/{name}/twin") for name in names}), flush=True)
        sys.stdin.read()  # Tango keeps signals for itself
    tiled.close()
    return 0


class _Tiled:
    """A Tiled server on loopback over what is in a mapping."""

    def __init__(self, store: dict[str, Any]) -> None:
        import socket

        import uvicorn
        from tiled.adapters.mapping import MapAdapter
        from tiled.config import Authentication
        from tiled.server.app import build_app

        self._socket = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = build_app(MapAdapter(store), Authentication(allow_anonymous_access=True))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10.0)
        self._socket.close()


def _core(sample: str) -> Any:
    if sample == "oxide":
        from instruments.twins.stem.still import StillSample

        return StillSample(drift_nm_s=0.0)
    from instruments.twins.stem.optical_bench import OpticalBench

    return OpticalBench()


if __name__ == "__main__":
    sys.exit(main())

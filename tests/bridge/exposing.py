"""A driver such as a site would write, over the trivial twin as its hardware: no twin to anybody, slow, and it hangs.

Every exposure that begins is written to the file that EXPOSED names, so that none can happen unseen.
"""

import dataclasses
import os
import threading
from pathlib import Path

from instruments.capabilities import Capabilities
from instruments.cost import Cost
from instruments.embedded import Embedded
from instruments.measurement import Measurement
from instruments.requests import PointSpectrum, Request
from instruments.seam import Stop
from instruments.twins.flat import Flat


class Exposing:
    """Spectra, as slow as `pace` says; an exposure of 7 s hangs until `release` is set, whatever it is told."""

    def __init__(self, pace: float = 0.0, exposed: Path | None = None) -> None:
        self.exposed: list[str] = []
        self.made_safe = threading.Event()
        self.release = threading.Event()
        self._hardware = Embedded(Flat(noise=0.01), pace=pace)
        self._file = exposed

    def describe(self) -> Capabilities:
        return dataclasses.replace(self._hardware.describe(), name="exposing", episodes=False, simulated=False)

    def price(self, request: Request) -> Cost:
        return self._hardware.price(request)

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        self.exposed.append(id)
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(id + "\n")
        if isinstance(request, PointSpectrum) and request.exposure_s == 7.0:
            self.release.wait()
        return self._hardware.acquire(request, id=id, stop=stop)

    def lookup(self, id: str) -> Measurement | None:
        return self._hardware.lookup(id)

    def make_safe(self) -> None:
        self._hardware.make_safe()
        self.made_safe.set()

    def close(self) -> None:
        self._hardware.close()


def make() -> Exposing:
    """For a server in another process."""
    return Exposing(float(os.environ.get("PACE", "0.2")), Path(os.environ["EXPOSED"]))

"""Perception: questions about the sample that no single measurement answers, between instrument and task.

A task asks `AtomPositions` and does not know who answers: a twin's own detector at the price of the frame, or, on
every microscope that takes images, a finder that reads one. So one task has three sources: a twin, a recording with a
finder, an instrument with a finder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Capabilities
from instruments.cost import Cost
from instruments.errors import NotSupported
from instruments.measurement import Axis, Channel, Measurement
from instruments.requests import AtomPositions, Request
from instruments.seam import Instrument, Stop, Twin

_IMAGE = ".image"


@dataclass(frozen=True)
class Atoms:
    """What a finder saw: positions [n, 2] nm in the sample frame, intensities [n], atomic numbers [n], NaN unknown."""

    positions_nm: NDArray[np.float64]
    intensity: NDArray[np.float64]
    species: NDArray[np.float64]


class Finder(Protocol):
    """Finds atoms in a measured image."""

    name: str

    @property
    def unit(self) -> str:
        """Of its intensities: "counts/s" of a beam parked on the atom, or "" for any scale."""
        ...

    def find(self, image: Measurement) -> Atoms:
        """The atoms of one image; raises DataInvalid where it cannot be read."""
        ...


class Perceiving:
    """An instrument that also answers `AtomPositions`: it takes the frame and has a finder look at it.

    Everything else goes to `instrument` as it is. The image is part of the answer, so that a journal holds what the
    atoms were found in; an id is carried out once, also after a restart.
    """

    def __init__(self, instrument: Instrument, finder: Finder) -> None:
        self.instrument, self._finder = instrument, finder

    def describe(self) -> Capabilities:
        """Raises NotSupported where the instrument takes no images."""
        inner = self.instrument.describe()
        if "ScanImage" not in inner.requests:
            raise NotSupported(f"{inner.name} takes no ScanImage, so no finder can see atoms in one")
        channels = {"position": "nm", "intensity": self._finder.unit, "species": ""} | dict(inner.channels["ScanImage"])
        return dataclasses.replace(
            inner,
            requests=inner.requests | {"AtomPositions"},
            channels={**inner.channels, "AtomPositions": channels},
        )

    def price(self, request: Request) -> Cost:
        return self.instrument.price(request.frame if isinstance(request, AtomPositions) else request)

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        if not isinstance(request, AtomPositions):
            return self.instrument.acquire(request, id=id, stop=stop)
        return self._answer(self.instrument.acquire(request.frame, id=id + _IMAGE, stop=stop), request, id)

    def lookup(self, id: str) -> Measurement | None:
        image = self.instrument.lookup(id + _IMAGE)
        if image is None:
            return self.instrument.lookup(id)
        frame: Any = image.request
        return self._answer(image, AtomPositions(frame), id)

    def make_safe(self) -> None:
        self.instrument.make_safe()

    def close(self) -> None:
        self.instrument.close()

    def _answer(self, image: Measurement, request: AtomPositions, id: str) -> Measurement:
        atoms = self._finder.find(image)
        number = Axis("atom", "", np.arange(len(atoms.positions_nm), dtype=float))
        channels = {
            "position": Channel(atoms.positions_nm, "nm", (number, Axis("coordinate", "", np.arange(2.0)))),
            "intensity": Channel(atoms.intensity, self._finder.unit, (number,)),
            "species": Channel(atoms.species, "", (number,)),
        }
        note = f"{image.note}; {self._finder.name}" if image.note else self._finder.name
        return dataclasses.replace(image, id=id, request=request, channels={**image.channels, **channels}, note=note)


class PerceivingTwin(Perceiving):
    """As `Perceiving`, over a twin."""

    instrument: Twin

    def reset(self, seed: int, scenario: Mapping[str, Any]) -> None:
        self.instrument.reset(seed, scenario)

    def snapshot(self) -> Mapping[str, Any]:
        return self.instrument.snapshot()

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        self.instrument.restore(snapshot)

    def truth(self) -> Mapping[str, Any]:
        return self.instrument.truth()


def perceiving(instrument: Instrument, finder: Finder) -> Perceiving:
    """The instrument with a finder's eyes; a twin stays a twin. Nothing is asked of it before it is described."""
    return (PerceivingTwin if isinstance(instrument, Twin) else Perceiving)(instrument, finder)

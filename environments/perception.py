"""Perception: questions about the sample that no single measurement answers, between instrument and task.

A task asks `AtomPositions` of a `Perceive` and does not know who answers: a finder that reads an image, which exists
on every microscope, or a twin's ideal detector with stated noise. So one task has three sources: twin, recording with
a finder, instrument with a finder.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Annotated, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.cost import Cost
from instruments.errors import NotSupported
from instruments.keys import Keys
from instruments.measurement import Measurement
from instruments.requests import ScanImage
from instruments.seam import Instrument
from physics_priors.bounds import Bounds


@dataclass(frozen=True)
class AtomPositions:
    """Where are the atoms inside this frame? `frame` is also the image that a finder would read."""

    frame: ScanImage


@dataclass(frozen=True)
class Atoms:
    """The answer: positions_nm [n, 2] in the sample frame, who gave it, its stated noise, and what it cost.

    noise_nm is the standard deviation of each coordinate, None where the source does not know it.
    """

    positions_nm: NDArray[np.float64]
    source: str
    noise_nm: float | None
    cost: Cost


class Finder(Protocol):
    """Finds atoms in a measured image."""

    name: str

    def find(self, image: Measurement) -> NDArray[np.float64]:
        """Positions [n, 2] nm in the sample frame."""
        ...


@runtime_checkable
class Ideal(Protocol):
    """A twin of which an ideal detector may be asked; `instruments.embedded.Embedded` is one."""

    def ideal(self, detector: str) -> NDArray[np.float64]:
        """What the twin's detector of that name sees now; NotSupported where it has none."""
        ...


@dataclass(frozen=True)
class TwinDetector:
    """An ideal detector: the twin's own `atoms_nm` inside the frame, with normal noise on each coordinate.

    It costs nothing, because it stands for perception and not for imaging, and the same key gives the same noise.
    """

    noise_nm: Annotated[float, Bounds("nm", 0.0)]

    def answer(self, twin: Ideal, asked: AtomPositions, key: Keys) -> Atoms:
        """The atoms of the present world, with the noise of `key` [1]."""
        atoms = twin.ideal("atoms_nm").reshape(-1, 2)
        noise = random.normal(key, atoms.size).reshape(-1, 2) * self.noise_nm
        inside = _inside(asked.frame, atoms)
        return Atoms(atoms[inside] + noise[inside], "ideal detector", self.noise_nm, Cost())


class Perceive:
    """Answers questions about the sample: from an image by a finder, or from a twin by an ideal detector."""

    def __init__(self, instrument: Instrument, finder: Finder | TwinDetector | None) -> None:
        name = instrument.describe().name
        if finder is None:
            raise NotSupported(f"nothing finds atoms in images of {name}: give a finder, or a TwinDetector on a twin")
        if isinstance(finder, TwinDetector) and not isinstance(instrument, Ideal):
            raise NotSupported(f"{name} is no twin: its atoms must be found in an image, give a finder")
        self._instrument, self._finder = instrument, finder

    def atoms(self, asked: AtomPositions, *, id: str, key: Keys) -> Atoms:
        """The atoms; a finder takes one image under `id`, an ideal detector takes its noise from `key` [1]."""
        if isinstance(self._finder, TwinDetector):
            return self._finder.answer(cast(Ideal, self._instrument), asked, key)
        image = self._instrument.acquire(asked.frame, id=id, stop=threading.Event())
        return Atoms(self._finder.find(image), self._finder.name, None, image.cost)


def _inside(frame: ScanImage, places_nm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places [n, 2] lie in the frame, its rotation included."""
    cos, sin = np.cos(frame.rotation_rad), np.sin(frame.rotation_rad)
    offset = (places_nm - np.array(frame.center_nm)) @ np.array([[cos, -sin], [sin, cos]])
    return np.asarray((np.abs(offset) <= np.array(frame.size_nm) / 2).all(-1))

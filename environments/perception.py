"""Perception: questions about the sample that no single measurement answers, between instrument and task.

A task asks `AtomPositions` of a `Perceive` and does not know who answers: a finder that reads an image, which exists
on every microscope, or a twin's ideal detector with stated noise. So one task has three sources: twin, recording with
a finder, instrument with a finder.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.cost import Cost
from instruments.errors import NotSupported
from instruments.keys import Keys
from instruments.measurement import Measurement
from instruments.requests import ScanImage
from instruments.seam import Instrument


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
class SeesAtoms(Protocol):
    """An instrument of which atoms can be asked directly: a twin."""

    def atoms_nm(self) -> NDArray[np.float64]:
        """Where its atoms now are, [n, 2] nm in the sample frame; the ideal detector's input."""
        ...


@dataclass(frozen=True)
class TwinDetector:
    """An ideal detector: a twin's own atoms inside the frame, with normal noise of `noise_nm` on each coordinate.

    Each answer wants its own key [1] (`keys.fold(root, number)`): the same key gives the same noise.
    """

    twin: SeesAtoms
    noise_nm: float

    def answer(self, asked: AtomPositions, key: Keys) -> Atoms:
        """Costs nothing: it stands for perception, not for imaging."""
        atoms = np.asarray(self.twin.atoms_nm(), dtype=np.float64).reshape(-1, 2)
        noise = random.normal(key, atoms.size).reshape(-1, 2) * self.noise_nm
        inside = _inside(asked.frame, atoms)
        return Atoms(atoms[inside] + noise[inside], "ideal detector", self.noise_nm, Cost())


class Perceive:
    """Answers questions about the sample from an instrument's images, or from a twin where no finder is given."""

    def __init__(self, instrument: Instrument, finder: Finder | TwinDetector | None = None) -> None:
        if finder is None and not isinstance(instrument, SeesAtoms):
            raise NotSupported(
                f"{instrument.describe().name} cannot say where its atoms are and no finder was given: "
                "pass a finder that reads them from an image"
            )
        self._instrument = instrument
        self._finder = finder

    def atoms(self, asked: AtomPositions, *, id: str, key: Keys) -> Atoms:
        """The atoms; with a finder, one image is taken under `id`, else `key` gives the detector's noise."""
        if isinstance(self._finder, TwinDetector):
            return self._finder.answer(asked, key)
        if self._finder is None:
            assert isinstance(self._instrument, SeesAtoms)
            return TwinDetector(self._instrument, 0.0).answer(asked, key)
        image = self._instrument.acquire(asked.frame, id=id, stop=threading.Event())
        return Atoms(self._finder.find(image), self._finder.name, None, image.cost)


def _inside(frame: ScanImage, places_nm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places [n, 2] lie in the frame, its rotation included."""
    cos, sin = np.cos(frame.rotation_rad), np.sin(frame.rotation_rad)
    offset = (places_nm - np.array(frame.center_nm)) @ np.array([[cos, -sin], [sin, cos]])
    return np.asarray((np.abs(offset) <= np.array(frame.size_nm) / 2).all(-1))

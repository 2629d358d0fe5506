"""What a dark-field detector says of the metal atoms in a frame: places, brightness, and who they seem to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.keys import Keys
from instruments.requests import ScanImage

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Detector:
    """Brightness of the two species, its spread from column to column, and how many electrons one atom is seen by."""

    dim: float
    bright: float
    spread: float
    collected: float
    """Fraction of the electrons that fall on an atom's cell which the detector collects from the dim species."""
    jitter_nm: float

    def deviation(self, electrons_per_atom: float) -> Floats:
        """Standard deviation [2] of the brightness of (dim, bright): counting and spread."""
        counted = max(self.collected * electrons_per_atom, 1e-9)
        mean = np.array([self.dim, self.bright])
        return np.asarray(np.sqrt(mean / counted + np.square(self.spread * mean)))

    def threshold(self, electrons_per_atom: float) -> float:
        """Where the two species are told apart: as many deviations from one as from the other."""
        low, high = self.deviation(electrons_per_atom)
        return float((self.dim * high + self.bright * low) / (low + high))

    def wrong(self, electrons_per_atom: float) -> float:
        """Probability of a wrong label, the same for both species."""
        from scipy.special import ndtr

        low, high = self.deviation(electrons_per_atom)
        return float(ndtr(-(self.bright - self.dim) / (low + high)))


def inside(places_nm: Floats, frame: ScanImage) -> NDArray[np.bool_]:
    """Which places [n, 2] lie in a frame."""
    away = places_nm - np.array(frame.center_nm)
    c, s = np.cos(frame.rotation_rad), np.sin(frame.rotation_rad)
    along = away @ np.array([[c, -s], [s, c]])
    return np.asarray((np.abs(along) <= np.array(frame.size_nm) / 2).all(1))


def most_atoms(frame: ScanImage, spacing_nm: float) -> int:
    """No frame of this size holds more metal atoms: its area and a margin of a cell all around."""
    width, height = frame.size_nm
    return int(np.ceil((width + 2 * spacing_nm) * (height + 2 * spacing_nm) / (spacing_nm**2 * np.sqrt(0.75))))


def seen(
    spins: NDArray[np.int8], places_nm: Floats, frame: ScanImage, key: Keys, detector: Detector,
    electrons_per_atom: float, rows: int, numbers: tuple[float, float],
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """position [rows, 2] nm, intensity [rows] and species [rows] of the atoms in a frame, padded with NaN.

    spins and places are those of all atoms near; `key` holds one key; `numbers` are the atomic numbers (dim, bright).
    """
    kept = np.flatnonzero(inside(places_nm, frame))[:rows]
    noise = random.normal(key, 3 * len(kept)).reshape(3, -1)
    heavy = spins[kept] > 0
    mean = np.where(heavy, detector.bright, detector.dim)
    low, high = detector.deviation(electrons_per_atom)
    bright = mean + np.where(heavy, high, low) * noise[0]
    position, intensity, species = np.full((rows, 2), np.nan), np.full(rows, np.nan), np.full(rows, np.nan)
    position[: len(kept)] = places_nm[kept] + detector.jitter_nm * noise[1:].T
    intensity[: len(kept)] = bright
    species[: len(kept)] = np.where(bright > detector.threshold(electrons_per_atom), numbers[1], numbers[0])
    return position, intensity, species

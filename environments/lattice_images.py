"""From an answer to `AtomPositions` to a histogram of local configurations: what tasks on lattices measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from instruments.batch import ResultBatch
from instruments.capabilities import Field
from instruments.requests import ScanImage
from physics_priors.bounds import POSITIVE_S, Bounds
from physics_priors.ising.alloy import warren_cowley
from physics_priors.ising.atom_map import atom_map
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.histograms import by_likes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """How an image is taken and read; a field is cut into `patches` (rows, columns) that do not overlap.

    An atom is of the upper kind where its atomic number is above `heavier_than`, or, where nobody says one, where its
    intensity is above `brighter_than`.
    """

    patches: tuple[Annotated[int, Bounds("", 1, 16)], Annotated[int, Bounds("", 1, 16)]] = (2, 2)
    pixels: tuple[Annotated[int, Bounds("pixels", 4, 4096)], Annotated[int, Bounds("pixels", 4, 4096)]] = (128, 128)
    dwell_s: Annotated[float, POSITIVE_S] = 4e-6
    kind: Literal["triangular", "square"] = "triangular"
    shells: Annotated[int, Bounds("", 1, 3)] = 2
    heavier_than: Annotated[float, Bounds("")] = 58.0
    brighter_than: Annotated[float, Bounds("")] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "patches", tuple(self.patches))
        object.__setattr__(self, "pixels", tuple(self.pixels))
        if self.kind not in ("triangular", "square"):
            raise ValueError(f"kind {self.kind!r}: choose triangular or square")

    @property
    def bins(self) -> tuple[int, ...]:
        """Shape of the histogram: own state, and neighbours up in each shell."""
        return (2, *[7 if self.kind == "triangular" else 5] * self.shells)

    def frames(self, field: Field) -> list[ScanImage]:
        """The frame of every patch, row by row."""
        (rows, columns), (width, height) = self.patches, field.size_nm
        size = (0.98 * width / columns, 0.98 * height / rows)
        x = field.center_nm[0] + width * ((np.arange(columns) + 0.5) / columns - 0.5)
        y = field.center_nm[1] + height * ((np.arange(rows) + 0.5) / rows - 0.5)
        return [ScanImage((float(a), float(b)), size, self.pixels, self.dwell_s) for b in y for a in x]

    def read(self, result: ResultBatch, row: int) -> tuple[Floats, float]:
        """Histogram [bins], flat, and nearest-neighbour order of one row; zeros and NaN where it cannot be read."""
        nothing = np.zeros(int(np.prod(self.bins))), float("nan")
        if "position" not in result.values or not bool(result.done[row]):
            return nothing
        try:
            found = atom_map(
                result.values["position"][row],
                self._intensity(result, row),
                self.kind,
                labels=self._labels(result, row),
            )
            counts = by_likes(found.lattice, found.image.spins[None], self.shells)[0]
        except LatticeError:
            return nothing
        return counts.ravel().astype(np.float64), float(warren_cowley(found.lattice, found.image.spins))

    def _labels(self, result: ResultBatch, row: int) -> Floats:
        nobody = np.full_like(result.values["position"][..., 0], np.nan)
        species = np.asarray(result.values.get("species", nobody), np.float64)[row]
        bright = self._intensity(result, row)
        by_number, by_light = np.sign(species - self.heavier_than), np.sign(bright - self.brighter_than)
        labels = np.where(np.isfinite(species), by_number, by_light)
        return np.asarray(np.where(labels == 0, np.nan, labels), np.float64)

    def _intensity(self, result: ResultBatch, row: int) -> Floats:
        place = result.values["position"][..., 0]
        found = np.asarray(result.values.get("intensity", np.full_like(place, np.nan)), np.float64)
        return np.asarray(found[row], np.float64)

"""Images of atoms by an incoherent detector: places of the beam in, expected fraction of scattered electrons out.

A pure chain: canvas, spectrum of the atoms, transfer of the probe, spline, values at the places. Each step can be kept
and used again: the spectrum while no atom moves, the transfer while no lens does (`Scene`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instruments.twins.stem.canvas import Canvas, canvas_over, margin_nm, painted, response, spline
from instruments.twins.stem.scan import Raster
from physics_priors.contrast import MEDIUM_ANGLE, cross_section_nm2
from physics_priors.optics.probe import Column

Floats = NDArray[np.float64]
CARBON_NM2 = 5e-5
"""Default cross-section of carbon for the dark-field detector, 5e-3 square angstrom at 60 kV; a tunable."""


@dataclass(frozen=True)
class Scene:
    """A canvas with the image on it as spline coefficients [rows, columns], ready to be read anywhere."""

    canvas: Canvas
    coefficients: Floats

    def along(self, lines: Raster) -> Floats:
        """Expected scattered fraction [R, C] of the beam's electrons along the lines of a raster."""
        from instruments.twins.stem.kernels import read_rows

        scale = self.canvas.shape[1] / self.canvas.extent_nm[0]
        out = np.empty((len(lines.starts_nm), len(lines.along_nm)))
        read_rows(self.coefficients, self.canvas.pixels(lines.starts_nm), lines.along_nm * scale, out)
        return out

    def at(self, places_nm: Floats) -> Floats:
        """The same at any places [n, 2] of the sample frame; the canvas must not be turned."""
        from instruments.twins.stem.kernels import read_places

        if self.canvas.turn_rad:
            raise ValueError("a turned scene is read along its own lines only")
        out = np.empty(len(places_nm))
        read_places(self.coefficients, self.canvas.pixels(np.asarray(places_nm, dtype=np.float64)), out)
        return out


def scattering_nm2(species: NDArray[np.int64], carbon_nm2: float = CARBON_NM2, gamma: float = MEDIUM_ANGLE) -> Floats:
    """Strength of atoms for `scene`: their cross-section for scattering onto the detector, 0 for an empty site."""
    return cross_section_nm2(species, carbon_nm2, gamma)


def scene(
    canvas: Canvas,
    positions_nm: Floats,
    strength_nm2: Floats,
    thermal_nm: Floats,
    column: Column,
    aberrations_nm: ArrayLike,
    period_nm: tuple[float, float] | None = None,
) -> Scene:
    """The image of atoms at (x, y) [N, 2] in the sample frame, with strengths [N] and thermal displacements [N]."""
    spectrum = painted(canvas, positions_nm, strength_nm2, thermal_nm, period_nm)
    return Scene(canvas, spline(canvas, spectrum, response(canvas, column, aberrations_nm)))


def canvas_for(lines: Raster, column: Column, aberrations_nm: ArrayLike) -> Canvas:
    """A canvas that holds a raster and all atoms that reach into it."""
    low, high = lines.box()
    return canvas_over(column, low, high, margin_nm(column, aberrations_nm), lines.turn_rad)


def tiled(
    positions_nm: Floats, extent_nm: tuple[float, float], low_nm: Floats, high_nm: Floats
) -> tuple[Floats, NDArray[np.int64]]:
    """All images of a periodic sample's atoms in a box of the sample frame: positions [M, 2] and whose they are [M]."""
    box = np.array(extent_nm)
    first = np.floor((low_nm - positions_nm.min(axis=0)) / box - 1).astype(int)
    last = np.ceil((high_nm - positions_nm.min(axis=0)) / box).astype(int)
    shifts = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(first, last, strict=True))), -1).reshape(-1, 2)
    everywhere = positions_nm[None] + (shifts * box)[:, None]
    kept = np.all((everywhere >= low_nm) & (everywhere <= high_nm), axis=2)
    whose = np.broadcast_to(np.arange(len(positions_nm)), kept.shape)
    return everywhere[kept], np.asarray(whose[kept])

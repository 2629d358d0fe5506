"""What the event kernels look up: the probe, the image of the perfect sheet and of one atom, the sheet, the law."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from instruments.twins.stem import sulphur_tables
from instruments.twins.stem.canvas import canvas_of_period, canvas_over
from instruments.twins.stem.event_tuples import BLOCK, CARBON, CLOSE_NM, PADDED, REACH_NM
from instruments.twins.stem.render import scattering_nm2, scene
from instruments.twins.stem.samples.sites import Sites
from physics_priors.beam.flux import FWHM_PER_SD
from physics_priors.contrast import HEAVIEST
from physics_priors.electron import ELECTRONS_PER_PA_S
from physics_priors.hops.laws import GAUSSIANS, TABLE, Compiled
from physics_priors.optics.probe import Column, transfer
from physics_priors.optics.pupil import frequencies

Floats = NDArray[np.float64]
Block = tuple[Floats, NDArray[np.int32], NDArray[np.int64]]
STEP_NM: Final = 0.02
"""Of the tables of the probe and of images, which cubic splines read: a probe of 0.11 nm to 1e-3 of its peak."""
_REACH_NM, _GRID = 1.1, 256


@dataclass(frozen=True)
class Tails:
    """A part of the current in a second Gaussian, which no prior knows of."""

    fraction: float
    fwhm_nm: float

    def over(self, response: NDArray[np.complex128], kx: Floats, ky: Floats) -> NDArray[np.complex128]:
        """The transfer function of the probe with its tails."""
        sd = self.fwhm_nm / FWHM_PER_SD
        tails = np.exp(-2.0 * np.pi**2 * sd**2 * (np.square(kx) + np.square(ky)))
        return np.asarray((1.0 - self.fraction) * response + self.fraction * tails)


@dataclass(frozen=True)
class Optics:
    """The tuple for kernels, and numbers of it: peak densities [1/nm^2] of the probe and of an atom's image."""

    kernel: tuple[Any, ...]
    probe_peak: float
    image_peak: float


def optics(
    sites: Sites, column: Column, aberrations_nm: NDArray[np.complex128], tails: Tails, carbon_nm2: float
) -> Optics:
    """Tables for one set of lenses [14]."""
    thermal = float(np.median(sites.thermal_nm))
    probe = _density(column, aberrations_nm, tails, 0.0)
    atom = _density(column, aberrations_nm, tails, thermal)
    strength = scattering_nm2(np.arange(HEAVIEST + 1), carbon_nm2)
    strength[0] = 0.0
    image, steps = _sheet(sites, column, aberrations_nm, carbon_nm2)
    lattice = _tailed(image, steps, sites, tails, strength)
    kernel = (_coefficients(probe, "mirror"), STEP_NM, lattice, steps, _coefficients(atom, "mirror"), strength)
    return Optics(kernel, float(probe.max()), float(atom.max()))


def shared_tables(sites: Sites) -> tuple[Any, ...]:
    """The sheet for kernels."""
    box = np.array([*sites.extent_nm, float(sites.periodic), ELECTRONS_PER_PA_S])
    xy = np.ascontiguousarray(sites.positions_nm[:, :2])
    home = np.zeros((2, len(sites)), dtype=np.int32)
    home[0] = sites.species
    for block in range(0, len(sites), BLOCK):
        home[1, block // BLOCK] = np.any(sites.species[block : block + BLOCK] != CARBON)
    return xy, sites.neighbours.astype(np.int32), home, box, *_listed(sites, REACH_NM), *_listed(sites, CLOSE_NM)


def _listed(sites: Sites, reach_nm: float) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    cells, listed = sulphur_tables.near_sites(sites, reach_nm)
    return cells.reshape(len(cells), -1).astype(np.int32), listed.astype(np.int32)


def law_tuple(law: Compiled) -> tuple[Any, ...]:
    """The law for kernels."""
    return law.family, law.parts, law.barn_nm2, law.table, law.low, law.step


def packed(
    shared: tuple[Any, ...], made: Optics, law: tuple[Any, ...], detector: tuple[float, ...], bounds: tuple[float, ...]
) -> Block:
    """All that kernels look up in one block: floats, whole numbers, and where [16, 3] each table begins and its shape.

    `event_views.tables_of` takes it apart again.
    """
    xy, near, home, box, *lists = shared
    probe, step, lattice, steps, atom, strength = made.kernel
    numbers = np.array([step, *steps, law[2], *law[4:], *detector, *bounds])
    floats = {0: numbers, 1: box, 2: strength, 3: xy, 10: probe, 11: lattice, 12: atom, 13: law[1], 14: law[3]}
    at = np.zeros((16, 3), dtype=np.int64)
    at[15, 0] = law[0]
    whole = dict(enumerate((near, home, *lists), 4))
    return _joined(floats, at, np.float64), _joined(whole, at, np.int32), at


def _joined(tables: Mapping[int, NDArray[Any]], at: NDArray[np.int64], kind: type) -> NDArray[Any]:
    first = 0
    for number, table in tables.items():
        at[number] = first, *np.atleast_2d(table).shape
        first += table.size
    return np.concatenate([np.ravel(table) for table in tables.values()]).astype(kind)


def peaks(found: Optics, law: Compiled, column: Column, bond_nm: float) -> tuple[float, ...]:
    """What bounds the events of a frame.

    Largest density of the probe [1/nm^2], largest rate of the law [1/(pA s)], its integral [bonds^2/(pA s)], bond [nm],
    width of the finest feature [nm], and the image's peak.
    """
    finest = 1.0 / column.cutoff_1_nm
    largest, integral = 0.0, 0.0
    if law.family == GAUSSIANS and len(law.parts):
        largest = float(law.parts[:, 0].sum())
        integral = float((law.parts[:, 0] * 2.0 * np.pi * law.parts[:, 3] ** 2).sum())
        finest = min(finest, float(law.parts[:, 3].min()) * bond_nm)
    if law.family == TABLE:
        finest = 0.0
    return found.probe_peak, largest, integral, bond_nm, finest, found.image_peak


def _density(column: Column, aberrations_nm: NDArray[np.complex128], tails: Tails, thermal_nm: float) -> Floats:
    """Density [1/nm^2] of the probe, blurred by thermal motion, on a grid of `STEP_NM` around its middle."""
    shape, extent = (_GRID, _GRID), (_GRID * STEP_NM, _GRID * STEP_NM)
    kx, ky = (f[..., : _GRID // 2 + 1] if f.shape[-1] == _GRID else f for f in frequencies(shape, extent))
    response = tails.over(transfer(column, aberrations_nm, shape, extent), kx, ky)
    blurred = np.fft.irfft2(response * np.exp(-2.0 * np.pi**2 * thermal_nm**2 * (kx**2 + ky**2)), s=shape)
    middle, half = _GRID // 2, round(_REACH_NM / STEP_NM)
    density = np.fft.fftshift(blurred) / STEP_NM**2
    return np.ascontiguousarray(density[middle - half : middle + half + 1, middle - half : middle + half + 1])


def _sheet(
    sites: Sites, column: Column, aberrations_nm: NDArray[np.complex128], carbon_nm2: float
) -> tuple[Floats, tuple[float, float]]:
    """Counts per electron over the whole sheet without tails, and the steps (y, x) [nm] of the table."""
    half = np.array(sites.extent_nm) / 2
    repeats = sites.extent_nm if sites.periodic else None
    canvas = canvas_of_period(column, repeats) if repeats else canvas_over(column, -half, half, _REACH_NM)
    xy = np.ascontiguousarray(sites.positions_nm[:, :2])
    strength = scattering_nm2(sites.species, carbon_nm2)
    made = scene(canvas, xy, strength, sites.thermal_nm, column, aberrations_nm, repeats)
    columns, rows = (max(8, round(side / STEP_NM)) for side in sites.extent_nm)
    steps = sites.extent_nm[1] / rows, sites.extent_nm[0] / columns
    y, x = steps[0] * np.arange(rows) - half[1], steps[1] * np.arange(columns) - half[0]
    places = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), -1).reshape(-1, 2)
    return made.at(places).reshape(rows, columns), steps


def _tailed(image: Floats, steps: tuple[float, float], sites: Sites, tails: Tails, strength: Floats) -> Floats:
    """The sheet as core and tails see it, as spline coefficients: the tails see a sum of Gaussians on the atoms."""
    ky = np.fft.fftfreq(image.shape[0], steps[0])
    kx = np.fft.rfftfreq(image.shape[1], steps[1])
    xy = sites.positions_nm[:, :2] + np.array(sites.extent_nm) / 2
    along = np.exp(-2j * np.pi * np.outer(xy[:, 0], kx))
    up = np.exp(-2j * np.pi * np.outer(xy[:, 1], ky)) * strength[sites.species][:, None]
    sd = tails.fwhm_nm / FWHM_PER_SD
    wide = np.exp(-2.0 * np.pi**2 * sd**2 * (np.square(kx)[None, :] + np.square(ky)[:, None]))
    blurred = np.fft.irfft2(wide * (up.T @ along) / (steps[0] * steps[1]), s=image.shape)
    seen = (1.0 - tails.fraction) * image + tails.fraction * blurred
    return np.ascontiguousarray(np.pad(_coefficients(seen, "grid-wrap"), PADDED, mode="wrap"))


def _coefficients(values: Floats, mode: Literal["mirror", "grid-wrap"]) -> Floats:
    from scipy.ndimage import spline_filter

    return np.ascontiguousarray(spline_filter(values, order=3, mode=mode))

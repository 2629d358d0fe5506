"""A sheet under a round probe, as the sulphur kernels look it up: lattice, radial tables, columns, spectra."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from instruments.twins.stem import sulphur_tables
from instruments.twins.stem.columns import Columns, columns_of
from instruments.twins.stem.eels import Spectrometer, spectrum
from instruments.twins.stem.samples.sites import Sites
from physics_priors import contrast
from physics_priors.energy_loss import EDGES, delocalisation_nm
from physics_priors.optics.probe import Column

Floats = NDArray[np.float64]
_METAL, _SULPHUR = 0, 1
_THICKNESS_NM: Final = 0.65
"""Of a monolayer, for the low losses."""


@dataclass(frozen=True)
class ProbedSheet:
    """Everything that depends on the sample's sites and the optics, and not on what has happened to it."""

    sites: Sites
    optics: Column
    carbon_nm2: float

    @cached_property
    def lattice(self) -> tuple[Any, ...]:
        """Places, neighbours, hops, kinds, extent, sites in reach of every cell: what the kernels call sample."""
        ranges, near = sulphur_tables.near_sites(self.sites)
        xy = np.ascontiguousarray(self.sites.positions_nm[:, :2])
        return xy, self.sites.neighbours, self.sites.hops, self.sites.kind, np.array(self.sites.extent_nm), ranges, near

    @cached_property
    def tables(self) -> tuple[float, Floats, Floats]:
        """Step of the radial tables [nm]; the probe, and its image of metal and of sulphur [1/nm^2]; `strength`."""
        thermal = [float(self.sites.thermal_nm[self.sites.kind == kind][0]) for kind in (_METAL, _SULPHUR)]
        return sulphur_tables.STEP_NM, sulphur_tables.radial(self.optics, 0.0, (0.0, *thermal)), self.strength

    @cached_property
    def strength(self) -> Floats:
        """Cross section [nm^2] for the detector by atomic number, 0 for an empty site."""
        return contrast.cross_section_nm2(np.arange(contrast.HEAVIEST + 1), self.carbon_nm2)

    @cached_property
    def columns(self) -> Columns:
        """The columns along the beam."""
        return columns_of(self.sites)

    @property
    def peak_1_nm2(self) -> float:
        """Density in the middle of a sulphur atom's image."""
        return float(self.tables[1][1 + _SULPHUR, 0])

    def brightness(self, species: NDArray[np.int64]) -> Floats:
        """Counts per electron with the probe on each column, [C]."""
        from instruments.twins.stem import sulphur_light

        out = np.empty(len(self.columns.positions_nm))
        sulphur_light.brightness(self.columns.positions_nm, self.lattice, self.tables, species, out)
        return out

    def chances(self, device: Spectrometer, place_nm: Floats, stood: dict[int, Floats]) -> Floats:
        """Chances [channels] that an electron at a place is counted in each channel of an energy-loss spectrum.

        `stood` [N] by element: the share of time that an atom was there.
        """
        near = {
            name: density_1_nm2(self.sites, place_nm, stood[edge.species], self._reach_nm(edge.onset_eV, device))
            for name, edge in EDGES.items()
            if edge.species in stood
        }
        mean = float(self.sites.species.mean())
        return spectrum(device, self.optics.energy_keV, _THICKNESS_NM, mean, near).chances

    def _reach_nm(self, onset_eV: float, device: Spectrometer) -> float:
        """Standard deviation of the Gaussian in which this probe excites an edge."""
        half = delocalisation_nm(onset_eV, self.optics.energy_keV, 1e-3 * device.collection_mrad) / 2.0
        probe = 1.0 / np.sqrt(2.0 * np.pi * self.tables[1][0, 0])
        return float(np.hypot(half / np.sqrt(2.0 * np.log(2.0)), probe))

    def fluence_e_A2(self, landed: Floats) -> Floats:
        """Fluence by the real probe, from the electrons [rows, columns] by where its middle was."""
        pixel_A2 = 100.0 * self.sites.extent_nm[0] * self.sites.extent_nm[1] / landed.size
        spread = np.fft.irfft2(np.fft.rfft2(landed) * self._transfer(landed.shape), s=landed.shape)
        return np.asarray(spread / pixel_A2)

    def _transfer(self, shape: tuple[int, ...]) -> Floats:
        """Transfer function of the tabulated probe on a map of the sheet, 1 at zero."""
        rows, columns = shape
        x, y = (np.fft.fftfreq(count) * side for count, side in zip((columns, rows), self.sites.extent_nm, strict=True))
        step, lines, _ = self.tables
        radius = np.hypot(x[None, :], y[:, None])
        probe = np.interp(radius, step * np.arange(lines.shape[1]), lines[0], right=0.0)
        return np.asarray(np.fft.rfft2(probe / probe.sum()))


def density_1_nm2(sites: Sites, place_nm: Floats, share: Floats, sd_nm: float) -> float:
    """Atoms per nm^2 under a Gaussian at a place; `share` [N] is how much of the time each was there."""
    extent = np.array(sites.extent_nm)
    away = sites.positions_nm[:, :2] - place_nm
    away = away - extent * np.round(away / extent)
    weight = np.exp(-0.5 * np.square(away).sum(axis=1) / sd_nm**2) / (2.0 * np.pi * sd_nm**2)
    return float(weight @ share)

"""Core-loss spectra of a thin sheet under a parked probe: edges of the atoms near the beam on a falling background.

Single scattering, as is right for a monolayer: the background is the tail of the low losses, a power law, and every
atom adds its edge with the probability that an electron of this probe excites it, delocalised as
`energy_loss.delocalisation_nm` says. Counts are Poisson; zero loss and plasmon are not recorded, and what is recorded
is taken from the electrons that came, so the sum never exceeds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from physics_priors.bounds import Bounds
from physics_priors.energy_loss import EDGES, delocalisation_nm, edge_shape, mean_free_path_nm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_CROSS_SECTIONS_BARN: Final[Mapping[str, float]] = {"S L": 5e4, "Mo M": 3e4, "Si L": 1e5, "C K": 1e4, "N K": 5e3}
"""Of the whole edge, at 60 keV: K-shell ionisation of carbon is about 1e4 barn; the others are tunables."""
_MOST_LISTED_eV: Final = 1000.0


@dataclass(frozen=True)
class Spectrometer:
    """Where a spectrum begins, its channels, and what of each loss is collected."""

    first_eV: Annotated[float, Bounds("eV", 50.0, 2000.0)] = 120.0
    channel_eV: Annotated[float, Bounds("eV", 0.1, 20.0)] = 1.0
    channels: Annotated[int, Bounds("channels", 16, 4096)] = 160
    collection_mrad: Annotated[float, Bounds("mrad", 1.0, 200.0)] = 35.0
    thickness_nm: Annotated[float, Bounds("nm", 0.1, 100.0)] = 0.65
    background_power: Annotated[float, Bounds("", 1.5, 6.0)] = 3.0
    """Exponent of the tail of the low losses."""
    low_loss_eV: Annotated[float, Bounds("eV", 5.0, 50.0)] = 25.0
    """From where on that tail is a power law."""

    @cached_property
    def loss_eV(self) -> Floats:
        """Middle of every channel."""
        return np.asarray(self.first_eV + self.channel_eV * (np.arange(self.channels) + 0.5))

    def expected(self, near: Mapping[str, float], energy_keV: float, mean_species: float, electrons: float) -> Floats:
        """Mean counts [channels]; `near` is, by edge, how many atoms stand under the probe [1/nm^2]."""
        rays = 1e-3 * self.collection_mrad
        lost = -np.expm1(-self.thickness_nm / mean_free_path_nm(energy_keV, rays, mean_species))
        tail = (self.background_power - 1.0) / self.low_loss_eV
        shape = lost * tail * (self.loss_eV / self.low_loss_eV) ** -self.background_power
        for name, density in near.items():
            shape = shape + density * _CROSS_SECTIONS_BARN[name] * 1e-10 * _per_eV(name, self.loss_eV)
        total = float(shape.sum() * self.channel_eV)
        return np.asarray(electrons * shape * self.channel_eV / max(total, 1.0))

    def reach_nm(self, name: str, energy_keV: float, probe_sd_nm: float) -> float:
        """Standard deviation [nm] of the Gaussian in which a probe excites an edge."""
        half = delocalisation_nm(EDGES[name].onset_eV, energy_keV, 1e-3 * self.collection_mrad) / 2.0
        return float(np.hypot(half / np.sqrt(2.0 * np.log(2.0)), probe_sd_nm))


def edges_of(species: Ints) -> dict[str, int]:
    """The known edges of the elements of a sample, by name, with their atomic numbers."""
    there = {int(z) for z in np.unique(species)}
    return {
        name: edge.species for name, edge in EDGES.items() if edge.species in there and name in _CROSS_SECTIONS_BARN
    }


def density_1_nm2(place_nm: Floats, positions_nm: Floats, share: Floats, extent_nm: Floats, sd_nm: float) -> float:
    """Atoms per nm^2 under a Gaussian probe at a place; `share` [N] is how much of the time each was there."""
    away = positions_nm[:, :2] - place_nm
    away = away - extent_nm * np.round(away / extent_nm)
    weight = np.exp(-0.5 * np.square(away).sum(axis=1) / sd_nm**2) / (2.0 * np.pi * sd_nm**2)
    return float(weight @ share)


def _per_eV(name: str, loss_eV: Floats) -> Floats:
    """Shape of an edge, of integral 1 up to 1000 eV."""
    every = np.arange(EDGES[name].onset_eV, _MOST_LISTED_eV, 0.5)
    return np.asarray(edge_shape(EDGES[name], loss_eV) / (edge_shape(EDGES[name], every).sum() * 0.5))

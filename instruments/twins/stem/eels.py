"""Electron energy-loss spectra: zero loss, plasmons of any order, edges with fine structure, and counts that balance.

A spectrum of N electrons has N counts in the mean over all energies: each electron is scattered inelastically n times
with the Poisson chances of thickness over mean free path, each of those losses is a plasmon or an ionisation, and the
few that leave the range of the spectrometer are counted too (`beyond`). Edges see only atoms near the beam, weighted
with a Gaussian as wide as the delocalisation of their loss; plasmons see the mean of the field. Formulas and sources:
`physics_priors.energy_loss`. Not modelled: elastic scattering out of the collection angle, Cherenkov and surface
losses, the dispersion of the plasmon, the instability of the energy axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from instruments.errors import InvalidRequest
from instruments.keys import Keys
from physics_priors.bounds import Bounds, violations
from physics_priors.energy_loss import EDGES, delocalisation_nm, edge_shape, mean_free_path_nm, plasmon_loss, plural

Floats = NDArray[np.float64]
_ORDERS = 8
_ZERO = 20.0
"""Energies run from this much below zero loss [eV]."""


@dataclass(frozen=True)
class Spectrometer:
    """Range, dispersion and sharpness of the spectrometer, and what the specimen does in the mean."""

    channels: Annotated[int, Bounds("channels", 16, 16384)] = 1024
    dispersion_eV: Annotated[float, Bounds("eV", 0.0, 10.0, open_low=True)] = 0.75
    width_eV: Annotated[float, Bounds("eV", 0.0, 20.0, open_low=True)] = 0.6
    """Full width of the zero loss."""
    collection_mrad: Annotated[float, Bounds("mrad", 0.1, 200.0)] = 35.0
    plasmon_eV: Annotated[float, Bounds("eV", 1.0, 60.0)] = 25.0
    plasmon_width_eV: Annotated[float, Bounds("eV", 0.1, 60.0)] = 8.0
    core_nm2: Annotated[float, Bounds("nm^2", 0.0, 1.0)] = 1e-6
    """Cross-section of the carbon K edge within the collection angle; others by 284 eV over their onset."""

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("Spectrometer: " + "; ".join(said))

    @property
    def loss_eV(self) -> Floats:
        """Energy of every channel."""
        return np.asarray(np.arange(self.channels) * self.dispersion_eV - _ZERO)

    def mean_free_path_nm(self, energy_keV: float, species: float) -> float:
        """Inelastic mean free path for a mean atomic number."""
        return mean_free_path_nm(energy_keV, 1e-3 * self.collection_mrad, species)


@dataclass(frozen=True)
class Spectrum:
    """Chances [channels] that an electron is counted in each channel, and the chance that it is in none of them."""

    chances: Floats
    beyond: float

    def counts(self, electrons: float, key: Keys) -> Floats:
        """Poisson counts of that many electrons, fresh for every key [1]."""
        from instruments.twins.stem.kernels import count

        counted = np.empty(len(self.chances))
        count(self.chances, electrons, 0.0, key[0], counted)
        return counted


def spectrum(
    spectrometer: Spectrometer,
    energy_keV: float,
    thickness_nm: float,
    mean_species: float,
    near_nm2: Mapping[str, float],
) -> Spectrum:
    """What one electron does.

    near_nm2 has for each edge of `EDGES` the atoms per square nanometre that the beam sees there (`seen_nm2`).
    """
    unknown = sorted(set(near_nm2) - set(EDGES))
    if unknown:
        raise InvalidRequest(f"unknown edge {unknown[0]!r}; known: {', '.join(EDGES)}")
    if thickness_nm < 0 or min(near_nm2.values(), default=0.0) < 0:
        raise InvalidRequest("thickness_nm and the atoms that are seen cannot be below 0")
    thickness = thickness_nm / spectrometer.mean_free_path_nm(energy_keV, mean_species) if thickness_nm else 0.0
    grid = _grid(spectrometer)
    single, core = _plasmon(spectrometer, grid), _core(spectrometer, grid, near_nm2)
    ionised = float(core.sum())
    if ionised >= 1.0:
        raise InvalidRequest("more than one ionisation for each electron: this is a model of thin samples")
    many = _many(single, plural(thickness, _ORDERS))
    whole = (1.0 - ionised) * many + np.convolve(core, many)[: len(grid)]
    blurred = np.convolve(whole, _zero_loss(spectrometer))
    offset = (len(blurred) - len(whole)) // 2
    first = round(_ZERO / spectrometer.dispersion_eV)
    padded = np.concatenate([np.zeros(max(first - offset, 0)), blurred[max(offset - first, 0) :]])
    chances = np.zeros(spectrometer.channels)
    kept = padded[: spectrometer.channels]
    chances[: len(kept)] = kept
    return Spectrum(chances, max(1.0 - float(chances.sum()), 0.0))


def seen_nm2(
    edge: str,
    position_nm: Floats,
    atoms_nm: Floats,
    species: NDArray[np.int64],
    energy_keV: float,
    collection_mrad: float,
) -> float:
    """Atoms of an edge's element per nm^2, by a Gaussian that holds half of its weight within the delocalisation."""
    if edge not in EDGES:
        raise InvalidRequest(f"unknown edge {edge!r}; known: {', '.join(EDGES)}")
    diameter_nm = float(delocalisation_nm(EDGES[edge].onset_eV, energy_keV, 1e-3 * collection_mrad))
    variance = (0.5 * diameter_nm) ** 2 / (2.0 * np.log(2.0))
    own = atoms_nm[species == EDGES[edge].species, :2]
    distance2 = np.sum((own - position_nm) ** 2, axis=1)
    return float(np.sum(np.exp(-0.5 * distance2 / variance)) / (2.0 * np.pi * variance))


def _grid(spectrometer: Spectrometer) -> Floats:
    """Losses from 0 on, as far as the spectrometer sees."""
    return np.asarray(np.arange(spectrometer.channels) * spectrometer.dispersion_eV)


def _plasmon(spectrometer: Spectrometer, grid: Floats) -> Floats:
    """Chances of one plasmon's loss, over all losses 1; Drude's law has a finite integral, which fixes its height."""
    far = np.arange(8 * len(grid)) * spectrometer.dispersion_eV
    shape = plasmon_loss(far, spectrometer.plasmon_eV, spectrometer.plasmon_width_eV)
    return np.asarray(shape[: len(grid)] / shape.sum())


def _core(spectrometer: Spectrometer, grid: Floats, near_nm2: Mapping[str, float]) -> Floats:
    """Chances of an ionisation at each loss."""
    total = np.zeros(len(grid))
    for name, atoms in near_nm2.items():
        edge = EDGES[name]
        if edge.onset_eV >= grid[-1]:
            continue
        far = np.arange(8 * len(grid)) * spectrometer.dispersion_eV
        shape = edge_shape(edge, far)
        strength = atoms * spectrometer.core_nm2 * EDGES["C K"].onset_eV / edge.onset_eV
        total += strength * shape[: len(grid)] / max(float(shape.sum()), 1e-300)
    return total


def _many(single: Floats, chances: Floats) -> Floats:
    """Any number of losses: a sum of self-convolutions, cut to the grid."""
    total = np.zeros(len(single))
    total[0] = chances[0]
    power = np.zeros(len(single))
    power[0] = 1.0
    for chance in chances[1:]:
        power = np.convolve(power, single)[: len(single)]
        total += chance * power
    return total


def _zero_loss(spectrometer: Spectrometer) -> Floats:
    """A Gaussian of unit sum, sampled over its channels with odd length."""
    sd = spectrometer.width_eV / 2.3548 / spectrometer.dispersion_eV
    reach = max(1, int(np.ceil(5.0 * sd)))
    shape = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sd, 1e-3)) ** 2)
    return np.asarray(shape / shape.sum())

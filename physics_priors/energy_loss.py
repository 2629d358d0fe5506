"""Electron energy losses: mean free path, plasmon, edges, and how far from the beam they happen.

Energies of the beam in keV, losses in eV, angles in rad, lengths in nm. Sources: R. F. Egerton, Electron Energy-Loss
Spectroscopy in the Electron Microscope (3rd ed.); T. Malis et al., J. Electron Microsc. Tech. 8, 193 (1988).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.electron import REST_ENERGY_EV, beta, gamma, wavelength_nm

Floats = NDArray[np.float64]
_HBAR_EV_S: Final = 6.582119569e-16
_CHARGE_C: Final = 1.602176634e-19
_MASS_KG: Final = 9.1093837015e-31
_VACUUM_F_M: Final = 8.8541878128e-12


@dataclass(frozen=True)
class Edge:
    """An ionisation edge: onset [eV], power of the decay above it, and white lines as (offset, width, height).

    Offset and width in eV, height in units of the edge's jump.
    """

    species: int
    onset_eV: float
    decay: float = 3.5
    lines: tuple[tuple[float, float, float], ...] = ()


EDGES: Final[Mapping[str, Edge]] = {
    "Si L": Edge(14, 99.8, 3.0, ((8.0, 10.0, 0.5),)),
    "S L": Edge(16, 165.0, 3.0, ((6.0, 8.0, 0.4),)),
    "Mo M": Edge(42, 227.0, 2.5),
    "C K": Edge(6, 284.0, 3.5, ((1.4, 1.2, 1.5), (8.0, 6.0, 1.0))),
    "N K": Edge(7, 401.0, 3.5, ((1.0, 1.5, 1.0),)),
    "Ti L": Edge(22, 456.0, 3.0, ((2.0, 1.5, 2.5), (7.5, 1.8, 2.0))),
    "O K": Edge(8, 532.0, 3.5, ((1.5, 2.0, 1.0), (10.0, 8.0, 0.7))),
    "Mn L": Edge(25, 640.0, 3.0, ((1.5, 2.0, 3.0), (12.5, 2.2, 1.5))),
    "Si K": Edge(14, 1839.0, 3.5),
}
"""Onsets as tabulated; shapes of white lines are instrument- and bonding-specific, so tunables and no facts."""


def mean_free_path_nm(energy_keV: float, collection_rad: float, species: float) -> float:
    """Mean free path [nm] for inelastic scattering into the collection angle, for a mean atomic number (Malis)."""
    relativity = (1.0 + energy_keV / 1022.0) / (1.0 + energy_keV / 511.0) ** 2
    mean_loss_eV = 7.6 * species**0.36
    inside = 2.0 * 1e3 * collection_rad * energy_keV / mean_loss_eV
    if not inside > 1:
        raise ValueError(f"collection_rad={collection_rad:g} is too small for this formula at {energy_keV:g} keV")
    return float(106.0 * relativity * energy_keV / (mean_loss_eV * np.log(inside)))


def plasmon_energy_eV(electrons_nm3: float) -> float:
    """Plasmon energy [eV] of free electrons of that density."""
    return float(_HBAR_EV_S * np.sqrt(1e27 * electrons_nm3 * _CHARGE_C**2 / (_VACUUM_F_M * _MASS_KG)))


def plasmon_loss(loss_eV: ArrayLike, plasmon_eV: float, width_eV: float) -> Floats:
    """Drude's loss function Im(-1 / epsilon), 0 for losses that are not positive."""
    loss = np.maximum(np.asarray(loss_eV, dtype=np.float64), 0.0)
    damping = loss * width_eV
    return np.asarray(damping * plasmon_eV**2 / ((loss**2 - plasmon_eV**2) ** 2 + damping**2 + 1e-300))


def characteristic_angle_rad(loss_eV: ArrayLike, energy_keV: float) -> Floats:
    """theta_E = E / (gamma m v^2) [rad]."""
    return np.asarray(loss_eV) / (gamma(energy_keV) * REST_ENERGY_EV * beta(energy_keV) ** 2)


def delocalisation_nm(loss_eV: ArrayLike, energy_keV: float, collection_rad: float) -> Floats:
    """Diameter [nm] that holds half of the losses: sqrt((0.52 lambda / theta_E^0.75)^2 + (0.6 lambda / beta)^2)."""
    wavelength = wavelength_nm(energy_keV)
    inelastic = 0.52 * wavelength / characteristic_angle_rad(loss_eV, energy_keV) ** 0.75
    return np.asarray(np.hypot(inelastic, 0.6 * wavelength / collection_rad))


def plural(thickness: float, orders: int) -> Floats:
    """Chances [orders + 1] of 0, 1, ... inelastic scatterings in `thickness` mean free paths (Poisson)."""
    steps = np.concatenate([[1.0], thickness / np.arange(1, orders + 1)])
    return np.asarray(np.exp(-thickness) * np.cumprod(steps))


def edge_shape(edge: Edge, loss_eV: ArrayLike) -> Floats:
    """A power law above the onset, 1 there, times 1 plus Lorentzian white lines."""
    loss = np.asarray(loss_eV, dtype=np.float64)
    above = loss >= edge.onset_eV
    safe = np.where(above, loss, edge.onset_eV)
    fine = np.ones_like(safe)
    for offset, width, height in edge.lines:
        fine += height / (1.0 + ((safe - edge.onset_eV - offset) / (0.5 * width)) ** 2)
    return np.where(above, (edge.onset_eV / safe) ** edge.decay * fine, 0.0)

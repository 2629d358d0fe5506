"""The rates that the twin really has, for truth and for oracles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instruments.twins.stem.world import ANISO_X, ANISO_Y, CURRENT, DISORDER, FACTOR, World

if TYPE_CHECKING:
    from instruments.twins.stem.microscope import StemMicroscope

Floats = NDArray[np.float64]


def best_rates(core: StemMicroscope, world: World, row: int, sites: NDArray[np.int64]) -> Floats:
    """The largest rate to each neighbour [n, K] of some dopants that any place of the beam gives, NaN for none."""
    around = np.stack(np.meshgrid(np.linspace(-0.02, 0.3, 33), np.linspace(-0.15, 0.15, 31)), -1).reshape(-1, 2)
    way = np.array([[[core.sites.bond_nm, 0.0]]])
    most = float(core.law.rates_per_s(around, way, float(world.moving[row, CURRENT])).max())
    return most * hop_factors(core, world, row, sites)


def hop_factors(core: StemMicroscope, world: World, row: int, sites: NDArray[np.int64]) -> Floats:
    """What this sample's rates are over the law's, by site and neighbour [n, K]."""
    from instruments.twins.normals import normal

    hidden, near = world.hidden[row], core.sites.neighbours[sites]
    way = core.sites.positions_nm[near, :2] - core.sites.positions_nm[sites, None, :2]
    if core.sites.periodic:
        way -= np.array(core.sites.extent_nm) * np.round(way / np.array(core.sites.extent_nm))
    unit = way / np.linalg.norm(way, axis=-1, keepdims=True)
    strayed = unit @ hidden[[ANISO_X, ANISO_Y]]
    own = [[normal(world.site_keys[row], np.uint64(16 * c + k)) for k in range(near.shape[1])] for c in sites]
    strayed += hidden[DISORDER] * np.array(own).reshape(near.shape)
    return np.asarray(np.where(near >= 0, hidden[FACTOR] * np.exp(strayed), np.nan))

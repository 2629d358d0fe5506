"""The frozen order that composition and heat treatment left in a member of a library."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.kawasaki import KB_EV, Kawasaki, with_composition
from physics_priors.ising.lattice import triangular
from physics_priors.ising.model import Field, Model, Pair, Triangle

TERMS = (Field(), Pair(1), Pair(2), Triangle())


@lru_cache(maxsize=4096)
def frozen_spins(
    side: int, energies_eV: tuple[float, float, float], fraction: float, frozen_K: float, sweeps: int, seed: int
) -> NDArray[np.int8]:
    """Spins [side * side] of a member: exchanges at its frozen-in temperature. A pure function; it only remembers.

    energies_eV are of nearest pairs, second pairs and triangles, positive where like atoms attract.
    """
    model = model_of(side)
    theta = np.array([0.0, *energies_eV]) / (KB_EV * frozen_K)
    chain = Kawasaki(model, theta, with_composition(side * side, fraction, seed), seed=seed)
    chain.anywhere(sweeps)
    spins: NDArray[np.int8] = chain.configurations()[0]
    spins.flags.writeable = False
    return spins


@lru_cache(maxsize=4)
def model_of(side: int) -> Model:
    """The periodic lattice of a member with all terms that a twin may have."""
    return Model(triangular(side, side), TERMS)

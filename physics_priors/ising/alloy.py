"""The talk's triangle model of a two-component layer: H = w1 N_MMR + w2 N_MRR, every triangle counted once.

M is spin -1 and R spin +1. Summed over sites, u_i counts each triangle three times, so H = sum u_i / 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.lattice import Floats, Ints, Lattice


def triangle_counts(lattice: Lattice, spins: NDArray[np.int8]) -> Ints:
    """Numbers of triangles MMM, MMR, MRR, RRR, [..., 4], of spins [..., N]."""
    reds = (np.asarray(spins)[..., lattice.triangles] == 1).sum(-1)
    return np.stack([(reds == k).sum(-1) for k in range(4)], axis=-1)


def theta_of(w1_kT: float, w2_kT: float) -> Floats:
    """Parameters (field, pair, triangle) of the triangle model with energies in kT; constants are left out.

    With e1, e2, e3 the elementary symmetric sums of a triangle's spins, the indicator of MMR is
    (3 - e1 - e2 + 3 e3) / 8 and that of MRR (3 + e1 - e2 - 3 e3) / 8; e1 is summed six times a site, e2 twice a bond.
    """
    return np.array([-6.0 * (w2_kT - w1_kT) / 8, (w1_kT + w2_kT) / 4, 3.0 * (w2_kT - w1_kT) / 8])


def triangle_energies(pair: float, triangle: float) -> tuple[float, float]:
    """(w1, w2) in kT of the pair and triangle parameters: the inverse of `theta_of`, which fixes the field's part."""
    total, difference = 4.0 * pair, 8.0 * triangle / 3
    return (total - difference) / 2, (total + difference) / 2


def warren_cowley(lattice: Lattice, spins: NDArray[np.int8], shell: int = 1, direction: int | None = None) -> Floats:
    """Short-range order 1 - P_unlike / (2 x (1 - x)) of spins [..., N]; 0 where there is one species only."""
    bonds, ways = lattice.shell(shell)
    chosen = bonds if direction is None else bonds[ways == direction]
    unlike = (spins[..., chosen[:, 0]] != spins[..., chosen[:, 1]]).mean(-1)
    x = (spins == 1).mean(-1)
    random = 2 * x * (1 - x)
    return np.where(random > 0, 1 - unlike / np.where(random > 0, random, 1), 0.0)


def lattice_gas_coupling(epsilon: float) -> float:
    """J of the Ising model that a lattice gas E = -epsilon sum n n is, n = (1 + s) / 2: a quarter of epsilon."""
    return epsilon / 4

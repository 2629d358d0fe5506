"""The field of a biased tip in an anisotropic dielectric: a point charge at distance d, or a Lorentzian.

phi(rho, z) = U d / sqrt(rho^2 + (z/gamma + d)^2), gamma = sqrt(eps33 / eps11) (Morozovska, Eliseev and Kalinin).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
POTENTIAL_HALF_WIDTH = math.sqrt(3.0)
FIELD_HALF_WIDTH = math.sqrt(2.0 ** (2.0 / 3.0) - 1.0)
"""Half widths at half maximum of the potential and of the normal field at the surface, in units of d."""


def sphere_distance_nm(radius_nm: float, eps33: float, eps11: float, medium: float = 81.0) -> float:
    """d of a sphere in point contact: eps_e R / sqrt(eps33 eps11); 81 is a water meniscus; air gives too small a d."""
    return medium * radius_nm / math.sqrt(eps33 * eps11)


def disc_distance_nm(radius_nm: float) -> float:
    """d of a flattened disc of radius R0: 2 R0 / pi."""
    return 2 * radius_nm / math.pi


def potential_V(rho_nm: ArrayLike, z_nm: ArrayLike, bias_V: float, distance_nm: float, gamma: float) -> Floats:
    """Potential at depth z >= 0 and distance rho from the axis."""
    depth = np.asarray(z_nm, dtype=np.float64) / gamma + distance_nm
    return np.asarray(bias_V * distance_nm / np.hypot(np.asarray(rho_nm, dtype=np.float64), depth))


def normal_field_V_nm(rho_nm: ArrayLike, z_nm: ArrayLike, bias_V: float, distance_nm: float, gamma: float) -> Floats:
    """E_z = -d phi / dz; bias_V / (gamma d) under the tip at the surface."""
    depth = np.asarray(z_nm, dtype=np.float64) / gamma + distance_nm
    distance = np.hypot(np.asarray(rho_nm, dtype=np.float64), depth)
    return np.asarray(bias_V * distance_nm * depth / (gamma * distance**3))


def lorentzian(r_nm: ArrayLike, half_width_nm: float) -> Floats:
    """The toy profile 1 / (1 + r^2 / w^2), w from 5 to 50 nm."""
    return np.asarray(1 / (1 + (np.asarray(r_nm, dtype=np.float64) / half_width_nm) ** 2))

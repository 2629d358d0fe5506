"""The coercive field of a homogeneous crystal, and of one that is driven faster than it can follow."""

from __future__ import annotations

import math

import numpy as np

from physics_priors.lgd.landau import Landau

REAL_OVER_INTRINSIC = (0.01, 0.1)
"""Measured coercive fields over intrinsic ones: nucleation at defects comes first (physics sheet, caution 12)."""


def intrinsic(landau: Landau) -> tuple[float, float]:
    """Field at which P along [001] loses its stability, and |P| there."""
    a, b, c, d = landau.along((0, 0, 1))
    roots = np.roots([56 * d, 30 * c, 12 * b, 2 * a])
    squares = np.real(roots[np.abs(np.imag(roots)) < 1e-9 * np.abs(roots)])
    positive = [s for s in squares if s > 0]
    if not positive:
        raise ValueError("no coercive field: P = 0 is the only state of this polynomial")
    P = math.sqrt(max(positive))
    return -(2 * a * P + 4 * b * P**3 + 6 * c * P**5 + 8 * d * P**7), P


def quartic(a: float, b: float) -> tuple[float, float]:
    """The same of f = a P^2/2 + b P^4/4 with a < 0: 2/(3 sqrt 3) |a|^(3/2) / sqrt(b) at P0 / sqrt 3."""
    return 2 / (3 * math.sqrt(3)) * abs(a) ** 1.5 / math.sqrt(b), math.sqrt(-a / (3 * b))

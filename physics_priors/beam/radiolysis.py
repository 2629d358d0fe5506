"""Radiolysis: what fades by excitation instead of knock-on, with characteristic fluences known to orders of magnitude.

R. F. Egerton, Microsc. Res. Tech. 75, 1550 (2012). To first order a characteristic fluence grows with the square of
the electrons' speed; cooling to liquid nitrogen gains a factor of 2 to 10.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import not_negative, positive
from physics_priors.distributions import LogUniform
from physics_priors.electron import beta

Floats = NDArray[np.float64]

REFERENCE_KEV: Final = 200.0
CHARACTERISTIC_E_A2: Final = {
    "aliphatic": LogUniform(1.0, 20.0),
    "aromatic": LogUniform(20.0, 200.0),
    "phthalocyanine": LogUniform(200.0, 1e4),
    "zeolite": LogUniform(5.0, 500.0),
    "oxide": LogUniform(1e4, 1e7),
}
"""Fluence [e/A^2] that leaves 1/e, at room temperature and 100 to 300 kV: orders of magnitude, tunables."""
COOLING: Final = LogUniform(2.0, 10.0)


def characteristic_e_A2(material: str, energy_keV: ArrayLike = REFERENCE_KEV, uniform: ArrayLike = 0.5) -> Floats:
    """Characteristic fluence of a class of materials at a beam energy; raises KeyError on an unknown class."""
    if material not in CHARACTERISTIC_E_A2:
        raise KeyError(f"unknown class {material!r}; known: {', '.join(CHARACTERISTIC_E_A2)}")
    slower = (beta(energy_keV) / beta(REFERENCE_KEV)) ** 2
    return np.asarray(CHARACTERISTIC_E_A2[material].quantile(uniform) * slower)


def left_fraction(fluence_e_A2: ArrayLike, characteristic: ArrayLike, stages: float = 1.0) -> Floats:
    """Fraction of the signal left after a fluence; with more than one stage fading begins after a latent dose."""
    done = -np.expm1(-not_negative(fluence_e_A2, "fluence_e_A2") / positive(characteristic, "characteristic"))
    return np.asarray(1.0 - done ** positive(stages, "stages"))

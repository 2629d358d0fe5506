"""How silicon in graphene hops under the beam: the published prior law, and an effective knock-on of the neighbour.

The law and its constants are those of the public "Putting Dune" simulator (M. Schwarzer et al., arXiv:2311.17894): the
rate to neighbour i is the largest rate times a Gaussian around 0.85 of the way to it. Lengths in it are C-C bonds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import BARN_A2, positive
from physics_priors.beam.vibration import CARBON_12, vibrating_barn
from physics_priors.distributions import LogUniform, Normal, Uniform
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]

BOND_NM: Final = 0.142
"""C-C bond of graphene."""
_DUNE = "Putting Dune, arXiv:2311.17894"
HOP: Final = Parameters(
    (
        Parameter("largest_rate_s", "1/s", LogUniform(0.01, 10.0), _DUNE + ": ln 2 / 3 s; range is a tunable"),
        Parameter("aim", "bond", Normal(0.85, 0.1), _DUNE + ": 0.85; its spread is a tunable"),
        Parameter("width", "bond", Uniform(0.15, 0.6), _DUNE + ": root of 0.1; range is a tunable"),
        Parameter("offset_x_nm", "nm", Normal(0.0, 0.02), "where the beam is, less where it is said to be: tunable"),
        Parameter("offset_y_nm", "nm", Normal(0.0, 0.02), "the same"),
    )
)
EFFECTIVE_BARN: Final = LogUniform(0.01, 1.0)
"""Effective cross section of a hop at 60 keV, default 0.1 barn: a tunable over two orders of magnitude."""


@dataclass(frozen=True)
class HopLaw:
    """The prior law with the published constants."""

    largest_rate_s: float = float(np.log(2.0) / 3.0)
    aim: float = 0.85
    width: float = float(np.sqrt(0.1))
    bond_nm: float = BOND_NM

    def rates_per_s(self, beam_nm: ArrayLike, neighbours_nm: ArrayLike) -> Floats:
        """Rates [..., n] to neighbours [..., n, 2] for a beam [..., 2], both relative to the silicon."""
        beam, neighbours = np.asarray(beam_nm, dtype=np.float64), np.asarray(neighbours_nm, dtype=np.float64)
        away = (beam[..., None, :] - self.aim * neighbours) / self.bond_nm
        return np.asarray(self.largest_rate_s * np.exp(-np.square(away).sum(-1) / (2.0 * self.width**2)))


def hop_probability(rates_per_s: ArrayLike, seconds: ArrayLike) -> Floats:
    """Probability [..., n] that the first hop of a dwell goes to each neighbour and comes before its end."""
    rates = np.asarray(rates_per_s, dtype=np.float64)
    total = rates.sum(-1, keepdims=True)
    share = np.divide(rates, total, out=np.zeros_like(rates), where=total > 0)
    return np.asarray(share * -np.expm1(-total * np.asarray(seconds, dtype=np.float64)[..., None]))


def hop_barn(energy_keV: ArrayLike, displacement_eV: ArrayLike = 13.59, velocity2_m2_s2: float = 3.17e5) -> Floats:
    """Cross section [barn] of the hit on the carbon next to silicon that inverts the bond.

    The displacement energy is effective: 13.59 eV makes 0.1 barn at 60 keV; theory's 14.8 eV makes 40 times less
    than practice reports, because in-plane motion and excitations help.
    """
    return vibrating_barn(energy_keV, CARBON_12.atomic_number, CARBON_12.mass_u, displacement_eV, velocity2_m2_s2)


def success_when_parked(barn: ArrayLike, flux_e_A2_s: ArrayLike, seconds: ArrayLike, competing: float = 0.03) -> Floats:
    """Probability that a parked beam makes the wanted hop before anything else: `competing` is the others' weight."""
    if not competing >= 0.0:
        raise ValueError(f"competing={competing!r} must not be below 0")
    rate = positive(barn, "barn") * BARN_A2 * positive(flux_e_A2_s, "flux_e_A2_s")
    total = rate * (1.0 + competing)
    return np.asarray(-np.expm1(-total * np.asarray(seconds, dtype=np.float64)) / (1.0 + competing))

"""What is believed of silicon's hops before any dwell: the published law in all likelihood, or something else.

Three accounts. `PUBLISHED` keeps to the human prior (Putting Dune, arXiv:2311.17894) within what differs from sample to
sample. `MOVED` lets the best aim lie anywhere from near the silicon to beyond the carbon, `DISPLACED` a parked beam be
far from where it is said to be; both let the largest rate be off by thirty times either way, and directions differ.
Where the published law holds little is lost by exploring, and where it does not the data say so: models are compared
inside of the posterior (R. E. Kass and A. E. Raftery, J. Am. Stat. Assoc. 90, 773, 1995).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physics_priors.beam.hop import HopLaw
from physics_priors.distributions import LogNormal, LogUniform, Normal, Uniform
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]
Spread = Normal | Uniform

_LAW: Final = HopLaw()
_DUNE: Final = "Putting Dune, arXiv:2311.17894"
_SUSI: Final = "T. Susi et al., Phys. Rev. Lett. 113, 115501 (2014)"
_TIMES: Final = 30.0
NAMES: Final = (
    "largest_rate_s", "aim", "width", "offset_x_nm", "offset_y_nm", "lean_x", "lean_y", "fold_s", "unfold_s",
)  # fmt: skip
"""Rate [1/s], aim and width [bonds], offset of the beam [nm], and how rates lean: the rate to a neighbour in the
direction u is that of the law times exp(lean . u). How often silicon becomes fourfold and threefold again [1/s] under a
beam that is on a carbon beside it."""


@dataclass(frozen=True)
class Account:
    """Its prior probability, and what it says of the largest rate and of the eight other parameters."""

    probability: float
    rate: LogNormal | LogUniform
    shape: Parameters


def _shape(aim: Spread, width: Spread, offset_nm: float, lean: float) -> Parameters:
    return Parameters(
        (
            Parameter("aim", "bond", aim, _DUNE + ": 0.85; spread is a tunable"),
            Parameter("width", "bond", width, _DUNE + ": root of 0.1; spread is a tunable"),
            Parameter("offset_x_nm", "nm", Normal(0.0, offset_nm), "where the beam is, less where it is said to be"),
            Parameter("offset_y_nm", "nm", Normal(0.0, offset_nm), "the same"),
            Parameter("lean_x", "", Normal(0.0, lean), "how rates differ by direction: tunable"),
            Parameter("lean_y", "", Normal(0.0, lean), "the same"),
            Parameter("fold_s", "1/s", LogNormal(0.002, 2.5), _SUSI + ": much rarer than hops; numbers are tunables"),
            Parameter("unfold_s", "1/s", LogNormal(0.008, 2.5), _SUSI + ": the same"),
        )
    )


PUBLISHED: Final = _shape(Normal(_LAW.aim, 0.02), Normal(_LAW.width, 0.01), 0.012, 0.2)
MOVED: Final = _shape(Uniform(0.3, 1.2), Normal(_LAW.width, 0.04), 0.015, 0.6)
DISPLACED: Final = _shape(Normal(0.9, 0.1), Uniform(0.25, 0.45), 0.05, 0.6)


def accounts(trust: float) -> tuple[Account, Account, Account]:
    """The three accounts; `trust` is the prior probability of the published one."""
    near = LogNormal(_LAW.largest_rate_s, 1.7)
    wide = LogUniform(_LAW.largest_rate_s / _TIMES, _LAW.largest_rate_s * _TIMES)
    doubt = 1.0 - trust
    return (Account(trust, near, PUBLISHED), Account(0.7 * doubt, wide, MOVED), Account(0.3 * doubt, wide, DISPLACED))


def rate_nodes(count: int) -> Floats:
    """Largest rates [1/s] at which the posterior is kept, evenly spaced in the logarithm over the widest account."""
    return np.asarray(np.geomspace(_LAW.largest_rate_s / _TIMES, _LAW.largest_rate_s * _TIMES, count))

"""Laws: what a measured number should be at a place or setting, up to a few uncertain parameters.

A law is a mean function for a Gaussian process whose residual takes up what the law leaves out, and one hypothesis
among several that compete for the data. To add one, write a frozen dataclass with `parameters` and `mean` in a file
here, and name it as `_target_` in a YAML: `agent.prior={_target_: ...}`, or `laws` of `agent=competing_laws`.
"""

from physics_priors.laws.fading import FadingSignal
from physics_priors.laws.law import Law
from physics_priors.laws.order import IsingOrder
from physics_priors.laws.pair import Pair
from physics_priors.laws.piecewise import PiecewisePower
from physics_priors.laws.pulse import PulseSwitching
from physics_priors.laws.resonance import Resonance
from physics_priors.laws.schottky import SchottkyEmission

__all__ = [
    "FadingSignal",
    "IsingOrder",
    "Law",
    "Pair",
    "PiecewisePower",
    "PulseSwitching",
    "Resonance",
    "SchottkyEmission",
]

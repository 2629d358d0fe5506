"""Laws: what a measured number should be at a place or setting, up to a few uncertain parameters.

A law is a mean function for a Gaussian process whose residual takes up what the law leaves out, and one hypothesis
among several that compete for the data. To add one, write a frozen dataclass with `parameters` and `mean` in a file
here, and name it as `_target_` in a YAML of `conf/prior/`.
"""

from physics_priors.laws.law import Law
from physics_priors.laws.piecewise import PiecewisePower
from physics_priors.laws.schottky import SchottkyEmission

__all__ = ["Law", "PiecewisePower", "SchottkyEmission"]

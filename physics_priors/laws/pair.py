"""A law at work twice: a second mode, phase or kind of unit beside the first."""

from __future__ import annotations

from dataclasses import dataclass, replace

from physics_priors.distributions import LogUniform, Uniform
from physics_priors.laws.law import Floats, Law
from physics_priors.prior import Parameter, Parameters

SECOND = "_second"
"""What is put behind the names of the second one's parameters."""
_TOTAL = Parameter("total", "", LogUniform(1.0, 2.0))


@dataclass(frozen=True)
class Pair:
    """Two of a kind, independent of each other: total (share first + (1 - share) second).

    Phases and kinds of unit have shares of a whole (total 1); of modes the values add (total 2, shares of a half).
    """

    law: Law

    @property
    def name(self) -> str:
        return f"two of {self.law.name}"

    @property
    def parameters(self) -> Parameters:
        own = tuple(self.law.parameters)
        other = (replace(each, name=each.name + SECOND) for each in own)
        return Parameters((*own, *other, Parameter("share", "", Uniform(0.0, 1.0)), _TOTAL))

    def mean(self, theta: Floats, x: Floats) -> Floats:
        count = len(self.law.parameters)
        one, other = self.law.mean(theta[:, :count], x), self.law.mean(theta[:, count : 2 * count], x)
        share, total = theta[:, -2, None], theta[:, -1, None]
        return total * (share * one + (1.0 - share) * other)

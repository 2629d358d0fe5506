"""A power law that changes its exponent at a transition: the reference problem of structured Gaussian processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from physics_priors.bounds import Bounds
from physics_priors.distributions import Uniform
from physics_priors.laws.law import Floats
from physics_priors.prior import Parameter, Parameters

Axis = Annotated[int, Bounds("", 0, 100)]


@dataclass(frozen=True)
class PiecewisePower:
    """x^a below the transition t and x^b from it on, x being one axis of the place, x >= 0 (physics.md section 9).

    With `below` or `above` set to linear, that side is a straight line through the origin, a x, instead.
    """

    transition: tuple[float, float] = (0.5, 2.5)
    exponent: tuple[float, float] = (1.0, 6.0)
    slope: tuple[float, float] = (0.0, 10.0)
    below: str = "power"
    above: str = "power"
    axis: Axis = 0

    def __post_init__(self) -> None:
        for side in (self.below, self.above):
            if side not in ("power", "linear"):
                raise ValueError(f"a side of a piecewise law is power or linear, not {side!r}")
        for name in ("transition", "exponent", "slope"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def name(self) -> str:
        return f"{self.below}, then {self.above}"

    @property
    def parameters(self) -> Parameters:
        sides = (("below", self.below), ("above", self.above))
        shapes = [
            Parameter(f"{'exponent' if kind == 'power' else 'slope'}_{side}", "", self._of(kind))
            for side, kind in sides
        ]
        return Parameters((Parameter("transition", "", Uniform(*self.transition)), *shapes))

    def mean(self, theta: Floats, x: Floats) -> Floats:
        place = np.maximum(x[None, :, self.axis], 0.0)
        low, high = (_side(kind, theta[:, i, None], place) for i, kind in ((1, self.below), (2, self.above)))
        return np.where(place < theta[:, :1], low, high)

    def _of(self, kind: str) -> Uniform:
        return Uniform(*(self.exponent if kind == "power" else self.slope))


def _side(kind: str, number: Floats, place: Floats) -> Floats:
    return np.asarray(place**number if kind == "power" else number * place)

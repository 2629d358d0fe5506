"""The record of a combinatorial library: composition and heat treatment of its members, as a notebook has them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated

from physics_priors.bounds import Bounds
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.kawasaki import freezing_temperature_K

Fraction = Annotated[float, Bounds("", 0.0, 1.0)]
Kelvin = Annotated[float, Bounds("K", 1.0, 4000.0)]
Rate = Annotated[float, Bounds("K/s", 0.0, open_low=True)]


@dataclass(frozen=True)
class Member:
    """One composition with its heat treatment."""

    name: str
    fraction: float
    """Part of the metal sites that the heavy species holds."""
    anneal_K: float
    cooling_K_s: float

    def frozen_K(self, barrier_eV: float) -> float:
        """The temperature whose order the image shows: that of the anneal, or, cooled slowly, where it froze in."""
        return min(self.anneal_K, freezing_temperature_K(barrier_eV, self.cooling_K_s))


@dataclass(frozen=True)
class Record:
    """All combinations of compositions, anneals and cooling rates; the anneal changes fastest, then the composition."""

    fractions: tuple[Fraction, ...] = (0.04, 0.1, 0.2, 0.35, 0.5)
    anneals_K: tuple[Kelvin, ...] = (700.0, 900.0, 1150.0, 1450.0)
    cooling_K_s: tuple[Rate, ...] = (1e5, 1.0)
    """Quenched, and cooled slowly."""
    barrier_eV: Annotated[float, Bounds("eV", 0.1, 10.0)] = 2.4
    """Of an exchange of two metal atoms."""

    def __post_init__(self) -> None:
        for name in ("fractions", "anneals_K", "cooling_K_s"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
            if not getattr(self, name):
                raise LatticeError(f"a library needs one of its {name} at least")

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The members, named m00, m01, ..."""
        combined = product(self.cooling_K_s, self.fractions, self.anneals_K)
        return tuple(Member(f"m{n:02d}", x, t, rate) for n, (rate, x, t) in enumerate(combined))

"""What is simulated: a polarisation field on a grid, its energy terms, its mobility, and the step that keeps it stable.

Any one consistent set of units will do: SI, or reduced ones (`Reduced`), which float32 prefers. Grids are [rows,
columns]; x (P1) runs along the columns, y (P2) along the rows, P3 points out of the grid. One component means P3, two
mean P1 and P2. One dimension is a grid of one row, none is a grid of one cell.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from physics_priors.lgd import flexoelectricity
from physics_priors.lgd.flexoelectricity import Flexoelectric
from physics_priors.lgd.landau import Landau
from physics_priors.lgd.materials import Elastic, Gradient

Floats = NDArray[np.float64]
Edges = tuple[float, float]
FREE = math.inf
"""Extrapolation length of an edge without surface energy: the slope of P is zero there."""


class UnstableStep(ValueError):
    """A time step beyond which explicit integration blows up."""


class Diverged(ArithmeticError):
    """A field that is no number any more."""


@dataclass(frozen=True)
class Thermal:
    """Langevin noise: k T [energy] and the volume of one cell, without which a temperature means nothing."""

    energy: float
    cell_volume: float

    def __post_init__(self) -> None:
        if not (self.energy >= 0 and self.cell_volume > 0 and math.isfinite(self.energy + self.cell_volume)):
            raise ValueError("Thermal: k T must be at least 0 and the cell's volume above 0, both finite")


@dataclass(frozen=True)
class Gap:
    """Electrodes 0 V under the first row and `planar_V` at a gap above the last row; needs two components."""

    width: float
    permittivity: float
    """Of the film's background, eps0 eps_b."""
    gap_permittivity: float
    planar_V: float = 0.0


@dataclass(frozen=True)
class System:
    """Energy terms are off where they are None or 0. Raises ValueError on what cannot be honoured.

    edges (rows, columns): None is periodic, else extrapolation lengths at the low and high side (FREE, or 0 for P = 0).
    plate: N of the depolarising field -N P3. depolarisation: eps0 eps_b of the charges -div P in the plane, periodic.
    elastic: stress-free as a whole, or held at `strain` (11, 22, 33, 12, 13, 23).
    largest: |P| that the step allows for (None: 1.4 times the spontaneous one).
    """

    landau: Landau
    components: int = 1
    spacing: tuple[float, float] = (1.0, 1.0)
    gradient: Gradient | None = None
    mobility: float = 1.0
    row_edges: Edges | None = None
    column_edges: Edges | None = None
    plate: float = 0.0
    depolarisation: float | None = None
    gap: Gap | None = None
    elastic: Elastic | None = None
    strain: tuple[float, float, float, float, float, float] | None = None
    flexoelectric: Flexoelectric | None = None
    thermal: Thermal | None = None
    largest: float | None = None

    def __post_init__(self) -> None:
        if said := self._contradictions():
            raise ValueError("System: " + "; ".join(said))
        if self.flexoelectric is not None and self.elastic is not None and self.gradient is not None:
            flexoelectricity.check(self.flexoelectric, self.gradient, self.elastic)

    def _contradictions(self) -> list[str]:
        numbers = {"spacing": min(self.spacing), "mobility": self.mobility}
        said = [f"{name} must be finite and above 0" for name, v in numbers.items() if not (v > 0 and math.isfinite(v))]
        terms = [self.plate, *_numbers(self.gradient), *_numbers(self.elastic), *(self.strain or ())]
        if not all(math.isfinite(v) for v in (*terms, self.depolarisation or 0.0)):
            said.append("a coefficient is not finite")
        if self.components not in (1, 2, 3):
            said.append(f"components={self.components}: choose 1 (P3), 2 (P1, P2) or 3")
        if self.plate < 0 or (self.plate and self.components == 2):
            said.append("plate must be at least 0 and needs P3, which two components lack")
        if self.depolarisation is not None and (self.components == 1 or self.depolarisation <= 0):
            said.append("depolarisation needs components in the plane and a permittivity above 0")
        if self.flexoelectric is not None and (self.elastic is None or self.gradient is None):
            said.append("flexoelectric needs elastic and gradient terms")
        if self.strain is not None and self.elastic is None:
            said.append("strain needs the elastic term")
        edges = self.row_edges, self.column_edges
        if any(edge is not None for edge in edges) and (self.elastic is not None or self.depolarisation is not None):
            said.append(
                "elastic and depolarisation terms are periodic: no edges with them (gap is the slab's electrostatics)"
            )
        if any(edge is not None for edge in edges) and self.components > 1 and not _nothing(self.gradients):
            said.append("edges need G12 + G44 = G44': a mixed gradient term has no form of its own at an edge")
        if any(length < 0 or math.isnan(length) for edge in edges if edge is not None for length in edge):
            said.append("an extrapolation length is below 0")
        if self.gap is not None and (self.components != 2 or self.row_edges is None or self.column_edges is not None):
            said.append("gap needs two components, edges on the rows (the slab's faces) and none on the columns")
        return said

    @property
    def local(self) -> bool:
        """Whether every term acts on neighbouring cells only."""
        return self.depolarisation is None and self.elastic is None and self.gap is None

    @property
    def gradients(self) -> tuple[float, float, float]:
        """What a component sees along itself, across itself, and the factor of mixed derivatives."""
        g = self.gradient
        return (g.g11, g.across, g.cross) if g else (0.0, 0.0, 0.0)

    @property
    def first_coefficients(self) -> tuple[float, ...]:
        """a1 of each component, with the plate's factor in P3's."""
        a1 = self.landau.a1
        return {1: (a1 + self.plate / 2,), 2: (a1, a1), 3: (a1, a1, a1 + self.plate / 2)}[self.components]

    def ratios(self) -> Floats:
        """Ghost cell over edge cell at rows low, rows high, columns low, columns high; 2 stands for periodic."""
        found = []
        for edges, dx in zip((self.row_edges, self.column_edges), self.spacing, strict=True):
            for length in edges or (math.nan, math.nan):
                found.append(2.0 if math.isnan(length) else 1.0 if math.isinf(length) else _ratio(length / dx))
        return np.array(found)

    @cached_property
    def stiffness(self) -> float:
        """A bound on the largest curvature of the energy of one cell while |P| <= `largest`."""
        known = max(self.landau.spontaneous(n) for n in ((0, 0, 1), (0, 1, 1), (1, 1, 1)))
        largest = self.largest or 1.4 * (known or self._fallback())
        return self._bulk_stiffness(largest) + self._gradient_stiffness() + self._long_range()

    def stable_step(self) -> float:
        """The largest stable time step of explicit integration, 2 / (L stiffness)."""
        return 2 / (self.mobility * self.stiffness)

    def step(self, asked: float | None = None) -> float:
        """The step to take: 0.4 of the stable one, or the one asked for; raises UnstableStep where that is too long."""
        stable = self.stable_step()
        if asked is None:
            return 0.4 * stable
        if not 0 < asked <= stable:
            raise UnstableStep(f"a step of {asked:g} is not in (0, {stable:.4g}], where explicit integration is stable")
        return asked

    def _fallback(self) -> float:
        a1, a11, a111 = abs(self.landau.a1), abs(self.landau.a11), self.landau.a111
        return math.sqrt(a1 / a11) if a11 and not a111 else (a1 / a111) ** 0.25 if a111 else 0.0

    def _bulk_stiffness(self, largest: float) -> float:
        axes = [np.linspace(-1, 1, 7)] * self.components
        directions = np.array(list(itertools.product(*axes)))
        sizes = np.linalg.norm(directions, axis=1, keepdims=True)
        directions = directions / np.where(sizes > 0, sizes, 1.0)
        spokes = np.linspace(0, largest, 9)[:, None, None] * directions
        points = np.zeros((len(spokes) * len(directions), 3))
        kept = [2] if self.components == 1 else list(range(self.components))
        points[:, kept] = spokes.reshape(len(points), -1)
        curvature = self._clamped_landau().curvature(points)[:, kept][:, :, kept]
        return float(np.max(np.abs(np.linalg.eigvalsh((curvature + np.swapaxes(curvature, 1, 2)) / 2)))) + self.plate

    def _clamped_landau(self) -> Landau:
        """The polynomial with the strain held at zero: what elasticity adds to it at most."""
        if self.elastic is None:
            return self.landau
        e = self.elastic
        own = e.c11 * (e.q11**2 + 2 * e.q12**2) / 2 + e.c12 * (2 * e.q11 * e.q12 + e.q12**2)
        pair = e.c11 * (2 * e.q11 * e.q12 + e.q12**2) + e.c12 * (e.q11**2 + 3 * e.q12**2 + 2 * e.q11 * e.q12)
        pair += 2 * e.c44 * e.q44**2
        return replace(self.landau, a11=self.landau.a11 + own, a12=self.landau.a12 + pair)

    def _gradient_stiffness(self) -> float:
        along, across, cross = self.gradients
        dy, dx = self.spacing
        if self.components == 1:
            along, cross = across, 0.0
        return 4 * max(along, across) * (1 / dx**2 + 1 / dy**2) + abs(cross) / (dx * dy)

    def _long_range(self) -> float:
        total = 1 / self.depolarisation if self.depolarisation else 0.0
        if self.gap is not None:
            total += 1 / self.gap.permittivity
        if self.elastic is not None:
            e = self.elastic
            total += 2 * self._clamped(e) * (abs(e.q11) + 2 * abs(e.q12))
        return total

    def _clamped(self, e: Elastic) -> float:
        return (e.c11 + 2 * abs(e.c12)) * max((abs(s) for s in self.strain or (0.0,)), default=0.0)


def _ratio(cells: float) -> float:
    """Ghost over edge cell for P = lambda dP/dn at the face between them, lambda in cells."""
    return (cells - 0.5) / (cells + 0.5)


def _nothing(gradients: tuple[float, float, float]) -> bool:
    """Whether the mixed term is zero, but for rounding."""
    return abs(gradients[2]) <= 1e-9 * max(gradients[:2])


def _numbers(term: object) -> tuple[float, ...]:
    return () if term is None else tuple(vars(term).values())


@dataclass(frozen=True)
class Reduced:
    """Units that make the numbers of order one: P0, |a1| P0^2, sqrt(g / (2 |a1|)), 1 / (L |a1|)."""

    P: float
    energy: float
    length: float
    field: float

    @staticmethod
    def of(landau: Landau, g: float, P0: float | None = None) -> Reduced:
        """Of a polynomial and a gradient coefficient; P0 where it has no polarisation of its own."""
        P = P0 or landau.spontaneous()
        if not P or not landau.a1:
            raise ValueError(
                "reduced units need a spontaneous polarisation and a1 other than 0: give P0, or stay in SI"
            )
        return Reduced(P, abs(landau.a1) * P**2, math.sqrt(g / (2 * abs(landau.a1))), abs(landau.a1) * P)

    def landau(self, landau: Landau) -> Landau:
        """The polynomial in these units."""
        powers = (2, 4, 4, 6, 6, 6, 8, 8, 8, 8)
        return Landau(*(float(c) * self.P**n / self.energy for c, n in zip(landau.vector, powers, strict=True)))

    def gradient(self, gradient: Gradient) -> Gradient:
        """The gradient coefficients in these units."""
        factor = self.P**2 / (self.energy * self.length**2)
        return Gradient(*(value * factor for value in vars(gradient).values()))

    def elastic(self, elastic: Elastic) -> Elastic:
        """Stiffness over the energy density, electrostriction times P0^2."""
        e = elastic
        stiff = (value / self.energy for value in (e.c11, e.c12, e.c44))
        return Elastic(*stiff, *(value * self.P**2 for value in (e.q11, e.q12, e.q44)))

    def permittivity(self, eps_background: float) -> float:
        """eps0 eps_b in these units."""
        return 8.8541878128e-12 * eps_background * self.energy / self.P**2

    def flexoelectric(self, flexoelectric: Flexoelectric) -> Flexoelectric:
        """f of the energy f P_k,l strain_ij."""
        factor = self.P / (self.length * self.energy)
        return Flexoelectric(*(value * factor for value in vars(flexoelectric).values()))

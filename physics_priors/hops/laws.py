"""Pluggable laws of beam-driven hops: the published human prior, sums of Gaussians, a cross section, a learned table.

All of them give the rate to each neighbour as a function of where the beam is in that neighbour's own frame, whose unit
is the way from the atom to it: `along` it and `across` it. So a law is symmetric under the lattice, and what breaks
that symmetry (anisotropy, disorder) is the twin's to add. The published law and its constants are `beam.hop.HopLaw`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.hop import BOND_NM, HopLaw
from physics_priors.beam.knock_on import BARN_NM2
from physics_priors.bounds import Bounds, violations

Floats = NDArray[np.float64]
GAUSSIANS, FLUX, TABLE = 0, 1, 2
"""Families that a compiled kernel knows."""
REFERENCE_PA: Final = 50.0
"""The published rates are taken to be those of this current: 0.231 per second is 0.10 barn at it, FWHM 0.11 nm."""


@dataclass(frozen=True)
class Compiled:
    """A law as arrays for a kernel.

    parts [k, 4]: rate per second and picoampere, along, across, width, lengths in bonds. barn_nm2: the cross section of
    a `FLUX` law. table [U, V]: rate per second and picoampere over along and across, from `low` in steps of `step`.
    """

    family: int
    parts: Floats = field(default_factory=lambda: np.empty((0, 4)))
    barn_nm2: float = 0.0
    table: Floats = field(default_factory=lambda: np.zeros((2, 2)))
    low: float = 0.0
    step: float = 1.0


class HopRates(Protocol):
    """A law of hops."""

    def rates_per_s(self, beam_nm: ArrayLike, neighbours_nm: ArrayLike, current_pA: float = REFERENCE_PA) -> Floats:
        """Rates [..., n] to neighbours [..., n, 2] for a beam [..., 2], both relative to the atom."""
        ...

    def compiled(self) -> Compiled:
        """The same law for a kernel."""
        ...


@dataclass(frozen=True)
class GaussianHops:
    """A sum of Gaussians: each part is (rate_s, along, across, width), lengths in bonds; rates are at 50 pA.

    The default is the published human prior: ln 2 / 3 per second, 0.85 of the way to the neighbour, width root of 0.1.
    """

    parts: tuple[tuple[float, float, float, float], ...] = (
        (HopLaw().largest_rate_s, HopLaw().aim, 0.0, HopLaw().width),
    )
    bond_nm: Annotated[float, Bounds("nm", 0.0, 1.0, open_low=True)] = BOND_NM

    def __post_init__(self) -> None:
        parts = tuple(tuple(float(v) for v in part) for part in self.parts)
        object.__setattr__(self, "parts", parts)
        if any(len(p) != 4 or p[0] < 0 or p[3] <= 0 for p in parts) or violations(self):
            raise ValueError(
                f"GaussianHops: parts must be (rate not below 0, along, across, width above 0); got {parts}"
            )

    def rates_per_s(self, beam_nm: ArrayLike, neighbours_nm: ArrayLike, current_pA: float = REFERENCE_PA) -> Floats:
        along, across = _own_frame(beam_nm, neighbours_nm)
        total = np.zeros(along.shape)
        for rate, u, v, width in self.parts:
            total += rate * np.exp(-(np.square(along - u) + np.square(across - v)) / (2.0 * width**2))
        return np.asarray(total * (current_pA / REFERENCE_PA))

    def compiled(self) -> Compiled:
        parts = np.array(self.parts, dtype=np.float64).reshape(-1, 4)
        parts[:, 0] /= REFERENCE_PA
        return Compiled(GAUSSIANS, parts)


@dataclass(frozen=True)
class FluxHops:
    """A cross section times the electrons that hit the neighbour: the probe decides how exactly one must aim.

    Here the probe is a Gaussian of `fwhm_nm`; a twin puts its own in its place. 0.1 barn is the default at 60 keV, from
    0.01 to 1 barn is believed; `beam.hop.hop_barn` gives it for other energies.
    """

    barn: Annotated[float, Bounds("barn", 0.0, 1e6)] = 0.1
    fwhm_nm: Annotated[float, Bounds("nm", 0.0, 10.0, open_low=True)] = 0.11

    def __post_init__(self) -> None:
        if said := violations(self):
            raise ValueError("FluxHops: " + "; ".join(said))

    def rates_per_s(self, beam_nm: ArrayLike, neighbours_nm: ArrayLike, current_pA: float = REFERENCE_PA) -> Floats:
        from physics_priors.beam.flux import Probe

        away = np.asarray(beam_nm, dtype=np.float64)[..., None, :] - np.asarray(neighbours_nm, dtype=np.float64)
        return Probe(current_pA, self.fwhm_nm).rate_per_s(self.barn, np.hypot(away[..., 0], away[..., 1]))

    def compiled(self) -> Compiled:
        return Compiled(FLUX, barn_nm2=self.barn * BARN_NM2)


@dataclass(frozen=True)
class TabulatedHops:
    """A learned law: rates per second at 50 pA on a square grid over (along, across), bilinear between, 0 outside."""

    rates: Any
    """[n, n] rates per second: first index along, second across."""
    low_bond: float = -1.0
    step_bond: Annotated[float, Bounds("bond", 0.0, 1.0, open_low=True)] = 0.05

    def __post_init__(self) -> None:
        table = np.asarray(self.rates, dtype=np.float64)
        if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all() or (table < 0).any():
            raise ValueError("TabulatedHops: rates must be a table of at least 2 x 2 numbers, none below 0")

    def rates_per_s(self, beam_nm: ArrayLike, neighbours_nm: ArrayLike, current_pA: float = REFERENCE_PA) -> Floats:
        along, across = _own_frame(beam_nm, neighbours_nm)
        table = np.asarray(self.rates, dtype=np.float64)
        places = [(axis - self.low_bond) / self.step_bond for axis in (along, across)]
        cells = [np.floor(place).astype(np.int64) for place in places]
        inside = np.all([(c >= 0) & (c < n - 1) for c, n in zip(cells, table.shape, strict=True)], axis=0)
        i, j = (np.where(inside, cell, 0) for cell in cells)
        a, b = (place - cell for place, cell in zip(places, cells, strict=True))
        first = (1 - b) * table[i, j] + b * table[i, j + 1]
        second = (1 - b) * table[i + 1, j] + b * table[i + 1, j + 1]
        return np.asarray(np.where(inside, (1 - a) * first + a * second, 0.0) * (current_pA / REFERENCE_PA))

    def compiled(self) -> Compiled:
        table = np.asarray(self.rates, dtype=np.float64) / REFERENCE_PA
        return Compiled(TABLE, table=np.ascontiguousarray(table), low=self.low_bond, step=self.step_bond)


def random_gaussians(uniforms: Floats, most: int = 3) -> GaussianHops:
    """One law of a randomised family for training, of 2 + 4 `most` uniforms: 1 to `most` Gaussians.

    The largest rate of each is uniform from 0.01 to 1 per second (Putting Dune, arXiv:2311.17894); where they lie and
    how wide they are is our choice: along 0.4 to 1.2, across -0.3 to 0.3, width 0.15 to 0.5 bonds.
    """
    count = 1 + int(uniforms[0] * most)
    drawn = np.asarray(uniforms[2 : 2 + 4 * count], dtype=np.float64).reshape(count, 4)
    low, high = np.array([0.01, 0.4, -0.3, 0.15]), np.array([1.0, 1.2, 0.3, 0.5])
    return GaussianHops(tuple(tuple(row) for row in low + drawn * (high - low)))


def _own_frame(beam_nm: ArrayLike, neighbours_nm: ArrayLike) -> tuple[Floats, Floats]:
    """(along, across) [..., n] of the beam in each neighbour's frame, in bonds."""
    beam, way = np.asarray(beam_nm, dtype=np.float64)[..., None, :], np.asarray(neighbours_nm, dtype=np.float64)
    length2 = np.square(way).sum(-1)
    along = (beam * way).sum(-1) / length2
    across = (way[..., 0] * beam[..., 1] - way[..., 1] * beam[..., 0]) / length2
    return np.asarray(along), np.asarray(across)

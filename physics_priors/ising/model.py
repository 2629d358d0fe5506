"""Models of a lattice: an exponential family of products of spins.

log p(s) = sum_k theta_k phi_k(s) - log Z, where phi is a sum over sites (a field), over bonds (a pair interaction, of
one direction or of all) or over triangles (the three-body term).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.lattice import Floats, Ints, Lattice

Spins = NDArray[np.int8]
_COORDINATION = {"square": (4, 4, 4), "triangular": (6, 6, 6), "honeycomb": (3, 6)}
ONE, NOTHING = 0, 1
"""After the N sites stand two more spins: one that is always 1, and one that is always 0."""


@dataclass(frozen=True)
class Field:
    """The sum of all spins."""

    @property
    def name(self) -> str:
        """How the parameter is called."""
        return "field"

    def clusters(self, lattice: Lattice) -> Ints:
        """What is summed over, [n, order] sites."""
        return np.arange(len(lattice), dtype=np.int64)[:, None]


@dataclass(frozen=True)
class Pair:
    """The sum of products over the bonds of a shell, of one direction or (None) of all."""

    shell: int = 1
    direction: int | None = None

    @property
    def name(self) -> str:
        """How the parameter is called."""
        return f"pair{self.shell}" + ("" if self.direction is None else f"_{'abc'[self.direction]}")

    def clusters(self, lattice: Lattice) -> Ints:
        """What is summed over, [n, 2] sites; raises LatticeError where the lattice has no such bonds."""
        bonds, directions = lattice.shell(self.shell)
        chosen = bonds if self.direction is None else bonds[directions == self.direction]
        if len(chosen) == 0:
            raise LatticeError(f"this {lattice.kind} lattice has no bonds for {self.name}")
        return chosen


@dataclass(frozen=True)
class Triangle:
    """The sum of products over nearest-neighbour triangles: odd in the spins."""

    @property
    def name(self) -> str:
        """How the parameter is called."""
        return "triangle"

    def clusters(self, lattice: Lattice) -> Ints:
        """What is summed over, [n, 3] sites; raises LatticeError where there are no triangles."""
        if len(lattice.triangles) == 0:
            raise LatticeError(f"this {lattice.kind} lattice has no nearest-neighbour triangles")
        return lattice.triangles


Term = Field | Pair | Triangle


@dataclass(frozen=True)
class Model:
    """A lattice with its terms; parameters theta [K] are in the order of `terms` and in units of kT."""

    lattice: Lattice
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(self.terms))
        if not self.terms or len(set(self.names)) != len(self.names):
            raise LatticeError("a model needs one term at least, and each only once")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(term.name for term in self.terms)

    @cached_property
    def clusters(self) -> tuple[Ints, ...]:
        """What each term sums over."""
        return tuple(term.clusters(self.lattice) for term in self.terms)

    @cached_property
    def partners(self) -> NDArray[np.int32]:
        """[N, m, 2]: the other spins of the m products that a site is in, padded by products that are 0."""
        return np.concatenate([_partners(c, len(self.lattice)) for c in self.clusters], axis=1)

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """[m] which term each of the m products belongs to."""
        widths = [_partners(c, len(self.lattice)).shape[1] for c in self.clusters]
        return np.repeat(np.arange(len(widths)), widths)

    def statistics(self, spins: NDArray[np.int8]) -> Floats:
        """phi [..., K] of spins [..., N]."""
        found = [spins[..., c].prod(-1, dtype=np.int64).sum(-1) for c in self.clusters]
        return np.stack(found, axis=-1).astype(np.float64)

    def local_statistics(self, spins: NDArray[np.int8]) -> Floats:
        """Half the change of phi when a site flips up, [..., N, K]: theta times this is its local field."""
        full = padded(np.asarray(spins))
        products = full[..., self.partners[..., 0]] * full[..., self.partners[..., 1]]
        return np.stack([products[..., self.owner == k].sum(-1) for k in range(len(self.terms))], -1).astype(float)

    def complete(self) -> NDArray[np.bool_]:
        """[N] which sites have all the partners that the lattice gives to a site away from its edges."""
        real = self.partners[..., 0] != len(self.lattice) + NOTHING
        counts = np.stack([real[:, self.owner == k].sum(1) for k in range(len(self.terms))], axis=1)
        inside = [_partners_inside(term, self.lattice.kind) for term in self.terms]
        full = [top if most is None else most for most, top in zip(inside, counts.max(0), strict=True)]
        return np.asarray((counts == np.array(full)).all(1))


def padded(spins: NDArray[np.int8]) -> NDArray[np.int8]:
    """Spins [..., N] with the two auxiliary ones behind them."""
    extra = np.broadcast_to(np.array([1, 0], np.int8), (*spins.shape[:-1], 2))
    return np.concatenate([np.asarray(spins, np.int8), extra], axis=-1)


def checked_spins(spins: Iterable[float] | NDArray[np.generic], sites: int) -> Spins:
    """Spins [..., N] as -1 and 1; raises LatticeError on other labels, another number of sites, or an empty class."""
    values = np.asarray(spins)
    if values.ndim == 0 or values.shape[-1] != sites:
        raise LatticeError(f"{values.shape[-1] if values.ndim else 0} labels for a lattice of {sites} sites")
    known = np.unique(values)
    if not np.isin(known, (-1, 1)).all():
        raise LatticeError(f"labels must be -1 and 1, got {known[:5].tolist()}: map the two species to them")
    return values.astype(np.int8)


def two_classes(spins: NDArray[np.int8]) -> None:
    """Raise LatticeError where one of the two classes is empty: no interaction can be learned from it."""
    if np.all(spins == 1) or np.all(spins == -1):
        raise LatticeError("one of the two classes is empty: interactions cannot be learned from a single species")


def at_temperature(coupling: float, temperature: float) -> float:
    """K = J / T; raises LatticeError at or below zero temperature, where probabilities are not defined."""
    if not temperature > 0:
        raise LatticeError(f"temperature {temperature:g}: probabilities need a temperature above zero")
    return coupling / temperature


def pair_model(lattice: Lattice, *, shells: int = 1, field: bool = False, directional: bool = False) -> Model:
    """Pairs of the first `shells`, with a field or without; `directional`: nearest neighbours one by one direction."""
    terms: list[Term] = [Field()] if field else []
    if directional:
        terms += [Pair(1, int(way)) for way in np.unique(lattice.shell(1)[1])]
    else:
        terms.append(Pair(1))
    return Model(lattice, tuple(terms + [Pair(s) for s in range(2, shells + 1)]))


def triangle_model(lattice: Lattice, *, shells: int = 1) -> Model:
    """Field, pairs and the three-body term: at fixed composition all that w1 and w2 can say."""
    return Model(lattice, (Field(), *(Pair(s) for s in range(1, shells + 1)), Triangle()))


def _partners_inside(term: Term, kind: str) -> int | None:
    """Products that a site away from the edges is in; None on a general lattice, where no one knows."""
    if isinstance(term, Field):
        return 1
    if kind not in _COORDINATION:
        return None
    if isinstance(term, Triangle):
        return 6
    whole = _COORDINATION[kind][term.shell - 1]
    ways = 2 if kind == "square" else 3
    return whole if term.direction is None else whole // ways


def _partners(clusters: Ints, sites: int) -> NDArray[np.int32]:
    """[N, m, 2] of clusters [n, order]: the other members of each, where there are fewer than two the spin 1."""
    order = clusters.shape[1]
    if order == 1:
        return np.full((sites, 1, 2), sites + ONE, np.int32)
    owners, others = [], []
    for corner in range(order):
        owners.append(clusters[:, corner])
        rest = np.delete(clusters, corner, axis=1)
        if order == 2:
            rest = np.concatenate([rest, np.full_like(rest, sites + ONE)], axis=1)
        others.append(rest)
    owner, other = np.concatenate(owners), np.concatenate(others)
    rank = np.argsort(owner, kind="stable")
    owner, other = owner[rank], other[rank]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    table = np.empty((sites, int(place.max()) + 1 if len(place) else 0, 2), np.int32)
    table[..., 0], table[..., 1] = sites + NOTHING, sites + ONE
    table[owner, place] = other
    return table

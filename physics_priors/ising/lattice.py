"""Lattices as sites, bonds by shell and direction, triangles and sublattices.

Regular lattices are periodic or have open edges. On the triangular lattice a site (row, column) lies at
column + row / 2, so that its neighbours are (0, +-1), (+-1, 0), (1, -1), (-1, 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.errors import LatticeError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Kind = Literal["square", "triangular", "honeycomb", "general"]

_SHELLS: dict[str, tuple[tuple[tuple[int, int], ...], ...]] = {
    "square": (((0, 1), (1, 0)), ((1, 1), (1, -1)), ((0, 2), (2, 0))),
    "triangular": (((0, 1), (1, 0), (1, -1)), ((1, 1), (2, -1), (1, -2)), ((0, 2), (2, 0), (2, -2))),
}
"""(row, column) steps by shell; each shell's steps are its directions."""


@dataclass(frozen=True)
class Lattice:
    """N sites with bonds: `bonds[k]` [n, 2] of shell k + 1, `directions[k]` [n] which of its directions each has."""

    kind: Kind
    positions: Floats
    """[N, 2] in units of the nearest-neighbour distance, or in whatever unit a general lattice was given."""
    bonds: tuple[Ints, ...]
    directions: tuple[Ints, ...]
    triangles: Ints = field(default_factory=lambda: np.empty((0, 3), np.int64))
    shape: tuple[int, int] | None = None
    periodic: bool = False

    def __len__(self) -> int:
        return len(self.positions)

    def shell(self, number: int) -> tuple[Ints, Ints]:
        """Bonds [n, 2] and directions [n] of shell 1, 2, ...; raises LatticeError where the lattice has none."""
        if not 1 <= number <= len(self.bonds):
            raise LatticeError(f"shell {number}: this {self.kind} lattice has shells 1 to {len(self.bonds)}")
        return self.bonds[number - 1], self.directions[number - 1]

    def neighbours(self, number: int = 1) -> list[Ints]:
        """Partners of every site in a shell."""
        bonds = self.shell(number)[0]
        both = np.concatenate([bonds, bonds[:, ::-1]])
        both = both[np.argsort(both[:, 0], kind="stable")]
        return np.split(both[:, 1], np.searchsorted(both[:, 0], np.arange(1, len(self))))

    @cached_property
    def bipartite(self) -> bool:
        """Whether nearest neighbours never share a sublattice when there are two of them."""
        colour = np.full(len(self), -1)
        near = self.neighbours()
        for start in range(len(self)):
            if colour[start] >= 0:
                continue
            colour[start], todo = 0, [start]
            while todo:
                site = todo.pop()
                for other in near[site]:
                    if colour[other] < 0:
                        colour[other] = 1 - colour[site]
                        todo.append(int(other))
                    elif colour[other] == colour[site]:
                        return False
        return True


def square(rows: int, columns: int, *, periodic: bool = True) -> Lattice:
    """A square lattice with three shells; raises LatticeError where periodic images would meet."""
    return _regular("square", rows, columns, periodic)


def triangular(rows: int, columns: int, *, periodic: bool = True) -> Lattice:
    """A triangular lattice with three shells and its nearest-neighbour triangles."""
    return _regular("triangular", rows, columns, periodic)


def honeycomb(rows: int, columns: int, *, periodic: bool = True) -> Lattice:
    """A honeycomb of rows x columns cells of two sites: first and second neighbours."""
    _fits(rows, columns, periodic)
    cells = rows * columns
    row, column = np.divmod(np.arange(cells), columns)
    first, way = [], []
    for direction, (r, c) in enumerate(((0, 0), (-1, 0), (0, -1))):
        start, end = _stepped(row, column, (r, c), rows, columns, periodic)
        first.append(np.stack([start, cells + end], axis=1))
        way.append(np.full(len(start), direction))
    second, ways = [], []
    for direction, step in enumerate(_SHELLS["triangular"][0]):
        start, end = _stepped(row, column, step, rows, columns, periodic)
        second += [np.stack([start, end], axis=1), np.stack([cells + start, cells + end], axis=1)]
        ways.append(np.full(2 * len(start), direction))
    corner = np.sqrt(3.0) * _triangular_places(row, column)
    places = np.concatenate([corner, corner + np.array([np.sqrt(3.0) / 2, 0.5])])
    bonds = (np.concatenate(first), np.concatenate(second))
    return Lattice("honeycomb", places, bonds, (np.concatenate(way), np.concatenate(ways)), periodic=periodic)


def general(positions: Floats, bonds: Ints, directions: Ints | None = None) -> Lattice:
    """Any sites [N, 2] and bonds [n, 2]; raises LatticeError where a bond names no site or is there twice."""
    pairs = np.sort(np.asarray(bonds, np.int64).reshape(-1, 2), axis=1)
    places = np.asarray(positions, np.float64)
    if pairs.size and (pairs.min() < 0 or pairs.max() >= len(places) or np.any(pairs[:, 0] == pairs[:, 1])):
        raise LatticeError(f"a bond must join two different sites of 0 to {len(places) - 1}")
    if len(np.unique(pairs, axis=0)) != len(pairs):
        raise LatticeError("a bond is listed twice")
    ways = np.zeros(len(pairs), np.int64) if directions is None else np.asarray(directions, np.int64)
    return Lattice("general", places, (pairs,), (ways,), _triangles_of(pairs, len(places)))


def _regular(kind: Kind, rows: int, columns: int, periodic: bool) -> Lattice:
    _fits(rows, columns, periodic)
    row, column = np.divmod(np.arange(rows * columns), columns)
    bonds, ways = [], []
    for steps in _SHELLS[kind]:
        parts = [_stepped(row, column, step, rows, columns, periodic) for step in steps]
        pairs = np.concatenate([np.stack(part, axis=1) for part in parts])
        way = np.concatenate([np.full(len(part[0]), number) for number, part in enumerate(parts)])
        bonds.append(pairs)
        ways.append(way)
    places = np.stack([column, row], axis=1).astype(float) if kind == "square" else _triangular_places(row, column)
    triangles = np.empty((0, 3), np.int64)
    if kind == "triangular":
        triangles = _triangles(row, column, rows, columns, periodic)
    return Lattice(kind, places, tuple(bonds), tuple(ways), triangles, (rows, columns), periodic)


def _fits(rows: int, columns: int, periodic: bool) -> None:
    smallest = 3 if periodic else 1
    if min(rows, columns) < smallest:
        raise LatticeError(f"{rows} x {columns}: a periodic lattice needs at least 3 rows and columns")


def _stepped(
    row: Ints, column: Ints, step: tuple[int, int], rows: int, columns: int, periodic: bool
) -> tuple[Ints, Ints]:
    """Sites and where a step leads, both [n]; without periodic edges only steps that stay inside."""
    r, c = row + step[0], column + step[1]
    inside = (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
    kept = np.ones(len(r), bool) if periodic else inside
    return (row * columns + column)[kept], ((r % rows) * columns + c % columns)[kept]


def _triangles(row: Ints, column: Ints, rows: int, columns: int, periodic: bool) -> Ints:
    """Both triangles over every site: with (0, 1) and (1, 0), and with (1, 0) and (1, -1)."""
    found = []
    for a, b in (((0, 1), (1, 0)), ((1, 0), (1, -1))):
        sites = row * columns + column
        corners, inside = [sites], np.ones(len(sites), bool)
        for r, c in (a, b):
            inside &= (row + r >= 0) & (row + r < rows) & (column + c >= 0) & (column + c < columns)
            corners.append(((row + r) % rows) * columns + (column + c) % columns)
        kept = np.ones(len(sites), bool) if periodic else inside
        found.append(np.stack(corners, axis=1)[kept])
    return np.concatenate(found)


def _triangular_places(row: Ints, column: Ints) -> Floats:
    return np.stack([column + row / 2, row * np.sqrt(0.75)], axis=1)


def _triangles_of(bonds: Ints, sites: int) -> Ints:
    """All triples of sites that are bonded to each other, [n, 3]."""
    near: list[set[int]] = [set() for _ in range(sites)]
    for a, b in bonds.tolist():
        near[a].add(b)
        near[b].add(a)
    triples = {(a, b, c) for a, b in bonds.tolist() for c in near[a] & near[b] if b < c}
    return np.array(sorted(triples), np.int64).reshape(-1, 3)

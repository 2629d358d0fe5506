"""Graphene: a sheet with dopants and vacancies, open edges, or a grain boundary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np

from instruments import keys as random
from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.twins.stem.samples.crystals import ase, rectangular
from instruments.twins.stem.samples.filling import choose, inside, replaced
from instruments.twins.stem.samples.sites import Ints, Sites, pairs, sites_of
from physics_priors.bounds import Bounds, violations

if TYPE_CHECKING:
    from ase import Atoms

LATTICE_NM: Final = 0.246
BOND_NM: Final = LATTICE_NM / np.sqrt(3.0)
_ELEMENTS: Final = {"silicon": 14, "nitrogen": 7, "phosphorus": 15, "vacancies": 0}
_NEAREST_MERGED_NM: Final = 0.11
Number = Annotated[int, Bounds("atoms", 0, 1000)]
Length = Annotated[float, Bounds("nm", 0.5, 200.0)]


@dataclass(frozen=True)
class Graphene:
    """A flat sheet of whole rectangular cells of about the given size; zigzag rows run along x.

    Dopants each replace one carbon; no two of them, nor a vacancy, are within `apart` bonds of each other. A dopant
    lies flat in the sheet: that threefold silicon stands above it is not modelled.
    """

    width_nm: Length = 4.0
    height_nm: Length = 4.0
    silicon: Number = 1
    nitrogen: Number = 0
    phosphorus: Number = 0
    vacancies: Number = 0
    edge: Literal["none", "open"] = "none"
    """none: the sheet repeats; open: it ends on all four sides, zigzag at the bottom and top, armchair at the sides."""
    boundary_deg: Annotated[float, Bounds("deg", 0.0, 60.0)] = 0.0
    """Misorientation of two grains that meet at x = 0; above 0 the sheet has open edges. Not relaxed: atoms that
    would be nearer than 0.11 nm are merged into one."""
    apart: Annotated[int, Bounds("bonds", 1, 6)] = 2
    margin_nm: Annotated[float, Bounds("nm", 0.0, 50.0)] = 0.5
    """Dopants and vacancies stay this far from the borders."""

    def __post_init__(self) -> None:
        said = violations(self)
        if self.edge not in ("none", "open"):
            said.append(f"edge {self.edge!r}: choose none or open")
        if said:
            raise InvalidRequest("Graphene: " + "; ".join(said))

    def sites(self) -> Sites:
        return self._sites

    @cached_property
    def _sites(self) -> Sites:
        atoms = self._grains() if self.boundary_deg else self._sheet()
        return sites_of("graphene", atoms, ("carbon",), np.zeros(len(atoms), int), BOND_NM, BOND_NM)

    def populate(self, keys: Keys) -> Ints:
        sites = self.sites()
        species = np.repeat(sites.species[None], len(keys), axis=0)
        free = inside(sites, keys, self.margin_nm)
        for word, (name, element) in enumerate(_ELEMENTS.items()):
            chosen, free = choose(sites, random.fold(keys, word), free, getattr(self, name), self.apart)
            species = replaced(species, chosen, element)
        return species

    def _sheet(self) -> Atoms:
        atoms = _cells(self.width_nm, self.height_nm)
        atoms.pbc = (self.edge == "none", self.edge == "none", False)
        return atoms

    def _grains(self) -> Any:
        half = np.array([self.width_nm, self.height_nm]) * 5.0
        whole: Any = _cells(2.0 * self.width_nm + 1.0, 2.0 * self.height_nm + 1.0)
        whole.positions[:, :2] -= whole.positions[:, :2].mean(axis=0)
        left, right = whole.copy(), whole.copy()
        left.rotate(self.boundary_deg / 2, "z")
        right.rotate(-self.boundary_deg / 2, "z")
        left, right = left[left.positions[:, 0] < 0], right[right.positions[:, 0] >= 0]
        both = left + right
        both = both[(np.abs(both.positions[:, :2]) <= half).all(axis=1)]
        both.pbc = False
        return _merged(both)


def _cells(width_nm: float, height_nm: float) -> Atoms:
    layer = ase("build").graphene(a=10.0 * LATTICE_NM, vacuum=5.0)
    return rectangular(layer, (width_nm, height_nm), 2)


def _merged(atoms: Any) -> Any:
    """Pairs that are too near made one atom in the middle, nearest pairs first."""
    first, second, way = pairs(atoms, _NEAREST_MERGED_NM)
    gone: set[int] = set()
    for pair in np.argsort(np.linalg.norm(way, axis=1), kind="stable"):
        one, other = int(first[pair]), int(second[pair])
        if not {one, other} & gone:
            atoms.positions[one] = (atoms.positions[one] + atoms.positions[other]) / 2
            gone.add(other)
    return atoms[[i for i in range(len(atoms)) if i not in gone]]

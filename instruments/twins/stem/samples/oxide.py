"""Perovskites along [001]: SrTiO3, and PbTiO3 grown on it with its polar displacements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np

from instruments import keys as random
from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.twins.stem.samples.crystals import ase
from instruments.twins.stem.samples.filling import choose, inside, replaced
from instruments.twins.stem.samples.sites import Ints, Sites, sites_of
from physics_priors.bounds import Bounds, violations

if TYPE_CHECKING:
    from ase import Atoms

KINDS: Final = ("a_site", "b_site", "oxygen_with_b", "oxygen_with_a", "oxygen")
"""oxygen_with_b stands in the columns of the B sites, oxygen columns of their own are the other two."""
CUBIC_NM: Final = 0.3905
_TETRAGONAL_NM: Final = 0.4156
_POLAR: Final = {"b": 0.5377, "with_a": 0.1118, "with_b": 0.6174}
"""Fractions of c of PbTiO3 at room temperature, lead at 0 (Nelmes and Kuhs, Solid State Commun. 54, 721, 1985)."""
Length = Annotated[float, Bounds("nm", 0.4, 200.0)]
Number = Annotated[int, Bounds("atoms", 0, 1000)]


@dataclass(frozen=True)
class StrontiumTitanate:
    """SrTiO3 of about the given size and thickness, repeating sideways; x, y and beam along the cubic axes."""

    width_nm: Length = 4.0
    height_nm: Length = 4.0
    thickness_nm: Length = 4.0
    oxygen_vacancies: Number = 0

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("StrontiumTitanate: " + "; ".join(said))

    def sites(self) -> Sites:
        return self._sites

    @cached_property
    def _sites(self) -> Sites:
        count = [max(3, round(size / CUBIC_NM)) for size in (self.width_nm, self.height_nm)]
        atoms, kind = _block(38, CUBIC_NM, 1.0, 0, (count[0], count[1], _layers(self.thickness_nm)))
        atoms.pbc = (True, True, False)
        return sites_of("SrTiO3", atoms, KINDS, kind, CUBIC_NM / 2, CUBIC_NM)

    def populate(self, keys: Keys) -> Ints:
        sites = self.sites()
        species = np.repeat(sites.species[None], len(keys), axis=0)
        free = np.repeat((sites.species == 8)[None], len(keys), axis=0)
        chosen, _ = choose(sites, random.fold(keys, 0), free, self.oxygen_vacancies, 0)
        return replaced(species, chosen, 0)


@dataclass(frozen=True)
class TitanateInterface:
    """PbTiO3 above (y > 0) SrTiO3, coherent: the film has the substrate's lattice along x and its c axis along y.

    The interface is the middle of the cell that both share a plane of; edges are open.
    """

    width_nm: Length = 4.0
    film_nm: Length = 2.0
    substrate_nm: Length = 2.0
    thickness_nm: Length = 4.0
    polarisation: Literal["up", "down"] = "up"
    """Where the titanium and oxygen of the film are displaced from lead: titanium by 0.0156 nm, oxygen by 0.046 to
    0.049 nm, against the polarisation."""
    lead_vacancies: Number = 0

    def __post_init__(self) -> None:
        said = violations(self)
        if self.polarisation not in ("up", "down"):
            said.append(f"polarisation {self.polarisation!r}: choose up or down")
        if said:
            raise InvalidRequest("TitanateInterface: " + "; ".join(said))

    def sites(self) -> Sites:
        return self._sites

    @cached_property
    def _sites(self) -> Sites:
        across, deep = max(3, round(self.width_nm / CUBIC_NM)), _layers(self.thickness_nm)
        below, above = (
            max(1, round(size / cell)) for size, cell in ((self.substrate_nm, CUBIC_NM), (self.film_nm, _TETRAGONAL_NM))
        )
        substrate, kind = _block(38, CUBIC_NM, 1.0, 0, (across, below, deep))
        sign = -1 if self.polarisation == "up" else 1
        film, of_film = _block(82, CUBIC_NM, _TETRAGONAL_NM / CUBIC_NM, sign, (across, above, deep))
        film.positions[:, 1] += 10.0 * below * CUBIC_NM
        both = substrate + film
        both.pbc = False
        return sites_of("PbTiO3/SrTiO3", both, KINDS, np.concatenate([kind, of_film]), 0.21, CUBIC_NM)

    def populate(self, keys: Keys) -> Ints:
        sites = self.sites()
        species = np.repeat(sites.species[None], len(keys), axis=0)
        free = inside(sites, keys, 0.0) & (sites.species == 82)
        chosen, _ = choose(sites, random.fold(keys, 0), free, self.lead_vacancies, 0)
        return replaced(species, chosen, 0)


def _layers(thickness_nm: float) -> int:
    return max(1, round(thickness_nm / CUBIC_NM))


def _block(
    a_site: int, lattice_nm: float, stretch: float, polar: int, count: tuple[int, int, int]
) -> tuple[Atoms, Ints]:
    """Cells of a perovskite with c = stretch times a along y, and the kinds of their atoms; polar is -1, 0 or 1."""
    middle = {"b": 0.5, "with_a": 0.0, "with_b": 0.5}
    moved = {n: polar * (_POLAR[n] - middle[n]) + middle[n] for n in middle}
    fractions = np.array(
        [
            [0.0, 0.0, 0.0],
            [0.5, moved["b"], 0.5],
            [0.5, moved["with_b"], 0.0],
            [0.5, moved["with_a"], 0.5],
            [0.0, moved["with_b"], 0.5],
        ]
    )
    cell = 10.0 * lattice_nm * np.array([1.0, stretch, 1.0])
    atoms = ase("").Atoms(numbers=[a_site, 22, 8, 8, 8], scaled_positions=fractions, cell=cell, pbc=True).repeat(count)
    kind = np.array([0, 1, 2, 3, 4], dtype=np.int64)
    return atoms, np.tile(kind, len(atoms) // 5)

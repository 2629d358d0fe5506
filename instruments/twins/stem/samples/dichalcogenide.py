"""MoS2 and WS2 monolayers: a metal plane between two sulphur planes, whose atoms are different sites."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Literal

import numpy as np

from instruments import keys as random
from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.twins.stem.samples.crystals import ase, rectangular
from instruments.twins.stem.samples.filling import choose, choose_each, inside, replaced
from instruments.twins.stem.samples.sites import Ints, Sites, sites_of
from physics_priors.bounds import Bounds, violations

KINDS: Final = ("metal", "sulphur_top", "sulphur_bottom")
_LATTICE_NM: Final = {"Mo": (0.3160, 0.317), "W": (0.3153, 0.314)}
"""Lattice constant, and distance of the two sulphur planes [nm]."""
_RHENIUM, _CHROMIUM = 75, 24
Number = Annotated[int, Bounds("atoms", 0, 1000)]
Length = Annotated[float, Bounds("nm", 0.7, 200.0)]


@dataclass(frozen=True)
class Dichalcogenide:
    """A 1H monolayer of whole rectangular cells of about the given size, zigzag rows along x, repeating.

    The entrance surface is `sulphur_top`; a bottom sulphur leaves the far side, which is where the beam sends it.
    """

    metal: Literal["Mo", "W"] = "Mo"
    width_nm: Length = 4.0
    height_nm: Length = 4.0
    rhenium: Annotated[float, Bounds("", 0.0, 1.0)] = 0.0
    """Share of the metal sites with rhenium, each by its own chance: an alloy without order."""
    dopants: Number = 0
    """Metal atoms replaced by `dopant`."""
    dopant: Literal["Mo", "W", "Cr"] = "Mo"
    top_vacancies: Number = 0
    bottom_vacancies: Number = 0
    margin_nm: Annotated[float, Bounds("nm", 0.0, 50.0)] = 0.0

    def __post_init__(self) -> None:
        said = violations(self)
        for name, known in (("metal", _LATTICE_NM), ("dopant", _DOPANTS)):
            if getattr(self, name) not in known:
                said.append(f"{name} {getattr(self, name)!r}: choose {' or '.join(known)}")
        if said:
            raise InvalidRequest("Dichalcogenide: " + "; ".join(said))

    def sites(self) -> Sites:
        return self._sites

    @cached_property
    def _sites(self) -> Sites:
        lattice, planes = _LATTICE_NM[self.metal]
        layer = ase("build").mx2(f"{self.metal}S2", "2H", a=10.0 * lattice, thickness=10.0 * planes, vacuum=5.0)
        atoms = rectangular(layer, (self.width_nm, self.height_nm), 3)
        middle = atoms.positions[:, 2].mean()
        kind = np.where(atoms.numbers != 16, 0, np.where(atoms.positions[:, 2] < middle, 1, 2))
        bond_nm = float(np.hypot(lattice / np.sqrt(3.0), planes / 2))
        return sites_of(f"{self.metal}S2", atoms, KINDS, kind, bond_nm, lattice)

    def populate(self, keys: Keys) -> Ints:
        sites = self.sites()
        species = np.repeat(sites.species[None], len(keys), axis=0)
        metal = inside(sites, keys, 0.0, "metal")
        species = np.where(choose_each(sites, random.fold(keys, 0), metal, self.rhenium), _RHENIUM, species)
        wanted = (
            ("metal", self.dopants, _DOPANTS[self.dopant]),
            ("sulphur_top", self.top_vacancies, 0),
            ("sulphur_bottom", self.bottom_vacancies, 0),
        )
        for word, (kind, count, element) in enumerate(wanted):
            free = inside(sites, keys, self.margin_nm, kind)
            chosen, _ = choose(sites, random.fold(keys, word + 1), free, count, 0)
            species = replaced(species, chosen, element)
        return species


_DOPANTS: Final = {"Mo": 42, "W": 74, "Cr": _CHROMIUM}

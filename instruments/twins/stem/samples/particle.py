"""Metal nanoparticles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal

import numpy as np

from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.twins.stem.samples.crystals import ase
from instruments.twins.stem.samples.sites import Ints, Sites, sites_of
from physics_priors.bounds import Bounds, violations

_SHAPES: Final = ("octahedron", "icosahedron", "decahedron")
_METALS: Final = {"Au": 0.4078, "Pt": 0.3924, "Pd": 0.3891, "Ag": 0.4085, "Cu": 0.3615, "Ni": 0.3524}
"""Lattice constants [nm] of the face-centred cubic metals."""


@dataclass(frozen=True)
class Nanoparticle:
    """A free particle with closed shells; its support, if any, is a uniform background."""

    metal: str = "Au"
    shape: Literal["octahedron", "icosahedron", "decahedron"] = "octahedron"
    shells: Annotated[int, Bounds("shells", 2, 30)] = 6
    """Atoms along an edge."""
    tilt_deg: Annotated[float, Bounds("deg", -90.0, 90.0)] = 0.0
    """Turn about x after ASE's own orientation."""

    def __post_init__(self) -> None:
        said = violations(self)
        for name, known in (("metal", tuple(_METALS)), ("shape", _SHAPES)):
            if getattr(self, name) not in known:
                said.append(f"{name} {getattr(self, name)!r}: choose {', '.join(known)}")
        if said:
            raise InvalidRequest("Nanoparticle: " + "; ".join(said))

    def sites(self) -> Sites:
        return self._sites

    @cached_property
    def _sites(self) -> Sites:
        cluster = self._cluster()
        atoms = ase("").Atoms(numbers=cluster.numbers, positions=cluster.positions, pbc=False)
        atoms.rotate(self.tilt_deg, "x")
        bond_nm = _METALS[self.metal] / np.sqrt(2.0)
        return sites_of(self.metal, atoms, ("metal",), np.zeros(len(atoms), int), bond_nm, 0.0)

    def populate(self, keys: Keys) -> Ints:
        return np.repeat(self.sites().species[None], len(keys), axis=0)

    def _cluster(self) -> Any:
        lattice, shapes = 10.0 * _METALS[self.metal], ase("cluster")
        if self.shape == "octahedron":
            return shapes.Octahedron(self.metal, self.shells, cutoff=max(0, self.shells // 3), latticeconstant=lattice)
        if self.shape == "icosahedron":
            return shapes.Icosahedron(self.metal, self.shells, latticeconstant=lattice)
        return shapes.Decahedron(self.metal, self.shells, self.shells, 0, latticeconstant=lattice)

"""A sample of one's own, from any structure file that ASE reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from instruments.errors import DataInvalid, InvalidRequest
from instruments.keys import Keys
from instruments.twins.stem.samples.crystals import ase
from instruments.twins.stem.samples.sites import Ints, Sites, sites_of
from physics_priors.bounds import Bounds, violations


@dataclass(frozen=True)
class StructureFile:
    """The atoms of a file (xyz, cif, POSCAR, ...), beam along z; sites are of one kind for each element.

    It repeats sideways where the file says so and its cell is a rectangle; DataInvalid where it cannot be used.
    """

    path: str
    bond_nm: Annotated[float, Bounds("nm", 0.05, 1.0)] = 0.2
    """Atoms up to 1.15 of this apart are neighbours."""
    hop_nm: Annotated[float, Bounds("nm", 0.0, 2.0)] = 0.0

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("StructureFile: " + "; ".join(said))

    def sites(self) -> Sites:
        return self._sites

    @cached_property
    def _sites(self) -> Sites:
        atoms = self._read()
        elements = sorted(set(atoms.get_chemical_symbols()))
        kind = np.array([elements.index(symbol) for symbol in atoms.get_chemical_symbols()], dtype=np.int64)
        return sites_of(Path(self.path).name, atoms, tuple(elements), kind, self.bond_nm, self.hop_nm)

    def populate(self, keys: Keys) -> Ints:
        return np.repeat(self.sites().species[None], len(keys), axis=0)

    def _read(self) -> Any:
        try:
            atoms = ase("io").read(self.path)
        except Exception as error:  # ASE raises what the format's reader raises
            raise DataInvalid(f"{self.path} is not a structure that ASE can read: {error}") from None
        if not len(atoms):
            raise DataInvalid(f"{self.path} holds no atoms")
        square = np.allclose(atoms.cell.array, np.diag(np.diag(atoms.cell.array)))
        atoms.pbc = bool(square and atoms.pbc[0] and atoms.pbc[1] and np.all(np.diag(atoms.cell.array)[:2] > 0))
        return atoms

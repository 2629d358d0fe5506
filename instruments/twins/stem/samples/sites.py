"""What a sample is: sites with neighbours, shared by all rows of a batch, and a recipe that fills them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid
from instruments.keys import Keys
from physics_priors import contrast

if TYPE_CHECKING:
    from ase import Atoms

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NOWHERE: Final = -1
"""Pads the tables of neighbours."""
CLOSEST_NM: Final = 0.06
"""Atoms nearer than this overlap: shorter than any bond but that of hydrogen."""
THERMAL_NM: Final = {6: 0.0055, 7: 0.0055, 8: 0.008, 14: 0.006, 15: 0.006, 16: 0.008, 22: 0.007, 38: 0.008, 42: 0.006}
"""Root mean square displacement along one axis at 300 K; tunables, 0.007 nm for any other element."""


@dataclass(frozen=True)
class Sites:
    """N places for atoms, the same for all rows of a batch.

    positions_nm [N, 3]: x and y in the sample frame, centred on (0, 0); z along the beam, the entrance surface at 0.
    species [N]: atomic numbers of the perfect sample, 0 for a site that is empty. kind [N] is an index into `kinds`.
    neighbours [N, K]: bonded sites, counter-clockwise by azimuth from +x, padded with -1. hops [N, H]: the nearest
    sites of the same kind, where a vacancy can go, likewise. thermal_nm [N]: rms displacement along an axis.
    periodic: whether neighbours wrap around at `extent_nm` (width, height).
    """

    name: str
    positions_nm: Floats
    species: Ints
    kind: Ints
    kinds: tuple[str, ...]
    neighbours: Ints
    hops: Ints
    thermal_nm: Floats
    extent_nm: tuple[float, float]
    periodic: bool
    bond_nm: float

    def __len__(self) -> int:
        return len(self.species)

    def of_kind(self, name: str) -> Ints:
        """Indices of the sites of one kind; DataInvalid where there is no such kind."""
        if name not in self.kinds:
            raise DataInvalid(f"{self.name} has no sites of kind {name!r}; it has: {', '.join(self.kinds)}")
        return np.flatnonzero(self.kind == self.kinds.index(name))


class Recipe(Protocol):
    """How a sample is made."""

    def sites(self) -> Sites:
        """The sites, which do not depend on chance."""
        ...

    def populate(self, keys: Keys) -> Ints:
        """Atomic numbers [B, N] of one world for every key: dopants and vacancies at random."""
        ...


def sites_of(
    name: str, atoms: Atoms, kinds: tuple[str, ...], kind: Sequence[int] | Ints, bond_nm: float, hop_nm: float
) -> Sites:
    """Sites from ASE's atoms: bonded up to 1.15 `bond_nm`, hops up to 1.1 `hop_nm` within a kind (none where 0).

    Raises DataInvalid where atoms overlap, an element is unknown, or there are none.
    """
    species = _checked_elements(name, np.array(atoms.numbers))
    kind = np.asarray(kind, dtype=np.int64)
    periodic = bool(atoms.pbc[0] and atoms.pbc[1])
    _refuse_overlaps(name, atoms)
    near = neighbours(atoms, 1.15 * bond_nm)
    hops = neighbours(atoms, 1.1 * hop_nm, kind) if hop_nm else np.empty((len(species), 0), np.int64)
    positions = np.array(atoms.positions) / 10.0
    extent = _extent_nm(atoms, positions)
    middle = np.array([*extent, 0.0]) / 2 if periodic else _middle(positions)
    positions = positions - np.array([middle[0], middle[1], positions[:, 2].min()])
    thermal = np.array([THERMAL_NM.get(int(z), 0.007) for z in species])
    return Sites(name, positions, species, kind, kinds, near, hops, thermal, extent, periodic, bond_nm)


def neighbours(atoms: Atoms, reach_nm: float, kind: Ints | None = None) -> Ints:
    """Sites within reach [N, K], of the same kind where kinds are given, by azimuth and then by height."""
    first, second, way = pairs(atoms, reach_nm)
    if kind is not None:
        same = kind[first] == kind[second]
        first, second, way = first[same], second[same], way[same]
    azimuth = np.mod(np.round(np.arctan2(way[:, 1], way[:, 0]), 6), round(2 * np.pi, 6))
    order = np.lexsort((way[:, 2], azimuth, first))
    return _table(first[order], second[order], len(atoms))


def pairs(atoms: Atoms, reach_nm: float) -> tuple[Ints, Ints, Floats]:
    """All ordered pairs within reach: first [P], second [P], and the way from one to the other [P, 3] nm.

    A periodic side must be longer than twice the reach, else DataInvalid.
    """
    from scipy.spatial import cKDTree

    repeats = np.array(atoms.pbc)
    box = np.where(repeats, atoms.cell.lengths() / 10.0, 0.0)
    if np.any(box[repeats] <= 2.0 * reach_nm):
        raise DataInvalid(f"a sample that repeats must be more than {2.0 * reach_nm:.3g} nm a side: make it larger")
    places = np.array(atoms.positions) / 10.0
    wrapped = np.mod(places[:, repeats], box[repeats])
    places[:, repeats] = np.where(wrapped < box[repeats], wrapped, 0.0)
    found = cKDTree(places, boxsize=box).query_pairs(reach_nm, output_type="ndarray")
    first, second = np.concatenate([found, found[:, ::-1]]).T.astype(np.int64)
    way = places[second] - places[first]
    way[:, repeats] -= box[repeats] * np.round(way[:, repeats] / box[repeats])
    return first, second, way


def _table(first: Ints, second: Ints, count: int) -> Ints:
    degree = np.bincount(first, minlength=count)
    table = np.full((count, int(degree.max(initial=0))), NOWHERE, dtype=np.int64)
    place = np.arange(len(first)) - np.repeat(np.cumsum(degree) - degree, degree)
    table[first, place] = second
    return table


def _checked_elements(name: str, numbers: NDArray[Any]) -> Ints:
    if not len(numbers):
        raise DataInvalid(f"{name} has no atoms: make it larger")
    try:
        species = contrast.elements(numbers)
    except ValueError as error:
        raise DataInvalid(f"{name}: {error}") from None
    if np.any(species == 0):
        raise DataInvalid(f"{name}: unknown element 'X'; every atom of a sample needs an element")
    return species


def _refuse_overlaps(name: str, atoms: Atoms) -> None:
    first, second, _ = pairs(atoms, CLOSEST_NM)
    if len(first):
        raise DataInvalid(
            f"{name}: atoms {int(first[0])} and {int(second[0])} overlap: they are nearer than {CLOSEST_NM:g} nm"
        )


def _extent_nm(atoms: Atoms, positions: Floats) -> tuple[float, float]:
    across = [
        float(atoms.cell.lengths()[axis]) / 10.0 if atoms.pbc[axis] else float(np.ptp(positions[:, axis]))
        for axis in (0, 1)
    ]
    return across[0], across[1]


def _middle(positions: Floats) -> Floats:
    return np.asarray((positions.min(axis=0) + positions.max(axis=0)) / 2)

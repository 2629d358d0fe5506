"""The one place where ASE is imported: crystals, cells and files."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ase import Atoms


def ase(module: str) -> Any:
    """A module of ASE, by name; it has no types of its own."""
    return importlib.import_module(f"ase.{module}" if module else "ase")


def rectangular(layer: Atoms, size_nm: tuple[float, float], fewest: int) -> Atoms:
    """Whole rectangular cells of about a size, of a hexagonal layer whose second vector is at 120 degrees; periodic."""
    cell = ase("build").make_supercell(layer, [[1, 0, 0], [1, 2, 0], [0, 0, 1]])
    cell.wrap()
    count = [max(fewest, round(10.0 * size / cell.cell.lengths()[axis])) for axis, size in enumerate(size_nm)]
    atoms = cell.repeat((*count, 1))
    atoms.pbc = (True, True, False)
    return cast("Atoms", atoms)

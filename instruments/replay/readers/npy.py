"""A single array in NumPy's own format, memory-mapped: places that nobody asks for are never read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from instruments.errors import DataInvalid
from instruments.replay.found import Contents, Found, Wanted, bare


def read(path: Path, wanted: Wanted) -> Contents:
    """The array; `axis`, `x` and `y` name .npy files beside it. Pickled objects are refused."""
    if wanted.dataset is not None:
        raise DataInvalid(f"{path.name} holds one array without a name: leave dataset out")
    beside = (wanted.axis, wanted.x, wanted.y)
    spectral, x, y = (None if name is None else _array(path.parent / name) for name in beside)
    return Contents((_array(path),), spectral=spectral, x=x, y=y)


def _array(path: Path) -> Found:
    if not path.is_file():
        raise DataInvalid(f"{path.name} is not in {path.parent}")
    return bare(path.name, path.stem, np.lib.format.open_memmap(path, mode="r"))

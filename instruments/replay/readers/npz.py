"""Several named arrays in a zip archive (numpy.savez)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid
from instruments.replay.found import Contents, Found, Wanted, bare


def read(path: Path, wanted: Wanted) -> Contents:
    """The named array, or the only one that can be data; pickled objects are refused."""
    # Opened here: numpy 2.4 leaves a file open whose archive turns out to be damaged.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataInvalid(f"{path.name} is not a .npz archive")
        axes = (wanted.axis, wanted.x, wanted.y)
        spectral, x, y = (None if n is None else _named(archive, n, path.name) for n in axes)
        arrays = [_named(archive, n, path.name) for n in archive.files if n not in axes and _usable(archive, n)]
        if wanted.dataset is not None and wanted.dataset not in (found.where for found in arrays):
            arrays.append(_named(archive, wanted.dataset, path.name))
    return Contents(tuple(arrays), spectral=spectral, x=x, y=y)


def _usable(archive: Mapping[str, NDArray[Any]], name: str) -> bool:
    """Whether an array that was not asked for can be data; one of pickled objects cannot, and is left alone."""
    try:
        values = archive[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            return False
        raise
    return values.ndim in (2, 3) and values.dtype.kind in "biuf"


def _named(archive: Mapping[str, NDArray[Any]], name: str, file: str) -> Found:
    if name not in archive:
        raise DataInvalid(f"{file} has no array {name!r}; it has: {', '.join(archive)}")
    return bare(name, name, archive[name])

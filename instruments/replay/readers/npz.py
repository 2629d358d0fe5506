"""Several named arrays in a zip archive (numpy.savez)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid
from instruments.replay.found import Contents, Found, Wanted, attach, bare


def read(path: Path, wanted: Wanted) -> Contents:
    """The named array, or the only one that can be data; pickled objects are refused."""
    with np.load(path, allow_pickle=False) as archive:
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataInvalid(f"{path.name} is not a .npz archive")
        names = [n for n in archive.files if n not in (wanted.axis, wanted.x, wanted.y)]
        arrays = {n: archive[n] for n in ([wanted.dataset] if wanted.dataset in names else names)}
        spectral, x, y = (
            None if n is None else _named(archive, n, path.name) for n in (wanted.axis, wanted.x, wanted.y)
        )
    found = [bare(n, n, a) for n, a in arrays.items() if a.ndim in (2, 3) and a.dtype.names is None]
    return Contents(tuple(_with_axes(f, wanted, spectral, x, y) for f in found))


def _with_axes(found: Found, wanted: Wanted, spectral: Found | None, x: Found | None, y: Found | None) -> Found:
    has_spectra = found.values.ndim == 3 or found.where == wanted.dataset
    return attach(found, spectral if has_spectra else None, x, y)


def _named(archive: Mapping[str, NDArray[Any]], name: str, file: str) -> Found:
    if name not in archive:
        raise DataInvalid(f"{file} has no array {name!r}; it has: {', '.join(archive)}")
    return bare(name, name, archive[name])

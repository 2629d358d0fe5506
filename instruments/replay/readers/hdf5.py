"""HDF5: NSID, whose datasets carry dimension scales with `dimension_type` and `units`, and plain files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from instruments.errors import DataInvalid
from instruments.replay.found import Contents, Found, FoundAxis, Role, Wanted, bare, role_of


def read(path: Path, wanted: Wanted) -> Contents:
    """All images and grids of spectra in the file, or the named dataset and the images beside it."""
    with h5py.File(path, "r") as file:
        arrays = tuple(_found(dataset) for dataset in _candidates(file, wanted))
        spectral, x, y = (None if n is None else _line(file, n) for n in (wanted.axis, wanted.x, wanted.y))
    return Contents(arrays, spectral=spectral, x=x, y=y)


def _candidates(file: Any, wanted: Wanted) -> list[Any]:
    found: list[Any] = []

    def visit(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim in (2, 3) and item.dtype.kind in "biufc":
            found.append(item)

    file.visititems(visit)
    if wanted.dataset is None:
        return found
    chosen = file.get(wanted.dataset)
    if not isinstance(chosen, h5py.Dataset):
        names = ", ".join(item.name for item in found) or "none"
        raise DataInvalid(f"no dataset {wanted.dataset!r} in the file; images and spectra in it: {names}")
    return [chosen, *(item for item in found if item.ndim == 2 and item != chosen)]


def _found(dataset: Any) -> Found:
    given = _text(dataset.attrs.get("quantity")) or _text(dataset.attrs.get("long_name"))
    name = given or dataset.name.rsplit("/", 1)[-1]
    axes = tuple(_axis(dataset, index) for index in range(dataset.ndim))
    return Found(dataset.name, name, _units(dataset), dataset[()], axes)


def _axis(dataset: Any, index: int) -> FoundAxis:
    dimension = dataset.dims[index]
    if len(dimension) == 0:
        return FoundAxis(name=dimension.label, role=role_of(dimension.label))
    scale = dimension[0]
    name = _text(scale.attrs.get("name")) or dimension.label or scale.name.rsplit("/", 1)[-1]
    kind = _text(scale.attrs.get("dimension_type")).upper()
    role: Role = "spectral" if kind.endswith("SPECTRAL") else role_of(name)
    return FoundAxis(name, _units(scale), np.asarray(scale[()], dtype=np.float64), role)


def _line(file: Any, name: str) -> Found:
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        raise DataInvalid(f"no dataset {name!r} in the file to take an axis from")
    found = bare(dataset.name, dataset.name.rsplit("/", 1)[-1], dataset[()])
    return Found(found.where, found.name, _units(dataset), found.values, found.axes)


def _units(item: Any) -> str:
    return _text(item.attrs.get("units")) or _text(item.attrs.get("unit"))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    return value.strip() if isinstance(value, str) else ""

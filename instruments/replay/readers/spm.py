"""Probe microscopes' formats through SciFiReaders (extra io-spm).

Its readers name the two axes of Nanonis and Gwyddion arrays the wrong way round (rows are called x), give 3ds grids
pixel numbers as nanometres, and write the channel's unit on the axes of Igor images (seen in 0.12.7); so Nanonis
files are read with its lower-level classes, and the axes of the others are put right here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its dependencies say while they are imported is not about our data
    import SciFiReaders

from instruments.errors import DataInvalid
from instruments.replay.found import Contents, Found, FoundAxis, Wanted, bare

_NOT_NEEDED: Final = {"Delay before measuring (s)": 0.0, "Start time": "", "End time": "", "Comment": ""}
"""Header entries that older files lack and Grid insists on."""


def read(path: Path, wanted: Wanted) -> Contents:
    """All images and grids of spectra in the file."""
    return Contents(tuple(_READERS[path.suffix.lower()](path)))


def _igor(path: Path) -> Iterable[Found]:
    datasets = SciFiReaders.IgorIBWReader(str(path)).read()
    for where, dataset in _named(datasets):
        if dataset.ndim not in (2, 3):
            continue
        # Asylum's FastScanSize is in metres, whatever unit the reader writes on the axis.
        metres = "FastScanSize" in (dataset.original_metadata or {})
        axes = tuple(_sidpy_axis(dataset, i, "m" if metres else None) for i in range(dataset.ndim))
        yield Found(where, str(dataset.quantity), str(dataset.units), np.asarray(dataset), axes)


def _gwyddion(path: Path) -> Iterable[Found]:
    datasets = SciFiReaders.GwyddionReader(str(path)).read()
    for where, dataset in _named(datasets):
        if dataset.ndim != 2:
            continue
        named = {str(getattr(dataset, f"dim_{i}").name): _sidpy_axis(dataset, i, None) for i in range(2)}
        yield Found(where, str(dataset.quantity), str(dataset.units), np.asarray(dataset), (named["y"], named["x"]))


def _scan(path: Path) -> Iterable[Found]:
    from SciFiReaders.readers.microscopy.spm.stm.nanonis_base import Scan

    scan = Scan(str(path))
    width_m, height_m = (float(v) for v in scan.header["scan_range"])
    table = scan.header["data_info"]
    for name, unit in zip(table["Name"], table["Unit"], strict=True):
        for direction, values in scan.signals[name].items():
            # A scan down begins at the top; row 0 belongs to the smallest y.
            rows = values if scan.header["scan_dir"] == "up" else values[::-1]
            image = rows[:, ::-1] if direction == "backward" else rows
            title = f"{name} {direction}"
            yield Found(title, title, unit, _native(image), _frame(image, width_m, height_m))


def _grid(path: Path) -> Iterable[Found]:
    from SciFiReaders.readers.microscopy.spm.stm.nanonis_base import Grid

    grid = Grid(str(path), header_override=_NOT_NEEDED)
    _all_there(path, grid)
    width_m, height_m = grid.header["size_xy"]
    sweep_name, _, sweep_unit = grid.header["sweep_signal"].rpartition(" ")
    sweep = FoundAxis(sweep_name, sweep_unit.strip("()"), np.asarray(grid.signals["sweep_signal"]), "spectral")
    for label in grid.header["channels"]:
        name, _, unit = label.rpartition(" ")
        values = _native(grid.signals[label])
        yield Found(label, name, unit.strip("()"), values, (*_frame(values, width_m, height_m), sweep))
    topography = _native(grid.signals["topo"])
    yield Found("topo", "topography", "m", topography, _frame(topography, width_m, height_m))


def _all_there(path: Path, grid: Any) -> None:
    # Grid fills what is missing from a truncated file up with zeros.
    header = grid.header
    columns, rows = header["dim_px"]
    numbers = header["num_parameters"] + header["num_sweep_signal"] * header["num_channels"]
    needed = grid.byte_offset + 4 * rows * columns * numbers
    if path.stat().st_size < needed:
        raise DataInvalid(f"{path.name} is truncated: {path.stat().st_size} bytes of {needed}")


def _tiff(path: Path) -> Iterable[Found]:
    # SciFiReaders fails on a TIFF without a resolution; what it reads them with is used directly. The resolution tag
    # of exported pictures is that of a printer more often than not, so a length has to be given.
    import tifffile  # type: ignore[import-not-found,unused-ignore]

    yield bare(path.name, path.stem, np.asarray(tifffile.imread(path)))


def _frame(values: NDArray[Any], width_m: float, height_m: float) -> tuple[FoundAxis, FoundAxis]:
    rows, columns = values.shape[:2]
    y, x = (np.arange(rows) + 0.5) * height_m / rows, (np.arange(columns) + 0.5) * width_m / columns
    return FoundAxis("y", "m", y, "y"), FoundAxis("x", "m", x, "x")


def _native(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(values.dtype.newbyteorder("="))


def _named(datasets: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(datasets, dict):
        return datasets.items()
    if isinstance(datasets, list):
        return ((f"Channel_{i:03d}", d) for i, d in enumerate(datasets))
    return (("Channel_000", datasets),)


def _sidpy_axis(dataset: Any, index: int, unit: str | None) -> FoundAxis:
    axis = getattr(dataset, f"dim_{index}")
    name = str(axis.name)
    role: Any = name if name in ("x", "y") else "spectral" if axis.dimension_type.name == "SPECTRAL" else "unknown"
    values = np.asarray(axis.values, dtype=np.float64)
    return FoundAxis(name, str(axis.units) if unit is None or role not in ("x", "y") else unit, values, role)


_READERS: Final[dict[str, Callable[[Path], Iterable[Found]]]] = {
    ".ibw": _igor,
    ".gwy": _gwyddion,
    ".sxm": _scan,
    ".3ds": _grid,
    ".tif": _tiff,
    ".tiff": _tiff,
}

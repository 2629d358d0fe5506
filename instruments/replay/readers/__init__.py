"""Readers of recorded data, one small file for each family of formats, imported only when a file needs it.

A reader is `read(path, wanted) -> Contents`. To add one, write the file and name its suffixes in READERS. HDF5,
.npy and .npz are read here; vendor formats go through RosettaSciIO (extra io-em) and SciFiReaders (extra io-spm).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Final

from instruments.errors import DataInvalid, InstrumentError
from instruments.replay.found import Contents, Wanted

READERS: Final = {
    ".npy": "npy",
    ".npz": "npz",
    ".h5": "hdf5",
    ".hf5": "hdf5",
    ".hdf5": "hdf5",
    ".nsid": "hdf5",
    ".hspy": "em",
    ".dm3": "em",
    ".dm4": "em",
    ".emd": "em",
    ".ser": "em",
    ".ibw": "spm",
    ".sxm": "spm",
    ".3ds": "spm",
    ".gwy": "spm",
    ".tif": "spm",
    ".tiff": "spm",
}
"""File suffix -> module in this folder."""

EXTRAS: Final = {"em": "io-em", "spm": "io-spm"}
"""Readers that need an extra, which is named when it is missing."""


def read(path: Path, wanted: Wanted) -> Contents:
    """What a file holds; raises DataInvalid, one line, on an unknown format or anything a parser trips over."""
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise DataInvalid(f"{path.name}: unknown format {suffix or 'without a suffix'!r}; {known()}")
    module = _module(READERS[suffix], suffix)
    try:
        return module.read(path, wanted)  # type: ignore[no-any-return]
    except InstrumentError:
        raise
    except Exception as error:
        # A parser may raise anything at all on a damaged file, and all of it means the same to the caller.
        said = " ".join(f"{type(error).__name__}: {error}".split())[:240]
        raise DataInvalid(f"{path.name} cannot be read: damaged, truncated or not a {suffix} file ({said})") from error


def known() -> str:
    """The formats that can be read, and which extra the others need, as one clause."""
    by_reader: dict[str, list[str]] = {}
    for suffix, reader in READERS.items():
        by_reader.setdefault(reader, []).append(suffix)
    built_in = [s for reader, suffixes in by_reader.items() if reader not in EXTRAS for s in suffixes]
    extras = [f"{' '.join(by_reader[r])} with pip install -e '.[{extra}]'" for r, extra in EXTRAS.items()]
    return f"known: {' '.join(built_in)}; {'; '.join(extras)}"


def _module(reader: str, suffix: str) -> ModuleType:
    try:
        return importlib.import_module(f"{__name__}.{reader}")
    except ImportError as error:
        if reader not in EXTRAS:
            raise
        extra = EXTRAS[reader]
        raise DataInvalid(f"reading {suffix} needs an extra: pip install -e '.[{extra}]' ({error})") from error

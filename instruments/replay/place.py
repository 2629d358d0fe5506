"""Where a recording lies: a path as given, from the working directory or from the checkout's root."""

from __future__ import annotations

from pathlib import Path

import instruments
from instruments.errors import DataInvalid


def locate(path: str) -> Path:
    """The file; raises DataInvalid, naming the places that were tried, where there is none."""
    given = Path(path).expanduser()
    tried = [given] if given.is_absolute() else [Path.cwd() / given, _root() / given]
    for candidate in tried:
        if candidate.is_file():
            return candidate.resolve()
    places = " nor ".join(str(t.resolve()) for t in dict.fromkeys(tried))
    raise DataInvalid(f"no file at {places}; the documented data sets are looked for where PROBEWRIGHT_DATA points")


def _root() -> Path:
    return Path(instruments.__file__).resolve().parents[1]

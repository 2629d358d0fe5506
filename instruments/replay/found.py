"""What a reader hands over: the arrays of a file with the axes it names, before anybody decides what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Calibration

Role = Literal["x", "y", "spectral", "unknown"]

_X: Final = frozenset({"x", "width", "column", "columns", "col", "cols", "x position", "x-axis", "x axis"})
_Y: Final = frozenset({"y", "height", "row", "rows", "y position", "y-axis", "y axis"})


@dataclass(frozen=True)
class FoundAxis:
    """One axis as the file gives it; values None where the file has none, so that only the index is known."""

    name: str = ""
    unit: str = ""
    values: NDArray[np.float64] | None = None
    role: Role = "unknown"


@dataclass(frozen=True)
class Found:
    """One array of a file: where it stands in the file, what it is called, its unit, values and axes."""

    where: str
    name: str
    unit: str
    values: NDArray[Any]
    axes: tuple[FoundAxis, ...]


@dataclass(frozen=True)
class Contents:
    """All arrays of a file that can be an image or a grid of spectra, and what it says of the calibration.

    spectral, x and y are one-dimensional arrays that were asked for by name, to be the axes of the data.
    """

    arrays: tuple[Found, ...]
    calibration: Calibration = field(default_factory=Calibration)
    spectral: Found | None = None
    x: Found | None = None
    y: Found | None = None


@dataclass(frozen=True)
class Wanted:
    """Names inside a file that the caller gave: the data and, for files that do not link them, its axes."""

    dataset: str | None = None
    axis: str | None = None
    x: str | None = None
    y: str | None = None


def role_of(name: str) -> Role:
    """What an axis is by its name alone: x, y or not known."""
    plain = re.sub(r"\(.*\)", "", name).strip().lower()
    if plain in _X:
        return "x"
    return "y" if plain in _Y else "unknown"


def bare(where: str, name: str, values: NDArray[Any]) -> Found:
    """An array without any axes of its own."""
    return Found(where, name, "", values, tuple(FoundAxis() for _ in range(values.ndim)))

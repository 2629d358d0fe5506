"""What is known of a sheet that vacancies are written into: columns, targets, what is missing, the looks that tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from environments.lattice import matched
from environments.rows import SHARED
from instruments.capabilities import Capabilities, Field
from instruments.requests import ScanImage
from physics_priors.bounds import POSITIVE_S, Bounds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pixels = Annotated[int, Bounds("pixels", 4, 1024)]
MATCH_NM: Final = 0.09
"""How far from where it is expected a column may be seen."""
AIM_NM: Final = 0.2
"""How far from the column it is meant for a beam may be parked."""
_ROW_NM: Final = 0.08


@dataclass(frozen=True)
class Looks:
    """How a look is made: its frame covers the field but a margin; and how brightness tells how many atoms are gone.

    A column with less than `one_missing` of the survey's median sulphur column has lost one atom, with less than
    `both_missing` both.
    """

    shape: tuple[Pixels, Pixels] = (64, 64)
    dwell_s: Annotated[float, POSITIVE_S] = 1e-5
    margin_nm: Annotated[float, Bounds("nm", 0.0)] = 0.15
    border_nm: Annotated[float, Bounds("nm", 0.0)] = 0.09
    """Columns nearer to the border of the frame are not judged."""
    one_missing: Annotated[float, Bounds("", 0.0, 1.0)] = 0.78
    both_missing: Annotated[float, Bounds("", 0.0, 1.0)] = 0.4

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def frame(self, field: Field) -> ScanImage:
        """The frame of every look."""
        width, height = (side - 2 * self.margin_nm for side in field.size_nm)
        return ScanImage(field.center_nm, (width, height), self.shape, self.dwell_s)

    def judged(self, places_nm: Floats, field: Field) -> Bools:
        """Which places [B, C, 2] lie far enough inside of the frame."""
        away = np.abs(places_nm - np.array(field.center_nm))
        room = np.array(field.size_nm) / 2 - self.margin_nm - self.border_nm
        return np.asarray((away < room).all(axis=-1))

    def missing(self, relative: Floats) -> Floats:
        """How many atoms are gone by relative brightness, NaN where it is not known."""
        gone = np.where(relative < self.one_missing, 1.0, 0.0) + np.where(relative < self.both_missing, 1.0, 0.0)
        return np.where(np.isfinite(relative), gone, np.nan)


@dataclass(frozen=True)
class State:
    """B rows; C columns are those of the survey."""

    capabilities: Capabilities = field(metadata=SHARED)
    columns_nm: Floats
    """[B, C, 2] as the survey saw them, NaN for none."""
    bright: Floats
    """[B, C] at the survey."""
    level: Floats
    """[B] median of the survey's sulphur columns."""
    sulphur: Bools
    target: Bools
    """[B, C]"""
    first: Floats
    missing: Floats
    """[B, C] atoms missing at the survey, and as known now."""
    hole: Bools
    """[B]"""
    shift_nm: Floats
    """[B, 2] where the columns are now, less where the survey saw them, as of the last look."""
    last: Floats
    """[B, 4]: did the last action look, dwell, did the trace drop, and its first sample over what the survey saw."""
    fidelity: Floats
    electrons: Floats
    since_look: NDArray[np.int64]
    count: NDArray[np.int64]
    usable: Bools
    """[B, tries]"""


def nearest(state: State, place_nm: Floats) -> NDArray[np.int64]:
    """The column [B, 1] that a beam at a place [B, 2] is meant for, -1 where none is near."""
    return matched(place_nm[:, None], state.columns_nm + state.shift_nm[:, None], np.zeros_like(place_nm), AIM_NM)


def last_sample(trace: Floats) -> Floats:
    """The last sample [B] that was reached of traces [B, n], NaN where there is none."""
    reached = np.isfinite(trace).sum(axis=1)
    return np.where(reached > 0, trace[np.arange(len(trace)), np.maximum(reached - 1, 0)], np.nan)


def fidelity(state: State) -> Floats:
    """Targets with one atom missing, less spoiled ones and columns lost elsewhere, over the targets; [B]."""
    wanted = state.target.sum(axis=1)
    written = (state.target & (state.missing == 1)).sum(axis=1)
    spoiled = (state.target & (state.missing > 1)).sum(axis=1)
    lost = (~state.target & (state.missing > state.first)).sum(axis=1)
    return np.asarray((written - spoiled - lost) / np.maximum(wanted, 1), dtype=np.float64)


def line_of(columns_nm: Floats, sulphur: Bools, center_nm: tuple[float, float], length_nm: float) -> NDArray[np.int64]:
    """Columns of the row along x nearest to a place, from left to right, as far as a line reaches; empty: none."""
    free = np.flatnonzero(sulphur)
    if not len(free):
        return free
    middle = free[np.argmin(np.hypot(*(columns_nm[free] - center_nm).T))]
    in_row = np.abs(columns_nm[free, 1] - columns_nm[middle, 1]) < _ROW_NM
    row = free[in_row & (np.abs(columns_nm[free, 0] - center_nm[0]) <= length_nm / 2)]
    return np.asarray(row[np.argsort(columns_nm[row, 0])])


def pattern_of(columns_nm: Floats, sulphur: Bools, points_nm: tuple[tuple[float, float], ...]) -> NDArray[np.int64]:
    """The column nearest to each point of a pattern, each once."""
    free = np.flatnonzero(sulphur)
    if not len(free):
        return free
    return np.unique([free[np.argmin(np.hypot(*(columns_nm[free] - point).T))] for point in points_nm])

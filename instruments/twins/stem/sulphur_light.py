# mypy: disable-error-code="untyped-decorator, no-any-return"
"""What the beam puts on the atoms of a sulphur sheet and what the detector sees of them, compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FLUX, BRIGHT = 0, 1
"""First rows of the work table of `sulphur_kernel`."""


@njit(cache=True)
def brightness(places: Floats, sample: Any, tables: Any, species: Ints, out: Floats) -> None:
    """Expected counts per incident electron at places [K, 2], into `out` [K]."""
    extent, near_start, near = sample[4], sample[5], sample[6]
    work = np.zeros((2, len(species)))
    for k in range(len(places)):
        first, last = reach(places[k], extent, near_start)
        shine(places[k], first, last, sample, tables, 1.0, work[FLUX], work[BRIGHT])
        out[k] = 0.0
        for i in near[first:last]:
            out[k] += work[BRIGHT, i] * tables[2][species[i]]


@njit(cache=True, inline="always")
def reach(place: Floats, extent: Floats, near_start: Ints) -> tuple[int, int]:
    """First and last + 1 in the list of sites that a probe at a place can touch."""
    rows, columns = near_start.shape[0], near_start.shape[1]
    column = math.floor((place[0] / extent[0] + 0.5) * columns) % columns
    row = math.floor((place[1] / extent[1] + 0.5) * rows) % rows
    return near_start[row, column, 0], near_start[row, column, 1]


@njit(cache=True)
def shine(
    place: Floats,
    first: int,
    last: int,
    sample: Any,
    tables: Any,
    electrons_s: float,
    flux: Floats,
    bright: Floats,
) -> None:
    """Flux [1 / (nm^2 s)] at the sites in reach, and the density that their thermal image sees per electron."""
    position, kind, extent, near = sample[0], sample[3], sample[4], sample[6]
    step, image = tables[0], tables[1]
    most = image.shape[1] - 1
    for n in range(first, last):
        i = near[n]
        dx, dy = position[i, 0] - place[0], position[i, 1] - place[1]
        dx -= extent[0] * math.floor(dx / extent[0] + 0.5)
        dy -= extent[1] * math.floor(dy / extent[1] + 0.5)
        r = math.sqrt(dx * dx + dy * dy) / step
        cell = int(r)
        if cell >= most:
            flux[i], bright[i] = 0.0, 0.0
            continue
        part = r - cell
        flux[i] = electrons_s * (image[0, cell] + part * (image[0, cell + 1] - image[0, cell]))
        line = 1 if kind[i] == 0 else 2
        bright[i] = image[line, cell] + part * (image[line, cell + 1] - image[line, cell])


@njit(cache=True, inline="always")
def land(landed: Floats, place: Floats, extent: Floats, electrons: float) -> None:
    """Put electrons into the cell of the map that the beam stands on."""
    rows, columns = landed.shape
    column = math.floor((place[0] / extent[0] + 0.5) * columns) % columns
    row = math.floor((place[1] / extent[1] + 0.5) * rows) % rows
    landed[row, column] += electrons

"""Rows of a batch by their lenses, and what is drawn of them when somebody reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from instruments.keys import Keys
from instruments.twins.stem.event_tables import Block
from instruments.twins.stem.world import World

if TYPE_CHECKING:
    from instruments.twins.stem.microscope import StemMicroscope

Floats = NDArray[np.float64]
Shares = list[tuple[Block, int, int]]
FEW: Final = 64
"""Rows below which it does not pay to draw later what may not be read."""


def shares_of(core: StemMicroscope, world: World) -> Shares:
    """Rows that share their lenses: tables, first row and last + 1."""
    lenses, rows = world.aberrations_nm, len(world.aberrations_nm)
    common = core.common_block(lenses)
    if common is not None:
        return [(common, 0, rows)]
    return [(core.optics(lenses[row])[1], row, row + 1) for row in range(rows)]


def drawn(
    core: StemMicroscope, shares: Shares, draw: Callable[..., None], keys: Keys, expected: Floats, *given: Any
) -> Floats:
    """What is drawn of expected counts [B, n]."""
    found = np.empty_like(expected)
    for block, first, last in shares:
        core.kernels.in_threads(
            core.threads, first, last, draw, expected, *given, core.counting_noise, keys, block, found
        )
    return found

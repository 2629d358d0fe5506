# mypy: disable-error-code="untyped-decorator, no-any-return"
"""The tables of the event kernels in one block of numbers, and what a kernel makes of it. Importing loads Numba.

A kernel that takes twenty arrays spends more time on taking them than on one row. The views made here do not count
references, so that threads do not wait for each other: the caller holds the arrays until the kernel is done.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from instruments.twins.stem.event_tuples import CLOCKWORK, PAIR

Floats = NDArray[np.float64]


@intrinsic
def borrowed(typing_context: Any, array: Any) -> Any:
    """The same array, its references not counted."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = cgutils.create_struct_proxy(signature.return_type)(context, builder, value=arguments[0])
        made.meminfo = cgutils.get_null_value(made.meminfo.type)
        made.parent = cgutils.get_null_value(made.parent.type)
        return made._getvalue()

    return array(array), generated


@njit(cache=True, forceinline=True)
def rows_of(worlds: Any) -> Any:
    """The arrays of worlds, borrowed."""
    return (
        borrowed(worlds[0]), borrowed(worlds[1]), borrowed(worlds[2]), borrowed(worlds[3]), borrowed(worlds[4]),
        borrowed(worlds[5]), borrowed(worlds[6]), borrowed(worlds[7]),
    )  # fmt: skip


@njit(cache=True, forceinline=True)
def room_of(room: Any) -> Any:
    """Room for one world, borrowed: whoever made it must hold it meanwhile."""
    return borrowed(room[0]), borrowed(room[1]), borrowed(room[2])


@njit(cache=True, forceinline=True)
def box_of(block: Any) -> Any:
    """The box of a block."""
    first = block[2][1, 0]
    return block[0][first : first + 4]


@njit(cache=True)
def scratch(block: Any) -> Any:
    """Room for the pairs, the odd sites and the clockwork of any world; used again from row to row."""
    sites, near = block[2][4, 1], block[2][4, 2]
    return np.empty((sites * near, PAIR)), np.empty((2 * sites, 3)), np.zeros(CLOCKWORK)


@njit(cache=True, forceinline=True)
def tables_of(block: Any) -> Any:
    """shared, optics, law, detector (see `event_tuples`), and the bounds of a look that `event_tables.peaks` gives."""
    floats, whole, at = borrowed(block[0]), borrowed(block[1]), borrowed(block[2])
    one = floats[at[0, 0] :]
    box, strength = floats[at[1, 0] : at[1, 0] + 4], floats[at[2, 0] : at[2, 0] + at[2, 1]]
    shared = (
        _floats(floats, at, 3), _whole(whole, at, 4), _whole(whole, at, 5), box, _whole(whole, at, 6),
        _whole(whole, at, 7), _whole(whole, at, 8), _whole(whole, at, 9),
    )  # fmt: skip
    probe, lattice, atom = _floats(floats, at, 10), _floats(floats, at, 11), _floats(floats, at, 12)
    optics = probe, one[0], lattice, (one[1], one[2]), atom, strength
    law = at[15, 0], _floats(floats, at, 13), one[3], _floats(floats, at, 14), one[4], one[5]
    return shared, optics, law, (one[6], one[7], one[8], one[9]), (one[10], one[11], one[12], one[13], one[14], one[15])


@njit(cache=True, forceinline=True)
def _floats(floats: Any, at: Any, number: int) -> Any:
    """A table [rows, columns]."""
    first, rows, columns = at[number, 0], at[number, 1], at[number, 2]
    return floats[first : first + rows * columns].reshape(rows, columns)


@njit(cache=True, forceinline=True)
def _whole(whole: Any, at: Any, number: int) -> Any:
    """A table of whole numbers [rows, columns]."""
    first, rows, columns = at[number, 0], at[number, 1], at[number, 2]
    return whole[first : first + rows * columns].reshape(rows, columns)

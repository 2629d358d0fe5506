# mypy: disable-error-code="untyped-decorator, no-any-return"
"""The gate through which threads come to help with a call, without a lock. Importing loads Numba.

A call is open while its rows last. Who enters helps, and leaves; who comes too late finds it closed, and nobody waits
for those. A helper waits for the next call awake for a while: to wake a thread takes as long as a hundred rows do.
"""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from instruments.compiled_turns import APART, Turns

Gate = NDArray[np.int64]
CALL, FIRST, ENTERED, LEFT = 0, APART, 2 * APART, 3 * APART
"""The number of the latest call, the first of its rows, how many helpers entered it and how many have left it."""
_CLOSED = 2**32


def new_gate() -> Gate:
    """A closed one."""
    gate = np.zeros(LEFT + APART, np.int64)
    gate[ENTERED] = _CLOSED
    return gate


@njit(cache=True)
def open_gate(gate: Gate, shares: Turns, turns: Turns) -> None:
    """Begin a call: rows as `shares` has them. What helpers read of it must stand ready."""
    turns[:] = shares
    _swapped(gate, FIRST, turns[0, 0])
    _swapped(gate, LEFT, 0)
    _swapped(gate, ENTERED, 0)
    _added(gate, CALL, 1)


@njit(cache=True, nogil=True)
def enter(gate: Gate) -> bool:
    """Help with the latest call; whether it is still open."""
    return _added(gate, ENTERED, 1) < _CLOSED


@njit(cache=True, nogil=True)
def watch(gate: Gate, turns: Turns, left: int, seen: int, patience: int) -> bool:
    """Leave as many calls, and look out for one after `seen`; whether one came, and its first rows have been taken."""
    _added(gate, LEFT, left)
    for _ in range(patience):
        if _loaded(gate, CALL) != seen and _loaded(turns[0], 0) != _loaded(gate, FIRST):
            return True
        _rest()
    return _loaded(gate, CALL) != seen


@njit(cache=True, nogil=True)
def close_gate(gate: Gate) -> int:
    """Let nobody in any more; how many did enter, none where it was closed already."""
    entered = _swapped(gate, ENTERED, _CLOSED)
    return entered if entered < _CLOSED else 0


@njit(cache=True, nogil=True)
def all_left(gate: Gate, entered: int, patience: int) -> bool:
    """Wait for helpers to leave; whether they have."""
    for _ in range(patience):
        if _loaded(gate, LEFT) >= entered:
            return True
        _rest()
    return False


@intrinsic
def _added(typing_context: Any, array: Any, index: Any, count: Any) -> Any:
    """Add to a number as one act, whatever other threads do; what it was before."""
    return types.int64(array, index, count), _at_once("add")


@intrinsic
def _swapped(typing_context: Any, array: Any, index: Any, number: Any) -> Any:
    """Put a number in the place of another as one act; what it was before."""
    return types.int64(array, index, number), _at_once("xchg")


@intrinsic
def _loaded(typing_context: Any, array: Any, index: Any) -> Any:
    """A number as it is now, whatever other threads do."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, arguments), "seq_cst", 8)

    return types.int64(array, index), generated


@intrinsic
def _rest(typing_context: Any) -> Any:
    """Leave the processor to whoever shares it, for some tens of nanoseconds where it can."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if platform.machine() in ("x86_64", "AMD64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generated


def _at_once(act: str) -> Any:
    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        number = context.cast(builder, arguments[2], signature.args[2], types.int64)
        return builder.atomic_rmw(act, place, number, "seq_cst")

    return generated


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    whole = context.make_array(signature.args[0])(context, builder, arguments[0])
    index = context.cast(builder, arguments[1], signature.args[1], types.intp)
    return cgutils.get_item_pointer(context, builder, signature.args[0], whole, [index])

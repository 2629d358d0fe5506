"""Taking and replacing rows of frozen dataclasses of arrays [B, ...]: worlds of cores and states of tasks.

A dataclass field whose metadata says `shared` is common to all rows, and so is everything that is neither an array,
a mapping nor a dataclass. A state's second axis may grow with the number of actions: what lies beyond a row's own
count is padding, which its owner must ignore.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Rows = NDArray[np.intp]
SHARED: Final = {"shared": True}
"""Field metadata: common to all rows."""
Filled = Mapping[str, NDArray[np.int64]]
_NONE: Final[Filled] = {}
_LARGE: Final = 4096
"""[bytes] A row as large is copied by itself, without a copy of all rows between."""
KEPT: Final = {"kept": True}
"""Field metadata: large, and never handed out by its owner; `put` edits its rows in place."""


def take(batch: T, rows: Rows) -> T:
    """The batch of the given rows, copied."""
    return _mapped(batch, lambda array: array[rows])  # type: ignore[no-any-return]


def put(
    batch: T,
    rows: Rows,
    fresh: T,
    own: Collection[str] = (),
    at: Rows | None = None,
    filled: Filled = _NONE,
    was: Filled = _NONE,
) -> T:
    """The batch with `rows` replaced by those of `fresh`, or by its rows `at`.

    Where one is shorter along axis 1 it is padded with zeros. Arrays of the batch named in `own`, or whose metadata
    says `kept`, are nobody else's: they are edited in place where nothing is to be padded. `filled` says of such arrays
    how far the rows of `fresh` go along axis 1, with zeros beyond, and `was` says it of the batch's: no more is copied.
    """
    which = np.arange(len(rows)) if at is None else at
    return _joined(batch, rows, fresh, which, own, filled, was)  # type: ignore[no-any-return]


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, np.ndarray):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(item, change) for name, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{name: _mapped(getattr(value, name), change) for name in _per_row(value)})
    return value


def _joined(
    old: Any, rows: Rows, new: Any, at: Rows, own: Collection[str] = (), filled: Filled = _NONE, was: Filled = _NONE
) -> Any:
    if isinstance(old, np.ndarray):
        return old if old is new else _replaced(old, rows, new, at)
    if isinstance(old, Mapping):
        return {name: _joined(item, rows, new[name], at) for name, item in old.items()}
    if dataclasses.is_dataclass(old) and not isinstance(old, type):
        after = {}
        for name, kept in _per_row(old).items():
            one, fresh = getattr(old, name), getattr(new, name)
            if kept or name in own:
                after[name] = _edited(one, rows, fresh, at, filled.get(name), was.get(name))
            else:
                after[name] = _joined(one, rows, fresh, at)
        return dataclasses.replace(old, **after)
    return old


def _edited(old: NDArray[Any], rows: Rows, new: NDArray[Any], at: Rows, filled: Any, was: Any) -> NDArray[Any]:
    if old.shape[1:] != new.shape[1:]:
        return _replaced(old, rows, new, at)
    if old[:1].nbytes < _LARGE:
        old[rows] = new[at]
        return old
    whole = np.full(len(rows), old.shape[1])
    ends, before = whole if filled is None else filled[at], whole if was is None else was[rows]
    for row, one, end, last in zip(rows.tolist(), at.tolist(), ends.tolist(), before.tolist(), strict=True):
        old[row, :end] = new[one, :end]
        if last > end:
            old[row, end:last] = 0
    return old


def _replaced(old: NDArray[Any], rows: Rows, new: NDArray[Any], at: Rows) -> NDArray[Any]:
    if old.ndim == 1 or old.shape[1] == new.shape[1]:
        joined = old.copy()
        joined[rows] = new[at]
        return joined
    joined = np.zeros((len(old), max(old.shape[1], new.shape[1]), *old.shape[2:]), old.dtype)
    joined[:, : old.shape[1]] = old
    joined[rows] = 0
    joined[rows, : new.shape[1]] = new[at]
    return joined


def _per_row(value: Any) -> Mapping[str, bool]:
    """The fields that each row has its own of, and whether they are kept."""
    kind: Any = type(value)
    return _fields_of(kind)


@lru_cache
def _fields_of(kind: Any) -> Mapping[str, bool]:
    return {f.name: f.metadata.get("kept", False) for f in dataclasses.fields(kind) if not f.metadata.get("shared")}

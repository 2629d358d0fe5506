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
_NONE: Final[Mapping[str, Any]] = {}
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
    blank: Mapping[str, NDArray[np.bool_]] | None = None,
) -> T:
    """The batch with `rows` replaced by those of `fresh`, or by its rows `at`.

    Where one is shorter along axis 1 it is padded with zeros. Arrays of the batch named in `own`, or whose metadata
    says `kept`, are nobody else's: they are edited in place where nothing is to be padded. `blank` says of such arrays
    which rows of `fresh` are zero all over; these are not read.
    """
    which = np.arange(len(rows)) if at is None else at
    return _joined(batch, rows, fresh, which, own, blank or {})  # type: ignore[no-any-return]


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, np.ndarray):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(item, change) for name, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{name: _mapped(getattr(value, name), change) for name in _per_row(value)})
    return value


def _joined(
    old: Any, rows: Rows, new: Any, at: Rows, own: Collection[str] = (), blank: Mapping[str, Any] = _NONE
) -> Any:
    if isinstance(old, np.ndarray):
        return old if old is new else _replaced(old, rows, new, at)
    if isinstance(old, Mapping):
        return {name: _joined(item, rows, new[name], at) for name, item in old.items()}
    if dataclasses.is_dataclass(old) and not isinstance(old, type):
        fields = {name: (getattr(old, name), rows, getattr(new, name), at) for name in _per_row(old)}
        edited = [name for name, kept in _per_row(old).items() if kept or name in own]
        after = {name: _joined(*field) for name, field in fields.items() if name not in edited}
        return dataclasses.replace(old, **after, **{n: _edited(*fields[n], blank.get(n)) for n in edited})
    return old


def _edited(old: NDArray[Any], rows: Rows, new: NDArray[Any], at: Rows, blank: Any = None) -> NDArray[Any]:
    if old.shape[1:] != new.shape[1:]:
        return _replaced(old, rows, new, at)
    if old[:1].nbytes < _LARGE:
        old[rows] = new[at]
        return old
    for row, one in zip(rows.tolist(), at.tolist(), strict=True):
        old[row] = 0 if blank is not None and blank[one] else new[one]
    return old


def _replaced(old: NDArray[Any], rows: Rows, new: NDArray[Any], at: Rows) -> NDArray[Any]:
    if old.ndim > 1 and old.shape[1] != new.shape[1]:
        longest = max(old.shape[1], new.shape[1])
        old, new = _padded(old, longest), _padded(new, longest)
    joined = old.copy()
    joined[rows] = new[at]
    return joined


def _padded(array: NDArray[Any], length: int) -> NDArray[Any]:
    missing = length - array.shape[1]
    return np.pad(array, [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2)) if missing else array


def _per_row(value: Any) -> Mapping[str, bool]:
    """The fields that each row has its own of, and whether they are kept."""
    kind: Any = type(value)
    return _fields_of(kind)


@lru_cache
def _fields_of(kind: Any) -> Mapping[str, bool]:
    return {f.name: f.metadata.get("kept", False) for f in dataclasses.fields(kind) if not f.metadata.get("shared")}

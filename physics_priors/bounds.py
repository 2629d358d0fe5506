"""Numbers with units and allowed intervals, checked in one place.

A field or argument that crosses a border is annotated `Annotated[float, Bounds("s", 0.0, 10.0)]`. Requests
check their own fields with it when they are built; the configuration checks constructor arguments with it
before anything is built.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Bounds:
    """The interval a number may lie in, ends included unless said to be open, with its unit."""

    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def contains(self, value: float) -> bool:
        """Whether `value` lies in the interval; NaN never does, infinity never does."""
        if not math.isfinite(value):
            return False
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        if math.isinf(self.low):
            left = "("
        if math.isinf(self.high):
            right = ")"
        return f"{left}{self.low:g}, {self.high:g}{right}{' ' + self.unit if self.unit else ''}"


ANY = Bounds()
POSITIVE_S = Bounds("s", 0.0, open_low=True)
NOT_NEGATIVE_S = Bounds("s", 0.0)
POSITIVE_NM = Bounds("nm", 0.0, open_low=True)
NM = Bounds("nm")
VOLT = Bounds("V")


def bounds_of(hint: Any) -> Bounds | None:
    """The Bounds an annotation carries, looking through `X | None` and `tuple[X, ...]`; None without any."""
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, Bounds):
                return extra
        return bounds_of(get_args(hint)[0])
    for part in get_args(hint):
        found = bounds_of(part)
        if found is not None:
            return found
    return None


_FIELD_BOUNDS: dict[type[Any], Mapping[str, Bounds]] = {}


def field_bounds(cls: type[Any]) -> Mapping[str, Bounds]:
    """The Bounds of every annotated field of a dataclass, by field name; read once for each class."""
    if cls not in _FIELD_BOUNDS:
        _FIELD_BOUNDS[cls] = _read_field_bounds(cls)
    return _FIELD_BOUNDS[cls]


def _read_field_bounds(cls: type[Any]) -> Mapping[str, Bounds]:
    hints = get_type_hints(cls, include_extras=True)
    found = {f.name: bounds_of(hints[f.name]) for f in fields(cls)}
    return {name: b for name, b in found.items() if b is not None}


def violations(instance: object) -> list[str]:
    """One line for each field of a dataclass instance that lies outside its Bounds or is not a number."""
    said = []
    cls: type[Any] = type(instance)
    for name, allowed in field_bounds(cls).items():
        whole = getattr(instance, name)
        if type(whole) is float and allowed.contains(whole):
            continue
        for value in _numbers(whole):
            if not _is_number(value):
                said.append(f"{name} must be a number, got {value!r}")
            elif not allowed.contains(float(value)):
                said.append(f"{name}={value!r} is outside {allowed}")
    return said


def _numbers(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, tuple):
        return [inner for item in value for inner in _numbers(item)]
    return [value]


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, (bool, str))

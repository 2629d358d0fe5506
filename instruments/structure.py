"""Has a value the structure that its type hint promises: numbers, whole numbers, text, pairs of them, or None."""

from __future__ import annotations

import types
from dataclasses import fields
from numbers import Integral, Real
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

_HINTS: dict[type[Any], dict[str, Any]] = {}
_PLAIN: dict[type[Any], tuple[tuple[str, Any], ...]] = {}
"""By class, for each field: the type that values nearly always have, so that nothing more need be asked."""
_NAMES: dict[Any, str] = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
_NUMBERS: dict[Any, type[Any]] = {float: Real, int: Integral}


def misfits(instance: object) -> list[str]:
    """One line for each field of a dataclass instance whose value has not the structure of its annotation."""
    cls = type(instance)
    if cls not in _HINTS:
        hints = get_type_hints(cls)
        _HINTS[cls] = {f.name: hints[f.name] for f in fields(cls)}  # type: ignore[arg-type]
        _PLAIN[cls] = tuple((name, _plain(hint)) for name, hint in _HINTS[cls].items())
    said = []
    for name, plain in _PLAIN[cls]:
        value = getattr(instance, name)
        if not _is(plain, value) and not fits(hint := _HINTS[cls][name], value):
            said.append(f"{name} must be {wanted(hint)}, got {value!r}")
    return said


def _plain(hint: Any) -> Any:
    """A class, or a tuple of classes, that fits a hint as it stands; object where there is no such."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _plain(inner[0])
    if origin is tuple and inner[-1] is not Ellipsis:
        return tuple(map(_plain, inner))
    return hint if isinstance(hint, type) and origin is None else object


def _is(plain: Any, value: Any) -> bool:
    if type(plain) is tuple:
        return type(value) is tuple and len(value) == len(plain) and all(map(_is, plain, value))
    return type(value) is plain


def fits(hint: Any, value: Any) -> bool:
    """Whether a value has the structure of a type hint; numpy's scalars are numbers, booleans are not."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return fits(inner[0], value)
    if origin in (Union, types.UnionType):
        return any(fits(one, value) for one in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if inner[-1] is Ellipsis:
            return all(fits(inner[0], item) for item in value)
        return len(value) == len(inner) and all(map(fits, inner, value))
    if hint in _NUMBERS:
        return isinstance(value, _NUMBERS[hint]) and not isinstance(value, bool)
    return isinstance(value, hint)


def wanted(hint: Any) -> str:
    """A type hint in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return wanted(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(wanted(one) for one in inner)
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return f"a tuple, each item {wanted(inner[0])}"
        return f"a tuple of {len(inner)}, each {wanted(inner[0])}"
    return "None" if hint is types.NoneType else _NAMES.get(hint, f"a {hint.__name__}")

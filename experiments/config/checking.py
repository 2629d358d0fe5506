"""Plain values held against types: every key known, every value of its type and within its bounds.

The same walk checks a configuration and builds it: what differs is what is made of a component (a mapping
with `_target_`), which `Checker` is given.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from experiments.config.errors import ConfigError, nearest_first, unknown
from experiments.config.signatures import TARGET, Signature, constructor, locate, signature_of
from physics_priors.bounds import Bounds

Make = Callable[[str, Mapping[str, Any], str], Any]
"""(target, its checked arguments, the key it stands at) -> what stands for the component."""

SAID = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path"}


def keep(target: str, arguments: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The component as it was, still plain, where it may be made at all."""
    constructor(target, where)
    return {TARGET: target, **arguments}


class Checker:
    """Holds plain values against types; `make` says what becomes of components."""

    def __init__(self, make: Make = keep) -> None:
        self._make = make

    def value(self, value: Any, hint: Any, where: str) -> Any:
        """`value` as `hint` wants it (a list as a tuple, a mapping as a dataclass); raises ConfigError."""
        origin = get_origin(hint)
        if origin is Annotated:
            return self._annotated(value, hint, where)
        if origin in (Union, types.UnionType):
            return self._union(value, get_args(hint), where)
        if isinstance(value, Mapping) and TARGET in value:
            return self.component(value, where, hint)
        if origin is Literal:
            return _choice(value, get_args(hint), where)
        if hint in SAID:
            return _simple(value, hint, where)
        return self._structure(value, hint, origin or hint, where)

    def component(self, node: Mapping[str, Any], where: str, hint: Any = Any) -> Any:
        """A mapping with `_target_`, its arguments held against that constructor's signature."""
        arguments = {str(name): value for name, value in node.items()}
        target = arguments.pop(TARGET)
        if not isinstance(target, str):
            raise ConfigError(f"{where}.{TARGET}={target!r} must be a dotted name, module.Class")
        cls = locate(target, where)
        if _plain_class(hint) and inspect.isclass(cls) and not issubclass(cls, hint):
            raise ConfigError(f"{where}.{TARGET}={target!r} is not a {hint.__module__}.{hint.__qualname__}")
        return self._make(target, self.arguments(arguments, signature_of(cls), where), where)

    def dataclass(self, plain: Mapping[str, Any], cls: type[Any], where: str) -> Any:
        """A dataclass of settings from a mapping."""
        arguments = self.arguments(plain, signature_of(cls), where)
        try:
            return cls(**arguments)
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error

    def arguments(self, plain: Mapping[str, Any], signature: Signature, where: str) -> dict[str, Any]:
        """Keyword arguments for a signature; raises ConfigError on an unknown or a missing one."""
        known, prefix = signature.arguments, f"{where}." if where else ""
        for name in plain:
            if name not in known and not signature.open:
                raise ConfigError(unknown("key", name, known, listed_as="keys here", prefix=prefix))
        for argument in known.values():
            if argument.required and argument.name not in plain:
                raise ConfigError(f"{prefix}{argument.name} is missing: it has no default and must be given")
        hints = {name: known[name].hint if name in known else Any for name in plain}
        return {name: self.value(value, hints[name], prefix + name) for name, value in plain.items()}

    def _annotated(self, value: Any, hint: Any, where: str) -> Any:
        inner, *extras = get_args(hint)
        checked = self.value(value, inner, where)
        for bounds in (extra for extra in extras if isinstance(extra, Bounds)):
            _within(checked, bounds, where)
        return checked

    def _union(self, value: Any, members: Sequence[Any], where: str) -> Any:
        if value is None and type(None) in members:
            return None
        others = [member for member in members if member is not type(None)]
        if len(others) == 1:
            return self.value(value, others[0], where)
        said = []
        for member in others:
            try:
                return self.value(value, member, where)
            except ConfigError as error:
                said.append(str(error))
        raise ConfigError(", or ".join(dict.fromkeys(said)))

    def _structure(self, value: Any, hint: Any, kind: Any, where: str) -> Any:
        if inspect.isclass(kind) and dataclasses.is_dataclass(kind):
            return value if isinstance(value, kind) else self.dataclass(_mapping(value, where), kind, where)
        if kind is tuple:
            return self._tuple(_list(value, where), get_args(hint), where)
        if kind is list or kind is Sequence:
            (item,) = get_args(hint) or (Any,)
            return [self.value(v, item, f"{where}[{i}]") for i, v in enumerate(_list(value, where))]
        if kind is dict or kind is Mapping:
            item = (get_args(hint) or (str, Any))[1]
            return {name: self.value(v, item, f"{where}.{name}") for name, v in _mapping(value, where).items()}
        if _plain_class(hint) or _is_protocol(hint):
            raise ConfigError(f"{where}={value!r} must be a component: a mapping with {TARGET}")
        return self._anything(value, where)

    def _tuple(self, values: Sequence[Any], items: Sequence[Any], where: str) -> tuple[Any, ...]:
        if len(items) == 2 and items[1] is Ellipsis:
            items = [items[0]] * len(values)
        if items and len(values) != len(items):
            raise ConfigError(f"{where}={list(values)} must have {len(items)} values")
        hints = items or [Any] * len(values)
        return tuple(self.value(v, h, f"{where}[{i}]") for i, (v, h) in enumerate(zip(values, hints, strict=True)))

    def _anything(self, value: Any, where: str) -> Any:
        if isinstance(value, Mapping):
            return {name: self.value(v, Any, f"{where}.{name}") for name, v in value.items()}
        if isinstance(value, list):
            return [self.value(v, Any, f"{where}[{i}]") for i, v in enumerate(value)]
        return value


def _simple(value: Any, hint: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    quote = f""" (as text it is written {where}='"{value}"')""" if hint is str and value is not None else ""
    raise ConfigError(f"{where}={_shown(value)} must be {SAID[hint]}{quote}")


def _choice(value: Any, choices: Sequence[Any], where: str) -> Any:
    if any(value == choice and type(value) is type(choice) for choice in choices):
        return value
    names = nearest_first(str(value), map(str, choices))
    raise ConfigError(f"{where}={_shown(value)} must be one of: {', '.join(names)}")


def _within(value: Any, bounds: Bounds, where: str) -> None:
    if isinstance(value, (tuple, list)):
        for item in value:
            _within(item, bounds, where)
    elif isinstance(value, (int, float)) and not bounds.contains(float(value)):
        raise ConfigError(f"{where}={_shown(value)} is outside {bounds}")


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{where}={_shown(value)} must be a mapping of names to values")
    return value


def _list(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where}={_shown(value)} must be a list, [a, b, ...]")
    return value


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def _is_protocol(hint: Any) -> bool:
    return bool(getattr(hint, "_is_protocol", False))


def _plain_class(hint: Any) -> bool:
    return inspect.isclass(hint) and hint not in (object, type(None)) and hint is not Any and not _is_protocol(hint)

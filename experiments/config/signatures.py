"""What a class takes: the names, types, bounds and defaults of its constructor's arguments."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast, get_type_hints

from experiments.config.errors import ConfigError, unknown

TARGET = "_target_"
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Argument:
    """One argument of a constructor; `default` is `inspect.Parameter.empty` where it must be given."""

    name: str
    hint: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class Signature:
    """The arguments of a constructor by name; `open` where it takes any others too (**kwargs)."""

    arguments: Mapping[str, Argument]
    open: bool


def signature_of(target: Callable[..., Any]) -> Signature:
    """What `target` (a class or a function) takes; a hint that cannot be evaluated counts as Any."""
    return _read_signature(cast(Hashable, target))


@lru_cache(512)
def _read_signature(target: Any) -> Signature:
    hints = _hints(target)
    parameters = inspect.signature(target).parameters.values()
    arguments = {p.name: Argument(p.name, hints.get(p.name, Any), p.default) for p in parameters if p.kind in NAMED}
    if dataclasses.is_dataclass(target):
        arguments |= {name: _with_factory(target, given) for name, given in arguments.items()}
    return Signature(arguments, any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters))


def locate(target: str, where: str) -> Callable[..., Any]:
    """The class or function that the dotted name `target` means; raises ConfigError where there is none."""
    module_name, _, name = target.rpartition(".")
    if not module_name:
        raise ConfigError(f"{where}.{TARGET}={target!r} must be a dotted name, module.Class")
    found = getattr(_import(module_name, target, where), name, None)
    if found is None:
        classes = _classes_of(_import(module_name, target, where))
        raise ConfigError(f"{where}.{TARGET}: {unknown('name', name, classes, listed_as=f'classes of {module_name}')}")
    if not callable(found):
        raise ConfigError(f"{where}.{TARGET}={target!r} is not a class")
    return found  # type: ignore[no-any-return]


def constructor(target: str, where: str) -> Callable[..., Any]:
    """What makes the component, from Hydra, which refuses targets that no configuration should name (os.system)."""
    from hydra.errors import InstantiationException

    try:
        return _permitted(target, locate(target, where))
    except InstantiationException as error:
        raise ConfigError(f"{where}: {error}") from error


@lru_cache(512)
def _permitted(target: str, found: Callable[..., Any]) -> Callable[..., Any]:
    """Hydra's verdict, asked for once for each class: `found` tells classes of the same name apart."""
    from hydra.utils import instantiate

    return instantiate({TARGET: target, "_partial_": True})  # type: ignore[no-any-return]


def _classes_of(module: Any) -> list[str]:
    return [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]


def _import(module_name: str, target: str, where: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{where}.{TARGET}={target!r} cannot be imported ({said})") from error


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    owner: Any = target
    if inspect.isclass(target) and not dataclasses.is_dataclass(target):
        owner = target.__init__
    try:
        return get_type_hints(owner, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def _with_factory(target: Any, given: Argument) -> Argument:
    for field in dataclasses.fields(target):
        if field.name == given.name and field.default_factory is not dataclasses.MISSING:
            return dataclasses.replace(given, default=field.default_factory())
    return given

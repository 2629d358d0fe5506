"""Overrides as typed on the command line, looked at before Hydra composes anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from experiments.config.errors import ConfigError, unknown
from experiments.config.settings import CampaignSettings
from experiments.config.signatures import TARGET
from experiments.config.sources import Groups, check_option

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

KEYS = tuple(field.name for field in dataclasses.fields(CampaignSettings))


def parse(texts: Sequence[str]) -> list[Override]:
    """Hydra's reading of the overrides; raises ConfigError on a syntax error."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    parsed = []
    for text in texts:
        try:
            parsed.append(parser.parse_override(text))
        except HydraException as error:
            why = next((str(e) for e in (error.__cause__, error) if e and e.args and e.args[0]), "it ends too early")
            raise ConfigError(f"override {text!r} is not written as key=value: {why.splitlines()[0]}") from error
    return parsed


ONLY = "_only_"
"""Key of what a component is replaced by: Hydra merges mappings, and would keep the arguments of another class."""


def prepared(
    texts: Sequence[str], known: Groups, *, keys: Collection[str] = KEYS, sweep: bool = False, hydra: bool = False
) -> list[str]:
    """The overrides for Hydra, one for each, checked for what can be said without composing.

    A key that the YAML leaves at its default may be set without `+`: whether it exists is checked against the
    constructors afterwards. A mapping with `_target_` replaces what stood there (see `replaced`). `sweep` allows
    several values for a key, `hydra` allows Hydra's own keys.
    """
    moved: dict[str, str] = {}
    return [_moved(override, _prepared(override, known, keys, sweep, hydra), moved) for override in parse(texts)]


def replaced(plain: Any) -> Any:
    """Composed plain values in which every component that an override gave anew stands alone."""
    if isinstance(plain, dict):
        return replaced(plain[ONLY]) if ONLY in plain else {name: replaced(item) for name, item in plain.items()}
    return [replaced(item) for item in plain] if isinstance(plain, list) else plain


def _moved(override: Override, text: str, moved: dict[str, str]) -> str:
    """An override of a replaced component, sent to where that stands; `moved` says where, by key."""
    key = str(override.key_or_group)
    above = max((old for old in moved if key.startswith(f"{old}.")), key=len, default="")
    place = moved[above] + key.removeprefix(above) if above else key
    value = override.value() if override.value_type is not None else None
    if isinstance(value, dict) and any(str(getattr(name, "text", name)) == TARGET for name in value):
        place = moved[key] = f"{moved.get(key, place)}.{ONLY}"
    elif not above:
        return text
    prefix, equals, rest = text.partition("=")
    return prefix.removesuffix(key) + place + equals + rest


def _prepared(override: Override, known: Groups, keys: Collection[str], sweep: bool, hydra: bool) -> str:
    text, key = str(override.input_line), str(override.key_or_group)
    if key == "hydra" or key.startswith(("hydra.", "hydra/")):
        if not hydra:
            raise ConfigError(f"{key} is a setting of Hydra itself: use `python -m experiments.run` for those")
        return text
    if override.is_sweep_override() and not sweep:
        raise ConfigError(f"{text} gives several values: run them all with --multirun, or write {key}=[...] for a list")
    if key in known and not isinstance(override.value(), dict):
        for option in _options_of(override):
            check_option(key, option, known)
        return text
    first = key.partition(".")[0].partition("@")[0]
    if not first:
        raise ConfigError(f"override {text!r} is not written as key=value: the key is missing")
    if first not in keys and first not in known:
        raise ConfigError(unknown("key", first, sorted({*keys, *known}), listed_as="keys here"))
    return f"++{text}" if _is_change(override) else text


def _is_change(override: Override) -> bool:
    return not (override.is_add() or override.is_force_add() or override.is_delete())


def _options_of(override: Override) -> Iterator[str]:
    """The options of a group that an override asks for; none where they come from a glob."""
    from hydra.core.override_parser.types import ChoiceSweep

    value: Any = override.value()
    if override.is_delete() and value is None:
        return
    if isinstance(value, ChoiceSweep):
        yield from map(_text, value.list)
    elif isinstance(value, list):
        yield from map(_text, value)
    elif not override.is_sweep_override():
        yield _text(value)


def _text(value: Any) -> str:
    return str(getattr(value, "text", value))

"""Sweep overrides (seed=0,1,2 or range(...) or glob(...)) as the overrides of every single job."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.config.errors import ConfigError
from experiments.config.overrides import parse, prepared
from experiments.config.sources import Groups, groups, user_dirs

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


def expanded(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> list[list[str]]:
    """One list of overrides for each job, the last key varying fastest; raises ConfigError."""
    known = groups(user_dirs(config_dirs))
    prepared(overrides, known, sweep=True)
    choices = [list(_single(override, known)) for override in parse(overrides)]
    return [list(combination) for combination in itertools.product(*choices)]


@dataclass(frozen=True)
class _Options:
    """What Hydra asks of its loader when it reads a glob."""

    known: Groups

    def get_group_options(self, group_name: str, **_: Any) -> list[str]:
        if group_name not in self.known:
            raise ConfigError(f"{group_name}=glob(...): {group_name} is no group; groups: {', '.join(self.known)}")
        return list(self.known[group_name])


def _single(override: Override, known: Groups) -> Iterator[str]:
    if not override.is_sweep_override():
        yield str(override.input_line)
        return
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line}: interval(...) needs an optimiser: list the values, or use range()")
    override.config_loader = _Options(known)
    values = list(override.sweep_string_iterator())
    if not values:
        raise ConfigError(f"{override.input_line} gives no value at all")
    yield from (f"{override.get_key_element()}={value}" for value in values)

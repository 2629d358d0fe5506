"""Scenarios: how a twin's truth relates to what a matching prior assumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from instruments.errors import DataInvalid

NAMES: Final = ("matched", "shifted", "misspecified")


def scenario_name(scenario: Mapping[str, Any]) -> str:
    """The scenario's name, `matched` where none is given; raises DataInvalid on an unknown name or key."""
    unknown = sorted(set(scenario) - {"name"})
    if unknown:
        raise DataInvalid(f"unknown scenario key {unknown[0]!r}; known: name")
    name = scenario.get("name", "matched")
    if name not in NAMES:
        raise DataInvalid(f"unknown scenario {name!r}; known: {', '.join(NAMES)}")
    return str(name)

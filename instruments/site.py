"""What differs from site to site, as a frozen dataclass that a JSON file fills."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from instruments.errors import DataInvalid
from instruments.structure import misfits
from physics_priors.bounds import violations

S = TypeVar("S", bound="Site")


class Site:
    """Base of site settings, which are frozen dataclasses; raises DataInvalid on a value outside its type or bounds."""

    def __post_init__(self) -> None:
        said = misfits(self) or violations(self) or self.contradictions()
        if said:
            raise DataInvalid("site settings: " + "; ".join(said))

    def contradictions(self) -> list[str]:
        """One line for everything wrong that a single value's range cannot say."""
        return []


def read_site(kind: type[S], path: Path) -> S:
    """The settings of a JSON file with any of the fields of `kind`; raises DataInvalid on one that it has not."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataInvalid(f"the site settings cannot be read: {error}") from None
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(plain, dict) or set(plain) - known:
        raise DataInvalid(f"{path}: site settings have the keys {', '.join(sorted(known))}")
    try:
        return kind(**{name: _tuples(value) for name, value in plain.items()})
    except TypeError as error:
        raise DataInvalid(f"{path}: {error}") from None


def site_of(kind: type[S], variable: str) -> S:
    """The settings of the file that an environment variable names; where it names none, those of the class."""
    named = os.environ.get(variable)
    if named is not None:
        return read_site(kind, Path(named))
    try:
        return kind()
    except TypeError as error:
        raise DataInvalid(f"{variable} must name a JSON file with site settings: {error}") from None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value

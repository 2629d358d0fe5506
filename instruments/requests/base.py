"""What every request is, and how requests travel as plain values.

Every field carries its unit in its name and is checked when the request is built. Positions are (x, y) in the
sample frame [nm]; image shapes are (rows, columns), row 0 at the smallest y. A new modality is a new class in the
file of its kind of microscope, decorated with `@request`, not a new method on every instrument.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from instruments.errors import InvalidRequest
from instruments.structure import misfits
from physics_priors.bounds import NM, POSITIVE_NM, POSITIVE_S, VOLT, Bounds, violations

Nm = Annotated[float, NM]
Point = tuple[Nm, Nm]
Size = tuple[Annotated[float, POSITIVE_NM], Annotated[float, POSITIVE_NM]]
Pixels = Annotated[int, Bounds("pixels", 1, 65536)]
Seconds = Annotated[float, POSITIVE_S]
Volts = Annotated[float, VOLT]
Force = Annotated[float, Bounds("nN", 0.0)]

KINDS: dict[str, type[Request]] = {}
C = TypeVar("C", bound="type[Request]")
PARTS: dict[str, type[Any]] = {}
"""Values inside requests that are no requests themselves."""
P = TypeVar("P", bound="type[Any]")
_NAMES: dict[type[Any], tuple[str, ...] | None] = {}
_UNCHANGED = frozenset({float, int, str, bool, type(None)})


@dataclass(frozen=True)
class Request:
    """Base of all requests. Raises InvalidRequest when a field is outside its range."""

    def __post_init__(self) -> None:
        said = misfits(self) or violations(self) or self.contradictions()
        if said:
            raise InvalidRequest(f"{self.kind}: " + "; ".join(said))

    @property
    def kind(self) -> str:
        """Name of the request, as it stands in the journal and in `Capabilities.requests`."""
        return type(self).__name__

    def contradictions(self) -> list[str]:
        """One line for everything wrong that a single field's range cannot say."""
        return []

    def places_nm(self) -> NDArray[np.float64]:
        """Corners of what beam or tip will touch, [n, 2]; empty where nothing is touched."""
        return np.empty((0, 2))

    def peak_bias_V(self) -> float:
        """Largest |bias| the request applies."""
        return 0.0

    def peak_force_nN(self) -> float:
        """Largest force the request sets."""
        return 0.0


def request(cls: C) -> C:
    """Register a request class under its name, so that a journal can be read back."""
    KINDS[cls.__name__] = cls
    return cls


def part(cls: P) -> P:
    """Register a value that stands inside requests, such as a stopping condition."""
    PARTS[cls.__name__] = cls
    return cls


def to_plain(value: Any) -> Any:
    """A request as nested plain values (dict, list, numbers, text), for the journal and the wire."""
    cls = type(value)
    if cls in _UNCHANGED:
        return value
    names = _field_names(cls)
    if names is not None:
        plain: dict[str, Any] = {"kind": cls.__name__}
        for name in names:
            item = getattr(value, name)
            plain[name] = item if type(item) in _UNCHANGED else to_plain(item)
        return plain
    if isinstance(value, tuple):
        return [item if type(item) in _UNCHANGED else to_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _field_names(cls: type[Any]) -> tuple[str, ...] | None:
    """Of a dataclass, read once for each; None of what is none."""
    if cls not in _NAMES:
        _NAMES[cls] = tuple(f.name for f in fields(cls)) if is_dataclass(cls) else None
    return _NAMES[cls]


def from_plain(value: Any) -> Any:
    """The inverse of `to_plain`; raises InvalidRequest on an unknown kind or field."""
    if isinstance(value, dict):
        body = dict(value)
        kind = body.pop("kind", None)
        cls: type[Any] | None = KINDS.get(str(kind)) or PARTS.get(str(kind))
        if cls is None:
            raise InvalidRequest(f"unknown request kind {kind!r}; known: {', '.join(sorted(KINDS))}")
        try:
            return cls(**{name: from_plain(item) for name, item in body.items()})
        except TypeError as error:
            raise InvalidRequest(f"{kind}: {error}") from None
    if isinstance(value, list):
        return tuple(from_plain(item) for item in value)
    return value

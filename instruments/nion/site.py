"""What differs from column to column: names of controls, their factors, and what may be set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from instruments.errors import DataInvalid

ABERRATIONS: Mapping[str, tuple[tuple[str, ...], float]] = {
    "C1": (("C10",), 1.0),
    "A1": (("C12.x", "C12.y"), 1.0),
    "B2": (("C21.x", "C21.y"), 3.0),
    "A2": (("C23.x", "C23.y"), 1.0),
    "C3": (("C30",), 1.0),
    "S3": (("C32.x", "C32.y"), 4.0),
    "A3": (("C34.x", "C34.y"), 1.0),
}
"""CEOS name -> controls of its parts, and control [m] for an aberration of 1 m: chi of both notations is the same."""


@dataclass(frozen=True)
class Site:
    """The map of one column; lengths in nm, whatever Swift counts in. Raises DataInvalid where it is none."""

    blanker: str = "C_Blank"
    current: str = "BeamCurrent"
    energy: str = "EHT"
    convergence: str = "ConvergenceAngle"
    stage: tuple[str, str] = ("stage_position_m.x", "stage_position_m.y")
    aberrations: Mapping[str, tuple[tuple[str, ...], float]] = field(default_factory=lambda: ABERRATIONS)
    channels: Mapping[str, str] = field(default_factory=lambda: {"HAADF": "dark_field", "MAADF": "medium_angle"})
    """Swift's name of a detector -> the channel that it is here."""
    field_nm: float = 1000.0
    """Side of what scan and parked probe may reach, around the scan's centre."""
    stage_range_nm: float = 100_000.0
    aberration_range_nm: float = 100_000.0
    """How far C1, A1 and the axial coma may be set; third order 100 times as far."""

    def __post_init__(self) -> None:
        for name in ("field_nm", "stage_range_nm", "aberration_range_nm"):
            if not getattr(self, name) > 0:
                raise DataInvalid(f"site map: {name} must be positive")

    @property
    def controls(self) -> tuple[str, ...]:
        """Every control that it names."""
        parts = [name for names, _ in self.aberrations.values() for name in names]
        return (self.blanker, self.current, self.energy, self.convergence, *self.stage, *parts)


def read_site(path: Path) -> Site:
    """The map of a JSON file with any of the fields of `Site`; raises DataInvalid on an unknown one."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataInvalid(f"the site map cannot be read: {error}") from None
    known = {f.name for f in fields(Site)}
    if not isinstance(plain, dict) or set(plain) - known:
        raise DataInvalid(f"{path}: a site map has the keys {', '.join(sorted(known))}")
    try:
        return replace(Site(), **{name: _tuples(value) for name, value in plain.items()})
    except (TypeError, ValueError) as error:
        raise DataInvalid(f"{path}: {error}") from None


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value

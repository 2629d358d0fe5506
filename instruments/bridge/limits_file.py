"""The server's own limits, read from a JSON file beside the instrument: what they refuse no client can allow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from instruments.errors import DataInvalid
from instruments.guard import Limits, Zone
from physics_priors.bounds import violations


def read_limits(path: Path) -> Limits:
    """Limits of a file such as {"bias_V": 5.0, "exclude": [{"center_nm": [0, 0], "radius_nm": 50}]}.

    Raises DataInvalid on an unknown key or a value that is no non-negative number: a limit that is misread is none.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataInvalid(f"the limits cannot be read: {error}") from None
    if not isinstance(plain, dict):
        raise DataInvalid(f"{path}: the limits must be one mapping")
    known = [field.name for field in fields(Limits)]
    unknown = sorted(set(plain) - set(known))
    if unknown:
        raise DataInvalid(f"{path}: unknown limit {', '.join(unknown)}; known: {', '.join(known)}")
    numbers = {name: _number(path, name, value) for name, value in plain.items() if name != "exclude"}
    limits = Limits(exclude=tuple(_zone(path, zone) for zone in plain.get("exclude", ())), **numbers)
    said = violations(limits)
    if said:
        raise DataInvalid(f"{path}: " + "; ".join(said))
    return limits


def _zone(path: Path, zone: Mapping[str, Any]) -> Zone:
    if not (isinstance(zone, dict) and set(zone) == {"center_nm", "radius_nm"} and len(zone["center_nm"]) == 2):
        raise DataInvalid(f"{path}: a zone needs center_nm [x, y] and radius_nm, got {zone!r}")
    x, y = (float(value) for value in zone["center_nm"])
    return Zone((x, y), _number(path, "radius_nm", zone["radius_nm"]))


def _number(path: Path, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value < float("inf"):
        raise DataInvalid(f"{path}: {name} must be a number, not negative, got {value!r}")
    return float(value)

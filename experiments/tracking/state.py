"""What has been projected so far: one small file beside the journal, replaced whole."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "tracking.json"


@dataclass(frozen=True)
class State:
    """How far the projection of one campaign has come, at one address.

    high_water is the last event whose metrics have arrived, in_flight the last one that was ever sent: between the
    two, nobody knows. `told` is the status last told, with the event it comes from. `artifacts` maps what was
    uploaded to a fingerprint. `error` is why the last attempt failed, empty when it did not.
    """

    uri: str = ""
    experiment: str = ""
    run_id: str = ""
    high_water: int = 0
    in_flight: int = 0
    described: bool = False
    told: str = ""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def load(folder: Path) -> State:
    """The state in a run folder; an empty one where there is none or it cannot be read (MLflow is then asked)."""
    try:
        plain = json.loads((folder / NAME).read_text())
        return State(**{f.name: _checked(plain, f) for f in dataclasses.fields(State) if f.name in plain})
    except (OSError, ValueError, TypeError):
        return State()


def save(folder: Path, state: State) -> None:
    """Replace the state durably: written beside, synced, renamed."""
    temporary = folder / f"{NAME}.tmp"
    with temporary.open("w") as file:
        json.dump(dataclasses.asdict(state), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / NAME)


def _checked(plain: Mapping[str, Any], of: dataclasses.Field[Any]) -> Any:
    value = plain[of.name]
    kind = {"int": int, "bool": bool, "str": str}.get(str(of.type), dict)
    if not isinstance(value, kind):
        raise TypeError(of.name)
    return value

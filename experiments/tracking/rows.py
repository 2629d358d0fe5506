"""What a journal's events become in MLflow: pure functions, so that a second projection is equal to the first."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.campaign.journal import Event

KINDS = ("decision", "housekeeping", "outcome")
PARAMETER_LENGTH = 6000
KEY_LENGTH = 250


@dataclass(frozen=True)
class Row:
    """The metrics of one step, with the event that completes it and its time [ms since 1970]."""

    seq: int
    t_ms: int
    step: int
    metrics: Mapping[str, float]


def rows(events: Iterable[Event]) -> Iterator[Row]:
    """One row for each outcome, with the decision and the housekeeping that came before it."""
    waiting: dict[str, float] = {}
    for event in events:
        if event.kind == "outcome":
            yield Row(event.seq, milliseconds(event.t), event.step, waiting | _of_outcome(event.payload))
            waiting = {}
        elif event.kind == "decision":
            waiting |= _of_decision(event.payload)
        elif event.kind == "housekeeping":
            waiting |= _named(f"housekeeping/{event.payload['what']}", event.payload["figures"])


def milliseconds(t: float) -> int:
    """A time [s] as MLflow wants it [ms]."""
    return round(t * 1000)


def finite(value: float) -> float:
    """The value, NaN kept, infinity as the largest number (which is what MLflow's database makes of it)."""
    return value if math.isnan(value) else max(-sys.float_info.max, min(sys.float_info.max, value))


def flatten(plain: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and text, cut at what MLflow holds."""
    flat: dict[str, str] = {}
    for name, value in plain.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{key}.")
        else:
            flat[clean(key)] = cut(value if isinstance(value, str) else json.dumps(value, default=str))
    return flat


def cut(text: str, length: int = PARAMETER_LENGTH) -> str:
    """The text, at most `length` characters long, with an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1] + "…"


def clean(key: str) -> str:
    """A name MLflow accepts: other characters become underscores."""
    return re.sub(r"[^\w.\- :/]", "_", key, flags=re.ASCII)[:KEY_LENGTH]


def _of_outcome(payload: Mapping[str, Any]) -> dict[str, float]:
    names = ("value", "best_value", "reward", "seconds", "electrons")
    found = {name: finite(float(payload[name])) for name in names if payload.get(name) is not None}
    accepted = payload["accepted"]
    return found | ({"accepted": float(accepted[-1])} if len(accepted) else {})


def _of_decision(payload: Mapping[str, Any]) -> dict[str, float]:
    return _named("agent", payload["figures"]) | {"decide_ms": 1000.0 * float(payload["decide_s"])}


def _named(prefix: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {clean(f"{prefix}/{name.replace('/', '_')}"): finite(float(value)) for name, value in figures.items()}

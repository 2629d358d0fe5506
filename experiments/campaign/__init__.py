"""The campaign: loop, budget, journal, resume, run folder. The journal is the only source of truth.

`run`, `resume`, `plan` and `status` are loaded when first asked for, so that reading a journal stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.campaign.ended import Result
    from experiments.campaign.planning import Plan, plan
    from experiments.campaign.running import resume, run
    from experiments.campaign.state import RunState, status

_HOME = {
    "Plan": "planning",
    "Result": "ended",
    "RunState": "state",
    "plan": "planning",
    "resume": "running",
    "run": "running",
    "status": "state",
}

__all__ = ["Plan", "Result", "RunState", "plan", "resume", "run", "status"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

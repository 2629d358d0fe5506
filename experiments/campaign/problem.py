"""What an agent is told: the environment's brief and spaces in the agents' own types."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from agents.protocol import AgentError, Problem
from environments.task import Brief


def problem_of(brief: Brief, space: gymnasium.Space[Any]) -> Problem:
    """The problem of an environment; raises AgentError for an action space that agents do not know."""
    choices = None
    if isinstance(space, gymnasium.spaces.Discrete):
        low, high, choices = np.zeros(1), np.full(1, float(space.n) - 1.0), int(space.n)
    elif isinstance(space, gymnasium.spaces.Box):
        low, high = space.low.astype(float).ravel(), space.high.astype(float).ravel()
    else:
        raise AgentError(f"no agent acts on a {type(space).__name__}: use Box or Discrete")
    return Problem(
        low=low,
        high=high,
        objective=brief.objective,
        value_name=brief.value_name,
        value_unit=brief.value_unit,
        choices=choices,
        candidates=brief.candidates,
        positions_nm=brief.positions_nm,
        pixels=brief.pixels,
        images=dict(brief.images),
        extent_nm=brief.extent_nm,
        also_name=brief.also_name,
        also_unit=brief.also_unit,
    )


def brief_to_plain(brief: Brief) -> dict[str, Any]:
    """The brief as the journal keeps it, for the report."""
    return {name: getattr(brief, name) for name in brief.__dataclass_fields__}

"""Gymnasium's spaces as the signature of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium

from agents.reinforcement.policy import Signature


def signature_between(observation: gymnasium.Space[Any], action: gymnasium.Space[Any]) -> Signature:
    """What a policy between two spaces sees and does; TypeError where its actions are neither numbers nor choices."""
    spaces: Mapping[str, gymnasium.Space[Any]] = observation.spaces  # type: ignore[attr-defined]
    seen = tuple((name, tuple(space.shape or ())) for name, space in spaces.items())
    if isinstance(action, gymnasium.spaces.Discrete):
        return Signature(seen, (0.0,), (float(action.n) - 1.0,), int(action.n))
    if isinstance(action, gymnasium.spaces.Box):
        return Signature(seen, tuple(action.low.astype(float).ravel()), tuple(action.high.astype(float).ravel()))
    raise TypeError(f"a learner acts on Box or Discrete, not on {type(action).__name__}")

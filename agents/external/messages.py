"""What is said to a policy in another process, and how its answers are read: JSON, arrays as nested lists.

A number that is not finite is null in both directions. docs/own_policy.md holds the schema.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from agents.options import Options, options_of
from agents.protocol import AgentError, Decision, Problem, Transition

PROTOCOL = 1
"""Version of the schema; it grows when a message means something else than before."""


def line(message: Mapping[str, Any]) -> bytes:
    """One message as one line."""
    return json.dumps(message, allow_nan=False).encode() + b"\n"


def plain(value: Any) -> Any:
    """Plain values for JSON: arrays as nested lists, what is not finite as null."""
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _array(array: np.ndarray[Any, Any]) -> Any:
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        return plain(array.tolist())
    return array.tolist()


def problem_out(problem: Problem) -> dict[str, Any]:
    """A problem, its fields by name."""
    return {field.name: plain(getattr(problem, field.name)) for field in fields(problem)}


def decision_out(decision: Decision, problem: Problem) -> dict[str, Any]:
    """A decision; `candidate` is filled in where a person chose a place by hand: the nearest."""
    said = {"action": plain(np.asarray(decision.action)), "candidate": decision.candidate, "reason": decision.reason}
    options = options_of(problem)
    if problem.candidates is not None and isinstance(options, Options):
        said["candidate"] = options.index(decision)
    return said | {"figures": plain(decision.figures)}


def transition_out(transition: Transition, problem: Problem, observations: bool) -> dict[str, Any]:
    """A transition; without its observations where the policy wants none."""
    said = {f.name: plain(getattr(transition, f.name)) for f in fields(transition) if f.name != "decision"}
    if not observations:
        del said["observation"], said["before"]
    return said | {"decision": decision_out(transition.decision, problem)}


def decision_in(answer: Mapping[str, Any], problem: Problem) -> Decision:
    """The decision that an answer names by `candidate` or by `action`; raises AgentError on anything else."""
    reason, figures = answer.get("reason", ""), answer.get("figures", {})
    if not isinstance(reason, str) or not isinstance(figures, Mapping):
        raise AgentError("`reason` must be text and `figures` a mapping of names to numbers")
    shown = {str(name): _number(value, f"figures.{name}") for name, value in figures.items()}
    reason = reason or "the policy gave no reason"
    if ("candidate" in answer) == ("action" in answer):
        raise AgentError("an answer to act names either a `candidate` or an `action`")
    if "candidate" in answer:
        return _candidate(answer["candidate"], problem, reason, shown)
    return Decision(_action(answer["action"], problem), reason, figures=shown)


def _candidate(index: Any, problem: Problem, reason: str, figures: Mapping[str, float]) -> Decision:
    options = options_of(problem)
    if problem.candidates is None or not isinstance(options, Options):
        raise AgentError("this problem lists no candidates: answer with an `action`")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(options):
        raise AgentError(f"candidate {index!r} is not one of 0 .. {len(options) - 1}")
    return options.decide(index, reason, figures)


def _action(value: Any, problem: Problem) -> Any:
    try:
        action = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise AgentError(f"action {_cut(value)} is not a list of {problem.low.size} numbers") from None
    if problem.choices is not None:
        if action.size != 1 or action.ravel()[0] not in range(problem.choices):
            raise AgentError(f"action {_cut(value)} is not a whole number of 0 .. {problem.choices - 1}")
        return np.asarray(round(float(action.ravel()[0])), dtype=np.int64)
    if action.shape != problem.low.shape or not np.isfinite(action).all():
        raise AgentError(f"action {_cut(value)} is not a list of {problem.low.size} numbers")
    return action


def _number(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise AgentError(f"{name}={_cut(value)} must be a number")
    return float(value)


def _cut(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."

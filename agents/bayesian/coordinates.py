"""What a law takes for x: the action as it is, or where its candidate lies."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.options import Box, Options
from agents.protocol import AgentError, Problem

Coordinates = Literal["action", "position"]
MOST = 20_000
"""Candidates among which agents choose that keep nothing of them between decisions."""


def places_of_law(problem: Problem, options: Options | Box, coordinates: Coordinates) -> NDArray[np.float64]:
    """x of every candidate, actions [N, d] or positions [N, 2, nm].

    Raises AgentError where there are no candidates, too many, or none that has a position where that is asked for.
    """
    if not isinstance(options, Options) or options.discrete:
        raise AgentError("a law is evaluated at candidates that lie somewhere, and this task lists none")
    if len(options) > MOST:
        raise AgentError(f"{len(options)} candidates are more than {MOST}: use agent=gaussian_process")
    if coordinates == "action":
        return options.actions
    if problem.positions_nm is None:
        raise AgentError("this task's candidates have no position: use coordinates=action")
    return np.asarray(problem.positions_nm, dtype=np.float64)

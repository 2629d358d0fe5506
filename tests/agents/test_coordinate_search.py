"""Turning one number at a time: it climbs, keeps to the box, minimises where asked, and goes on from its state."""

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from agents.baselines.coordinate_search import CoordinateSearch
from agents.check import trivial_problem
from agents.protocol import AgentError, Problem, Transition

TOP = np.array([3.0, -0.7, 0.2])


def problem(objective: Any = "maximise") -> Problem:
    return Problem(np.array([0.0, -1.0, -1.0]), np.array([4.0, 1.0, 1.0]), objective, "height", "nm")


def value(action: Any) -> float:
    return -float(np.sum((np.ravel(action) - TOP) ** 2))


def told(agent: CoordinateSearch, steps: int, sense: float = 1.0) -> list[Any]:
    decisions = []
    for step in range(agent.told, agent.told + steps):
        decision = agent.act({})
        decisions.append(decision.action)
        agent.tell(Transition(step + 1, decision, sense * value(decision.action), np.ones(step + 1, bool), 0.0, {}))
    return decisions


@pytest.mark.parametrize(("objective", "sense"), [("maximise", 1.0), ("minimise", -1.0)])
def test_it_climbs_to_the_top_or_down_to_the_bottom(objective: str, sense: float) -> None:
    agent = CoordinateSearch()
    agent.begin(problem(objective), 0)
    actions = told(agent, 80, sense)
    np.testing.assert_array_equal(actions[0], [2.0, 0.0, 0.0])
    assert max(map(value, actions)) > -0.005
    assert np.all(np.array(actions) >= [0.0, -1.0, -1.0])
    assert np.all(np.array(actions) <= [4.0, 1.0, 1.0])


def test_failed_values_are_no_better_and_no_place_is_tried_twice_in_a_row() -> None:
    agent = CoordinateSearch()
    agent.begin(problem(), 0)
    actions = told(agent, 3)
    decision = agent.act({})
    agent.tell(Transition(4, decision, np.nan, np.ones(4, bool), 0.0, {}))
    assert not np.array_equal(agent.act({}).action, decision.action)
    actions += told(agent, 30)
    assert not any(np.array_equal(a, b) for a, b in pairwise(actions))


def test_it_goes_on_from_its_state() -> None:
    agent, other = CoordinateSearch(), CoordinateSearch()
    for one in (agent, other):
        one.begin(problem(), 0)
    told(agent, 17)
    other.restore(copy.deepcopy(agent.state()))
    np.testing.assert_array_equal(told(agent, 10), told(other, 10))


def test_it_refuses_a_list_of_candidates() -> None:
    with pytest.raises(AgentError, match="sobol"):
        CoordinateSearch().begin(trivial_problem(), 0)

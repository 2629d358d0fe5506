"""The agent in the documentation is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from agents.check import CheckFailed, Trial, check_agent, check_decisions, trivial_problem, trivial_value
from agents.protocol import Transition

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own_agent.md").read_text(encoding="utf-8")
AGENT, CHECK = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def documented() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "my_agents"}
    exec(compile(AGENT, "docs/own_agent.md", "exec"), names)
    return names


def test_the_documented_check_passes_and_is_a_check() -> None:
    names = documented()
    exec(compile(CHECK, "docs/own_agent.md", "exec"), names)
    broken = type("Broken", (names["HillClimber"],), {"decide": None})
    broken.act = lambda self, observation, **_: self.options.decide(0, "")  # type: ignore[attr-defined]
    with pytest.raises(CheckFailed, match="reason"):
        check_decisions(Trial(broken))
    assert check_agent is names["check_agent"]


def test_it_climbs() -> None:
    agent = documented()["HillClimber"](explore_every=100)
    problem = trivial_problem()
    agent.begin(problem, 0)
    actions = []
    for step in range(1, 20):
        decision = agent.act({})
        actions.append(decision.action)
        value = trivial_value(decision.action)
        agent.tell(Transition(step, decision, value, np.ones(step, dtype=bool), 0.0, {}))
    best = np.array([trivial_value(action) for action in actions])
    assert problem.candidates is not None
    assert best.max() == max(trivial_value(row) for row in problem.candidates)


def test_its_configuration_names_its_own_options() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    node = yaml.safe_load(block)
    assert node.pop("_target_").endswith(".HillClimber")
    assert vars(documented()["HillClimber"](**node)) == {"explore_every": 4}

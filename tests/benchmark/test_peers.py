"""Peers as policies: the conversation with one made of nothing but Python, and each library where it is installed."""

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from agents.external import External
from agents.protocol import AgentError, Decision, Problem, Transition

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
PYTHON = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
AT_RANDOM = "from conversation import converse, Known; converse(Known.at_random)"
LIBRARIES = (
    ("with_optuna.py", "gp"),
    ("with_optuna.py", "tpe"),
    ("with_ax.py",),
    ("with_baybe.py",),
    ("with_gpcam.py",),
)
SIDE = 9


def problem(listed: bool = True, objective: str = "maximise") -> Problem:
    axis = np.linspace(-1, 1, SIDE)
    places = np.array(list(itertools.product(axis, axis))) if listed else None
    return Problem(-np.ones(2), np.ones(2), objective, "height", "m", candidates=places)


def height(action: np.ndarray) -> float:
    return math.exp(-float(np.sum((np.asarray(action) - (0.5, -0.25)) ** 2)) / 0.1)


def told(step: int, decision: Decision, accepted: list[bool], value: float | None = None) -> Transition:
    value = height(decision.action) if value is None else value
    return Transition(step, decision, value, np.array(accepted), 0.0, {}, seconds=1.0, electrons=1.0)


def campaign(agent: External, steps: int, seed: int = 1, failed: int = -1) -> list[int]:
    agent.begin(problem(), seed)
    taken, accepted = [], []
    for step in range(steps):
        decision = agent.act({})
        accepted.append(step != failed)
        agent.tell(told(step + 1, decision, accepted, math.nan if step == failed else None))
        taken.append(decision.candidate)
    return taken


@pytest.fixture
def at_random(monkeypatch) -> External:
    monkeypatch.setenv("PYTHONPATH", str(PEERS))
    return External([sys.executable, "-c", AT_RANDOM])


def test_no_place_is_asked_for_twice_until_all_were(at_random) -> None:
    assert sorted(campaign(at_random, SIDE**2)) == list(range(SIDE**2))


def test_the_same_seed_chooses_alike_and_another_does_not(at_random) -> None:
    first = campaign(at_random, 8)
    assert campaign(at_random, 8) == first
    assert campaign(at_random, 8, seed=2) != first


def test_pending_places_are_not_asked_for_and_a_restored_policy_goes_on_alike(at_random) -> None:
    campaign(at_random, 5)
    state = at_random.state()
    first = at_random.act({})
    second = at_random.act({}, pending=[first])
    assert second.candidate != first.candidate
    at_random.begin(problem(), 1)
    at_random.restore(state)
    assert at_random.act({}).candidate == first.candidate


def test_a_task_without_candidates_is_refused(at_random) -> None:
    with pytest.raises(AgentError, match="lists none"):
        at_random.begin(problem(listed=False), 0)


def test_a_task_that_maps_is_refused(at_random) -> None:
    with pytest.raises(AgentError, match="is to map"):
        at_random.begin(problem(objective="map"), 0)


@pytest.mark.skipif(not PYTHON.exists(), reason="peers are not installed: make peers")
@pytest.mark.parametrize("script", LIBRARIES, ids=" ".join)
def test_a_library_finds_the_hill_goes_on_after_a_failure_and_repeats_itself(script) -> None:
    agent = External([str(PYTHON), str(PEERS / script[0]), *script[1:]], timeout_s=300.0)
    taken = campaign(agent, 24, failed=3)
    heights = [height(place) for place in np.asarray(problem().candidates)[taken]]
    assert len(set(taken)) == 24
    assert max(heights[:3] + heights[4:]) > 0.5
    state = agent.state()
    following = agent.act({}).candidate
    agent.begin(problem(), 1)
    agent.restore(state)
    assert agent.act({}).candidate == following

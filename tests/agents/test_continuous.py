"""A Gaussian process over a box: it passes the suite, finds what it looks for, and keeps its seeds and deadlines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents.bayesian.continuous import ContinuousGaussianProcess
from agents.bayesian.gaussian_process import GaussianProcess
from agents.check import (
    CHECKS,
    Trial,
    check_injected,
    check_no_repeats,
    check_solves,
    trivial_problem,
    trivial_value,
)
from agents.protocol import AgentError, Decision, Problem, Transition

OF_CANDIDATES = (check_injected, check_no_repeats, check_solves)
Field = Callable[[NDArray[np.float64]], float]


def box(axes: int, objective: Any = "maximise") -> Problem:
    return Problem(np.full(axes, -2.0), np.full(axes, 6.0), objective, "rms phase", "rad")


def bowl(action: NDArray[np.float64]) -> float:
    """Smallest, 0.5, at 1 on every axis; steeper on later ones."""
    return 0.5 + float(np.sum(np.arange(1, len(action) + 1) * (action - 1.0) ** 2))


def play(agent: ContinuousGaussianProcess, value: Field, steps: int, noise: float = 0.0) -> list[Decision]:
    decisions: list[Decision] = []
    rng = np.random.default_rng(5)
    for step in range(1, steps + 1):
        decisions.append(agent.act({}))
        got = value(decisions[-1].action) + noise * rng.normal()
        agent.tell(Transition(step, decisions[-1], got, np.ones(step, bool), 0.0, {}))
    return decisions


def started(problem: Problem, seed: int = 0, **options: Any) -> ContinuousGaussianProcess:
    agent = ContinuousGaussianProcess(**options)
    agent.begin(problem, seed)
    return agent


@pytest.mark.parametrize("one", [c for c in CHECKS if c not in OF_CANDIDATES], ids=lambda c: c.__name__)
def test_it_passes_the_public_suite(one: Callable[[Trial], None]) -> None:
    problem = Problem(np.full(2, -1.0), np.full(2, 1.0), "maximise", "height", "nm")
    one(Trial(partial(ContinuousGaussianProcess, seeds=4, raw_samples=32, restarts=2), steps=7, problem=problem))


@pytest.mark.parametrize(("axes", "steps", "within"), [(1, 10, 0.02), (3, 25, 0.3), (6, 30, 3.0)])
def test_it_finds_the_bottom_of_a_bowl(axes: int, steps: int, within: float) -> None:
    decisions = play(started(box(axes, "minimise"), raw_samples=64), bowl, steps, noise=0.01)
    assert min(bowl(decision.action) for decision in decisions) < 0.5 + within
    last = decisions[-1]
    assert last.reason.startswith("highest log expected improvement: predicted ")
    assert last.figures["mean"] == pytest.approx(bowl(last.action), abs=max(0.05, 3.0 * last.figures["std"]))
    assert last.figures["std"] < 1.0  # of values that span from 0.5 to hundreds


@pytest.mark.parametrize(
    ("objective", "words"),
    [("minimise", "lowest lower confidence bound: "), ("maximise", "highest upper confidence bound: ")],
)
def test_a_bound_is_named_by_the_side_it_is_on(objective: str, words: str) -> None:
    agent = started(box(2, objective), raw_samples=64, acquisition="upper_confidence_bound")
    assert play(agent, bowl, 7)[-1].reason.startswith(words)


def test_fewer_samples_than_starts_are_refused() -> None:
    with pytest.raises(ValueError, match="raw_samples must be at least restarts=8, got 4"):
        ContinuousGaussianProcess(restarts=8, raw_samples=4)


def test_what_it_minimises_is_what_it_maximises_turned_round() -> None:
    down = play(started(box(2, "minimise"), 3, raw_samples=64), bowl, 9)
    up = play(started(box(2), 3, raw_samples=64), lambda action: -bowl(action), 9)
    assert [d.action.tolist() for d in down] == [d.action.tolist() for d in up]
    assert down[-1].figures["mean"] == -up[-1].figures["mean"]
    assert down[-1].figures["std"] == up[-1].figures["std"]


def test_candidates_are_minimised_turned_round_too() -> None:
    decided, predicted = [], []
    for objective, sign in (("maximise", 1.0), ("minimise", -1.0)):
        agent = GaussianProcess(features="position")
        problem = trivial_problem()
        agent.begin(Problem(**{**vars(problem), "objective": objective}), 2)
        taken = []
        for step in range(1, 10):
            taken.append(agent.act({}))
            value = sign * trivial_value(taken[-1].action)
            agent.tell(Transition(step, taken[-1], value, np.ones(step, bool), 0.0, {}))
        prediction = agent.predict()
        assert prediction is not None
        decided.append([d.candidate for d in taken])
        predicted.append(sign * prediction.mean)
    assert decided[0] == decided[1]
    assert np.array_equal(predicted[0], predicted[1])


def test_a_missed_deadline_is_said_and_the_random_numbers_of_others_are_left_alone() -> None:
    agent = started(box(2))
    play(agent, bowl, 6)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    late = agent.act({}, deadline_s=1e-4)
    assert late.figures["fallback"] == 1.0
    assert "deadline" in late.reason
    assert "fallback" not in agent.act({}, deadline_s=60.0).figures
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (trivial_problem(), "agent=gaussian_process"),
        (box(21), "21 numbers"),
        (box(2, "map"), "maps nothing"),
    ],
)
def test_problems_that_are_not_its_own_are_refused_with_what_to_do(problem: Problem, said: str) -> None:
    with pytest.raises(AgentError, match=said):
        started(problem)


@pytest.mark.parametrize("values", [[3.0] * 8, [1e-14, 2e-14] * 4, [1e12, -1e12] * 4])
def test_constant_tiny_and_huge_values_are_borne(values: list[float]) -> None:
    agent = started(box(2), raw_samples=64)
    for step, value in enumerate(values, start=1):
        decision = agent.act({})
        agent.tell(Transition(step, decision, value, np.ones(step, bool), 0.0, {}))
    last = agent.act({})
    assert np.isfinite(last.action).all()
    assert np.isfinite(list(last.figures.values())).all()

"""Laws compete: the right one wins with its parameters covered, a wrong one loses its say, and none may be right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.bayesian.competing_laws import CompetingLaws
from agents.bayesian.structured import Hypothesis, shares
from agents.check import CHECKS, Trial, check_injected, check_solves
from agents.protocol import AgentError, Believes, Decision, Problem, Transition
from physics_priors.laws import PiecewisePower, SchottkyEmission

GRID = np.linspace(0.0, 2.5, 40)[:, None]
LAW = SchottkyEmission((-11.0, 2.0), (1.0, 1.0))
STEP = PiecewisePower(transition=(0.2, 2.3))


def problem(objective: Any = "map", every: int = 1) -> Problem:
    return Problem(np.zeros(1), np.full(1, 2.5), objective, "log10 |J|", "decades", candidates=GRID[::every])


def schottky(x: float) -> float:
    return -9.0 + 2.0 * np.sqrt(x)


def play(agent: CompetingLaws, value: Callable[[float], float], steps: int, noise: float = 0.05) -> list[Decision]:
    decisions: list[Decision] = []
    rng = np.random.default_rng(1)
    for step in range(1, steps + 1):
        decisions.append(agent.act({}))
        got = value(float(decisions[-1].action[0])) + noise * rng.normal()
        agent.tell(Transition(step, decisions[-1], got, np.ones(step, bool), 0.0, {}))
    return decisions


def started(laws: list[Any], seed: int = 0, **options: Any) -> CompetingLaws:
    agent = CompetingLaws(laws, **{"draws": 100, **options})
    agent.begin(problem(), seed)
    return agent


def test_the_right_law_wins_and_its_parameters_are_covered() -> None:
    agent = started([LAW, STEP])
    decisions = play(agent, schottky, 10)
    assert isinstance(agent, Believes)
    beliefs = agent.beliefs()
    assert beliefs["hypotheses"] == [LAW.name, STEP.name, "none of them"]
    assert beliefs["probability"][0] > 0.9
    low, high = beliefs[LAW.name]["interval"]
    assert (low < [-9.0, 2.0]).all()
    assert (high > [-9.0, 2.0]).all()
    prediction = agent.predict()
    assert prediction is not None
    truth = np.array([schottky(x) for x in GRID[:, 0]])
    assert np.abs(prediction.mean - truth).max() < 0.15
    assert LAW.name in decisions[-1].reason
    assert decisions[-1].figures[f"probability_{LAW.name.replace(' ', '_')}"] > 0.9


def test_a_wrong_law_loses_its_say_and_the_prediction_is_that_of_no_law() -> None:
    guarded, alone = started([LAW]), started([LAW], none=False)

    def wave(x: float) -> float:
        return float(np.sin(6.0 * x))

    play(guarded, wave, 13)
    play(alone, wave, 13)
    assert guarded.beliefs()["probability"][1] > 0.9
    truth = np.sin(6.0 * GRID[:, 0])
    errors = []
    for agent in (guarded, alone):
        prediction = agent.predict()
        assert prediction is not None
        errors.append(np.sqrt(np.mean((prediction.mean - truth) ** 2)))
    assert errors[0] < 0.35
    assert errors[0] <= errors[1] + 0.05


def test_evidence_is_the_likelihood_averaged_over_the_prior() -> None:
    """The average of the likelihood over the prior, also computed by brute force."""
    x = np.array([[0.0], [1.0]])
    hypothesis = Hypothesis(LAW, x, x, 1.0)
    rows, values = np.array([0, 1]), np.array([-10.0, -9.5])
    found = [hypothesis.fitted(rows, values, 0.0, 400, [s]).log_evidence for s in range(3)]
    z = np.random.default_rng(2).normal(size=(400_000, len(hypothesis.prior)))
    likelihood = [hypothesis._log_likelihood(part, rows, values, 0.0) for part in np.array_split(z, 40)]
    expected = np.log(np.exp(np.concatenate(likelihood)).mean())
    assert found == pytest.approx([expected] * 3, abs=0.3)


def test_shares_are_probabilities_whatever_the_evidence() -> None:
    assert shares(np.array([-1000.0, -1000.0 + np.log(3.0)])) == pytest.approx([0.25, 0.75])
    assert shares(np.array([5.0, -np.inf])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "one", [c for c in CHECKS if c not in (check_injected, check_solves)], ids=lambda c: c.__name__
)
def test_it_passes_the_public_suite(one: Callable[[Trial], None]) -> None:
    def height(action: NDArray[np.float64]) -> float:
        return schottky(float(action[0])) - 2.0 * float(action[0])

    made = partial(CompetingLaws, [LAW], draws=64, acquisition="log_expected_improvement")
    one(Trial(made, steps=6, problem=problem("maximise", every=5), value=height))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"laws": []}, "one law or more"),
        ({"laws": [LAW, LAW]}, "name of its own"),
        ({"laws": [LAW], "acquisition": "luck"}, "uncertainty"),
    ],
)
def test_what_cannot_compete_is_said(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CompetingLaws(**wrong)


def test_places_are_asked_for_where_there_are_none() -> None:
    with pytest.raises(AgentError, match="coordinates=action"):
        started([LAW], coordinates="position")
    with pytest.raises(ValueError, match="linear"):
        PiecewisePower(below="cubic")


def test_the_piecewise_law_switches_at_its_transition() -> None:
    mean = STEP.mean(np.array([[1.7, 4.5, 2.5]]), np.array([[1.0], [1.6], [1.7], [2.0], [-3.0]]))
    assert mean[0] == pytest.approx([1.0, 1.6**4.5, 1.7**2.5, 2.0**2.5, 0.0])
    lines = PiecewisePower(above="linear", slope=(0.0, 4.0))
    assert lines.parameters.names == ("transition", "exponent_below", "slope_above")
    assert lines.mean(np.array([[1.0, 2.0, 3.0]]), np.array([[0.5], [2.0]]))[0] == pytest.approx([0.25, 6.0])

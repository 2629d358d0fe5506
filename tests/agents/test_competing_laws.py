"""Laws compete: the right one wins with its parameters covered, a wrong one loses its say, and none may be right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.bayesian.competing_belief import Candidates, CompetingBelief
from agents.bayesian.competing_laws import CompetingLaws
from agents.bayesian.structured import Hypothesis, shares
from agents.check import CHECKS, Trial, check_injected, check_solves
from agents.protocol import AgentError, Believes, Decision, Problem, Transition
from physics_priors.distributions import Normal
from physics_priors.laws import Law, PiecewisePower, SchottkyEmission
from physics_priors.prior import Parameter, Parameters

GRID = np.linspace(0.0, 2.5, 40)[:, None]
LAW = SchottkyEmission((-11.0, 2.0), (1.0, 1.0))
STEP = PiecewisePower(transition=(0.2, 2.3))


@dataclass(frozen=True)
class Scaled:
    """A straight line in another unit."""

    unit: float
    name: str = "a line"

    @property
    def parameters(self) -> Parameters:
        return Parameters((Parameter("slope", "", Normal(0.0, 1.0)),))

    def mean(self, theta: Any, x: Any) -> Any:
        return self.unit * theta * x[None, :, 0]


def problem(objective: Any = "map", every: int = 1) -> Problem:
    return Problem(np.zeros(1), np.full(1, 2.5), objective, "log10 |J|", "decades", candidates=GRID[::every])


def schottky(x: float) -> float:
    return float(-9.0 + 2.0 * np.sqrt(x))


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


@pytest.mark.parametrize("law", [LAW, STEP, None], ids=["smooth", "jump", "none"])
def test_evidence_is_the_likelihood_averaged_over_the_prior(law: Law | None) -> None:
    """The average of the likelihood over the prior, also computed by brute force; the jump's has several modes."""
    x = np.linspace(0.2, 2.2, 4)[:, None]
    rows, values = np.arange(4), np.array([0.3, 0.7, 3.0, 4.0]) - (9.0 if law is LAW else 0.0)
    candidates = Candidates(x / 2.5, x)
    found: list[float] = []
    for seed in range(4):
        belief = CompetingBelief([law], candidates, 1024, 3, seed)
        belief.follow(rows, values)
        found.append(float(belief.log_evidence[0]))
    hypothesis = Hypothesis(law, x / 2.5, x, float(values[:3].mean()), float(values[:3].std(ddof=1)))
    z = np.random.default_rng(2).normal(size=(400_000, hypothesis.size))
    log = np.concatenate([hypothesis.log_densities(part, rows, values).sum(-1) for part in np.array_split(z, 40)])
    assert np.exp(log).sum() ** 2 / np.exp(2 * log).sum() > 100  # draws that count
    assert np.mean(found) == pytest.approx(np.log(np.exp(log).mean()), abs=0.25)
    assert np.std(found) < 0.4


def test_what_a_law_leaves_out_is_said() -> None:
    """Little where it holds; much where another term is missing, though it is the likeliest of those given."""

    def bent(x: float) -> float:
        return schottky(x) + 1.5 * float(np.sin(4.0 * x))

    said = []
    for truth in (schottky, bent):
        agent = started([LAW], none=False, draws=400)
        play(agent, truth, 14)
        said.append(agent.beliefs()[LAW.name]["left_out"])
    assert said[0][1] < 0.2
    assert said[1][0] > 0.4
    assert said[1][1] > 4 * said[0][1]


def test_density_is_that_of_the_exact_gaussian_process() -> None:
    """Given the unknowns: the multivariate normal, and its conditional mean and variance, written out."""
    from scipy.stats import multivariate_normal

    x = np.random.default_rng(0).uniform(0.1, 2.4, size=(7, 2))
    rows, values = np.arange(5), np.array([1.0, 1.4, 0.7, 2.0, 1.1])
    z = np.random.default_rng(1).normal(size=(3, 8))
    for law, count in ((STEP, 7), (None, 4)):
        hypothesis = Hypothesis(law, x / 2.5, x, 0.5, 0.4)
        assert hypothesis.size == count
        said = hypothesis.log_densities(z[:, :count], rows, values).sum(-1) - 5 * np.log(0.4)
        mean, variance = hypothesis.moments(z[:, :count], rows, values, np.array([5, 6]), np.zeros(0, np.int64))
        theta, process = hypothesis.parameters(z[:, :count])
        for i in range(3):
            prior = np.full(7, 0.5) if law is None else law.mean(theta[i : i + 1], x)[0]
            away = np.sqrt(5.0) * np.linalg.norm((x[:, None] - x[None]) / 2.5 / process[i, :2], axis=-1)
            signal = (0.4 * process[i, 2]) ** 2 * ((1 + away + away**2 / 3) * np.exp(-away) + (law is None))
            total = signal[:5, :5] + (0.4 * process[i, 3]) ** 2 * np.eye(5)
            assert said[i] == pytest.approx(multivariate_normal(prior[:5], total).logpdf(values), rel=1e-5)
            gain = np.linalg.solve(total, signal[:5, 5:])
            assert mean[i] == pytest.approx(prior[5:] + gain.T @ (values - prior[:5]), rel=1e-5)
            expected = np.diag(signal)[5:] - (gain * signal[:5, 5:]).sum(0)
            assert variance[i] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_belief_is_a_function_of_the_values_whatever_was_followed_before() -> None:
    """Also where values outgrow the unit that it began with, and where some are taken back."""
    x = np.linspace(0.0, 2.5, 12)[:, None]
    values = np.array([0.01, 0.0, 0.02, 0.01, 3.0, 5.0, 1.0, 9.0])
    rows = np.array([0, 1, 2, 3, 8, 10, 6, 11])

    def belief() -> CompetingBelief:
        return CompetingBelief([STEP, None], Candidates(x / 2.5, x), 128, 4, 5)

    straight, led, back = belief(), belief(), belief()
    straight.follow(rows, values)
    for count in range(4, 9):
        led.follow(rows[:count], values[:count])
    back.follow(np.delete(rows, 1), np.delete(values, 1))
    back.follow(rows, values)
    assert np.array_equal(straight.share, led.share)
    assert np.array_equal(straight.share, back.share)
    assert np.array_equal(straight.even(0, 8), led.even(0, 8))


def test_the_unit_of_values_does_not_matter() -> None:
    x = np.linspace(0.0, 2.5, 12)[:, None]
    rows, values = np.arange(8), np.sin(np.arange(8.0))
    share = []
    for unit in (1.0, 2.0**-60, 2.0**60):
        belief = CompetingBelief([Scaled(unit), None], Candidates(x / 2.5, x), 128, 4, 5)
        belief.follow(rows, unit * values)
        share.append(belief.share)
    assert share[0] == pytest.approx(share[1], rel=1e-6)
    assert share[0] == pytest.approx(share[2], rel=1e-6)


@pytest.mark.parametrize("proposer", ["epsilon_greedy", "softmax"])
def test_one_hypothesis_proposes_and_is_named(proposer: Any) -> None:
    agent = started([LAW, STEP], proposer=proposer, epsilon=1.0, temperature=100.0)
    decisions = play(agent, schottky, 20)
    proposers = {int(d.figures["proposer"]) for d in decisions[4:]}
    assert len(proposers) > 1  # any may, here nearly as likely as any other
    names = agent.beliefs()["hypotheses"]
    assert all(f"proposed by {names[int(d.figures['proposer'])]}" in d.reason for d in decisions[4:])
    sure = started([LAW, STEP], proposer=proposer, epsilon=0.0, temperature=0.01)
    for decision in play(sure, schottky, 10)[4:]:
        each = [v for k, v in decision.figures.items() if k.startswith("probability_")]
        if max(each) > 0.8:
            assert int(decision.figures["proposer"]) == int(np.argmax(each))


def test_pending_points_are_taken_to_bring_what_is_expected() -> None:
    agent = started([LAW])
    play(agent, schottky, 8)
    first = agent.act({})
    second = agent.act({}, pending=[first])
    assert second.candidate != first.candidate
    alone = agent._members(1).parts(np.array([first.candidate]), np.array([1.0, 0.0]), np.zeros(0, np.int64))
    ahead = agent._members(1).parts(np.array([first.candidate]), np.array([1.0, 0.0]), np.array([first.candidate]))
    assert np.allclose(alone[0], ahead[0])
    assert (ahead[1] < alone[1]).all()


def test_a_deadline_that_cannot_be_met_is_answered_without_a_model() -> None:
    agent = started([LAW])
    play(agent, schottky, 5)
    decision = agent.act({}, deadline_s=0.0)
    assert decision.figures["fallback"] == 1.0
    assert decision.candidate not in agent.taken
    assert "fallback" not in agent.act({}).figures


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
        ({"laws": [LAW], "proposer": "loudest"}, "softmax"),
        ({"laws": [LAW], "epsilon": 1.5}, "probability"),
        ({"laws": [LAW], "temperature": 0.0}, "above 0"),
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

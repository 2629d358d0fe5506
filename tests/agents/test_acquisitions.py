"""Each acquisition is what it says, against brute force; and each of them bears what instruments bring."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.bayesian.candidate_posterior import CandidatePosterior
from agents.bayesian.gaussian_process import GaussianProcess
from agents.bayesian.hyperparameters import Hyperparameters
from agents.bayesian.kernel import SignalKernel
from agents.bayesian.knowledge_gradient import knowledge_gradient
from agents.bayesian.level_sets import log_contour_improvement
from agents.bayesian.local_rates import local_rates
from agents.bayesian.noisy_improvement import noisy_expected_improvement
from agents.bayesian.novelty import expected_novelty
from agents.bayesian.spending import CostLaw, cost_law, foreseen
from agents.bayesian.thompson import MOST, thompson
from agents.bayesian.worth import DIVISIBLE, LOGARITHMS, Choice, weighed
from agents.check import Trial, check_agent, trivial_problem
from agents.protocol import AgentError, Decision, Transition

Floats = NDArray[np.float64]
NAMES = ("position_0", "position_1")
GIVEN = Hyperparameters(np.array([0.3, 0.2]), np.array([1.2]), 0.1, 0.1)
NONE = np.zeros(0, np.int64)
CHOICES = get_args(Choice)


def posterior(count: int = 40, measured: int = 8, **options: Any) -> CandidatePosterior:
    """Of `count` candidates in the unit square, the first `measured` of them measured."""
    rng = np.random.default_rng(3)
    model = CandidatePosterior(rng.uniform(size=(count, 2)), NAMES, **options)
    return model.follow(np.arange(measured), 5.0 + rng.normal(size=measured), measured, GIVEN)


def whole(model: CandidatePosterior, pending: NDArray[np.int64] = NONE) -> tuple[Floats, Floats]:
    """Mean [N] and covariance [N, N] of all candidates, by one solve with the whole covariance."""
    kernel, every = SignalKernel(model._inputs, NAMES, GIVEN), torch.arange(len(model._inputs))
    prior = kernel.between(every, every).numpy()
    told = np.concatenate([model._taken, pending])
    data = prior[np.ix_(told, told)] + GIVEN.noise * np.eye(len(told))
    return model.mean().numpy(), prior - prior[:, told] @ np.linalg.solve(data, prior[told])


def draws(mean: Floats, covariance: Floats, count: int) -> Floats:
    root = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(mean)))
    return np.asarray(mean + np.random.default_rng(8).normal(size=(count, len(mean))) @ root.T)


@pytest.mark.parametrize("pending", [NONE, np.array([20, 33])], ids=["nothing pending", "two pending"])
def test_covariances_are_those_of_one_solve(pending: NDArray[np.int64]) -> None:
    model, rows = posterior(tested=np.array([9, 30])), np.array([3, 25, 39])
    _, covariance = whole(model, pending)
    assert model.between(rows, pending).numpy() == pytest.approx(covariance[rows], abs=1e-10)
    assert model.joint(rows, pending).numpy() == pytest.approx(covariance[np.ix_(rows, rows)], abs=1e-10)
    assert model.tested_between(pending).numpy() == pytest.approx(covariance[[9, 30]], abs=1e-10)


@pytest.mark.parametrize("pending", [NONE, np.array([20, 33])], ids=["nothing pending", "two pending"])
def test_integrated_variance_is_that_of_the_posterior_computed_anew(pending: NDArray[np.int64]) -> None:
    tested = np.array([2, 11, 17, 35])
    gain = posterior(tested=tested).gain(pending).numpy()
    before = np.diag(whole(posterior(), pending)[1])[tested].mean()
    for row in (5, 20, 38):
        after = np.diag(whole(posterior(), np.append(pending, row))[1])[tested].mean()
        assert gain[row] == pytest.approx(before - after, rel=1e-8)


@pytest.mark.parametrize("pending", [NONE, np.array([20, 33])], ids=["nothing pending", "two pending"])
def test_knowledge_gradient_over_all_candidates_is_monte_carlo(pending: NDArray[np.int64]) -> None:
    model = posterior(tested=np.arange(40))
    found = knowledge_gradient(model, pending).numpy()
    mean, covariance = whole(model, pending)
    z = np.random.default_rng(1).normal(size=40_000)
    z = np.concatenate([z, -z])  # what is linear cancels
    for row in (4, 12, 25, 39):
        slopes = covariance[row] / np.sqrt(covariance[row, row] + GIVEN.noise)
        rises = (mean + z[:, None] * slopes).max(axis=1) - mean.max()
        assert found[row] == pytest.approx(rises.mean(), abs=5 * rises.std() / len(z) ** 0.5 + 1e-9)
    assert found.max() > 1e-3


def test_the_knowledge_gradient_of_a_subset_is_at_most_that_of_all() -> None:
    some, every = (knowledge_gradient(posterior(tested=t), NONE).numpy() for t in (np.arange(0, 40, 4), np.arange(40)))
    assert np.all(some >= 0)
    assert np.all(some <= every + 1e-12)
    assert some.sum() > 0.5 * every.sum()


def test_thompson_chooses_a_candidate_as_often_as_it_is_the_highest() -> None:
    model, free = posterior(14, 6), np.arange(14)
    seeds = range(1500)
    chosen = [int(thompson(model, free, NONE, np.random.default_rng(seed)).argmax()) for seed in seeds]
    expected = np.bincount(draws(*whole(model), 200_000).argmax(axis=1), minlength=14) / 200_000
    often = np.bincount(chosen, minlength=14) / len(chosen)
    assert np.abs(often - expected).max() < 4 * 0.5 / len(chosen) ** 0.5
    assert (expected > 0.02).sum() >= 4


def test_thompson_draws_among_the_free_and_hopeful_only() -> None:
    model = posterior(MOST + 500, 8)
    drawn = thompson(model, np.arange(100, MOST + 500), NONE, np.random.default_rng(0)).numpy()
    free = drawn > -1e299
    assert free.sum() == MOST
    assert not free[:100].any()
    hopeful = (model.mean() + 2 * model.variance().sqrt()).numpy()[100:]
    assert free[100 + np.argsort(-hopeful)[: MOST // 2]].all()


@pytest.mark.parametrize("pending", [NONE, np.array([20, 33])], ids=["nothing pending", "two pending"])
def test_noisy_expected_improvement_is_monte_carlo(pending: NDArray[np.int64]) -> None:
    model = posterior()
    known = np.concatenate([np.arange(8), pending])
    found = noisy_expected_improvement(model, np.arange(8), pending, np.random.default_rng(0)).exp().numpy()
    field = draws(*whole(model, pending), 400_000)
    best = field[:, known].max(axis=1)
    for row in (10, 15, 28, 39):
        gains = np.maximum(field[:, row] - best, 0.0)
        assert found[row] == pytest.approx(gains.mean(), rel=0.1, abs=5 * gains.std() / len(gains) ** 0.5)
    assert found[:8].max() < 1.2 * found[8:].max()


@pytest.mark.parametrize("level", [-0.4, 0.0, 1.3])
def test_the_contour_improvement_is_its_integral(level: float) -> None:
    mean, variance = torch.linspace(-3, 3, 13, dtype=torch.float64), torch.full((13,), 0.36, dtype=torch.float64)
    found = log_contour_improvement(mean, variance, level).exp().numpy()
    z, spread = np.linspace(-12, 12, 400_001), 0.6
    for m, value in zip(mean.tolist(), found, strict=True):
        inside = np.maximum((2 * spread) ** 2 - (m + spread * z - level) ** 2, 0.0)
        expected = np.trapezoid(inside * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), z)
        assert value == pytest.approx(expected, rel=1e-6 if abs(m - level) / spread < 6.5 else 0.02)


def test_far_from_the_level_the_contour_improvement_still_falls() -> None:
    away = torch.linspace(0.0, 60.0, 2001, dtype=torch.float64)
    found = log_contour_improvement(away, torch.ones(2001, dtype=torch.float64), 0.0).numpy()
    assert np.isfinite(found).all()
    assert np.all(np.diff(found) < 0)


def test_novelty_is_the_mean_distance_to_the_nearest_value() -> None:
    known = np.array([0.3, -1.0, 0.3, 2.0])
    mean, variance = torch.tensor([-2.0, 0.3, 1.1, 5.0]).double(), torch.tensor([0.5, 1e-6, 0.04, 2.0]).double()
    z = np.random.default_rng(0).normal(size=400_000)
    found = expected_novelty(mean, variance, known).numpy()
    for m, v, value in zip(mean.tolist(), variance.tolist(), found, strict=True):
        away = np.abs(m + v**0.5 * z[:, None] - known).min(axis=1)
        assert value == pytest.approx(away.mean(), abs=5 * away.std() / len(z) ** 0.5 + 1e-6)


# What it costs, and whether it counts


def test_the_law_of_costs_is_found_from_what_was_spent() -> None:
    rng = np.random.default_rng(0)
    places, taken = rng.uniform(0, 900, size=(50, 2)), rng.permutation(50)[:12]
    away = np.linalg.norm(np.diff(places[taken], axis=0), axis=1)
    spent = np.concatenate([[77.0], 3.0 + 0.02 * away])  # the journey to the first is not known
    found = foreseen("seconds", spent, taken, places, NONE)
    assert found == pytest.approx(3.0 + 0.02 * np.linalg.norm(places - places[taken[-1]], axis=1))
    later = foreseen("seconds", spent, taken, places, np.array([7]))
    assert later == pytest.approx(3.0 + 0.02 * np.linalg.norm(places - places[7], axis=1))
    refused = foreseen("seconds", np.insert(spent, 5, 0.0), np.insert(taken, 5, 49), places, NONE)
    assert refused == pytest.approx(found)


def test_costs_are_never_negative_and_one_measurement_is_enough() -> None:
    assert cost_law(np.array([3.0, 2.0, 1.0]), np.array([0.0, 1.0, 2.0])) == CostLaw(2.0, 0.0)
    through = cost_law(np.array([0.1, 1.0, 2.2]), np.array([1.0, 2.0, 3.0]))
    assert through.fixed > 0
    assert through.per_nm > 0
    assert foreseen("seconds", np.array([5.0]), np.array([1]), np.eye(3)[:, :2], NONE).tolist() == [5.0] * 3
    with pytest.raises(AgentError, match="no measurement so far spent any electrons: use cost_aware=none"):
        foreseen("electrons", np.zeros(4), np.arange(4), np.zeros((5, 2)), NONE)


@pytest.mark.parametrize("choice", DIVISIBLE)
def test_worth_is_divided_by_cost_and_multiplied_by_chance(choice: Choice) -> None:
    gain, chance, cost = np.array([0.3, 2.0]), np.array([0.5, 0.9]), np.array([4.0, 1.5])
    logs = choice in LOGARITHMS
    found = weighed(choice, torch.from_numpy(np.log(gain) if logs else gain), chance, cost).numpy()
    assert (np.exp(found) if logs else found) == pytest.approx(gain * chance / cost)


def tell(agent: GaussianProcess, decision: Decision, step: int, value: float, **spent: Any) -> None:
    accepted = np.isfinite(np.append(agent.values, value))
    agent.tell(Transition(step, decision, value, accepted, 0.0, {}, **spent))


def test_where_travel_is_dear_it_travels_less_and_says_what_it_expects_to_pay() -> None:
    travelled = {}
    for unit in ("none", "seconds", "electrons"):
        agent = GaussianProcess(cost_aware=unit, features="position", seeds=4)
        problem = trivial_problem()
        agent.begin(problem, 1)
        places, last, way = problem.positions_nm, None, []
        assert places is not None
        for step in range(1, 16):
            decision = agent.act({})
            here = places[decision.candidate]
            away = 0.0 if last is None else float(np.linalg.norm(here - last))
            if step > 4 and unit != "none":
                assert decision.figures[f"expected_{unit}"] == pytest.approx(1.0 + away, rel=1e-6)
                assert f", to cost {1.0 + away:.3g} {unit}" in decision.reason
            way.append(away)
            tell(agent, decision, step, float(np.sin(here).sum()), seconds=1.0 + away, electrons=1.0 + away)
            last = here
        travelled[unit] = sum(way[4:])
    assert travelled["seconds"] == travelled["electrons"] < 0.7 * travelled["none"]


def test_chances_are_calibrated_where_failures_have_a_place_and_even_where_they_have_none() -> None:
    rng = np.random.default_rng(5)
    inputs = rng.uniform(size=(3000, 2))
    truth = 1 / (1 + np.exp(-12 * (inputs[:, 0] - 0.5)))
    at = rng.choice(3000, 150, replace=False)
    found = local_rates("chance", at, (rng.uniform(size=150) < truth[at]).astype(float), inputs, NAMES)
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        some = (found >= low) & (found < high)
        assert some.sum() > 100
        assert found[some].mean() == pytest.approx(truth[some].mean(), abs=0.12)
    assert np.square(found - truth).mean() < 0.25 * truth.var()
    even = local_rates("chance", at, (rng.uniform(size=150) < 0.4).astype(float), inputs, NAMES)
    assert np.ptp(even) < 0.25
    few = local_rates("chance", at[:3], np.zeros(3), inputs, NAMES)
    assert 0.05 < few.min() <= few.max() <= 0.2 + 1e-12  # three failures are no proof


def test_places_where_measurements_fail_are_avoided() -> None:
    """There are two hills alike, and on one of them every measurement fails."""
    failed = {}
    for feasibility in (False, True):
        agent = GaussianProcess(feasibility=feasibility, features="position", seeds=6)
        problem = trivial_problem()
        agent.begin(problem, 3)
        lost = 0
        for step in range(1, 19):
            decision = agent.act({})
            x, y = decision.action
            fails = bool(x > 0)
            lost += fails and step > 6
            tell(agent, decision, step, np.nan if fails else -float((abs(x) - 0.5) ** 2 + y**2))
        assert ("chance" in decision.figures) == feasibility
        failed[feasibility] = lost
    assert failed[True] < failed[False]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"acquisition": "thompson", "cost_aware": "seconds"},
            "cost_aware=seconds weighs a gain, and thompson is none",
        ),
        ({"acquisition": "upper_confidence_bound", "feasibility": True}, "feasibility weighs a gain"),
        ({"level": 3.0}, "level=3 is for acquisition=level_set"),
        ({"cost_aware": "minutes"}, "cost_aware must be one of none, seconds, electrons"),
        ({"noise": "loud"}, "noise must be one of equal, varying, robust"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GaussianProcess(**options)


def test_costs_are_not_foreseen_without_positions() -> None:
    with pytest.raises(AgentError, match="no position: use cost_aware=none"):
        GaussianProcess(cost_aware="seconds").begin(replace(trivial_problem(), positions_nm=None), 0)


def test_the_level_is_in_the_values_unit_also_where_the_smallest_is_wanted() -> None:
    axis = np.linspace(-1, 1, 24)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    taken = []
    for sign, objective in ((1.0, "maximise"), (-1.0, "minimise")):
        agent = GaussianProcess("level_set", "position", level=sign * -0.4, seeds=5)
        problem = replace(trivial_problem(), candidates=grid, positions_nm=grid, objective=objective)  # type: ignore[arg-type]
        agent.begin(problem, 2)
        for step in range(1, 31):
            decision = agent.act({})
            tell(agent, decision, step, -sign * float(np.sum(np.square(decision.action))))
        taken.append(agent.taken.tolist())
    assert taken[0] == taken[1]
    off = np.abs(np.square(grid).sum(axis=1) - 0.4)
    assert off[taken[0][10:]].mean() < 0.4 * off.mean()


# What instruments bring


def options_of(choice: str) -> dict[str, Any]:
    """Every acquisition with all that goes with it."""
    weighed_too = choice in DIVISIBLE
    return {"acquisition": choice, "features": "position", "seeds": 4, "feasibility": weighed_too, "test_points": 20}


@pytest.mark.parametrize("options", [*map(options_of, CHOICES), {"noise": "robust"}, {"noise": "varying"}], ids=str)
def test_every_acquisition_passes_the_public_suite(options: dict[str, Any]) -> None:
    check_agent(Trial(partial(GaussianProcess, **{"seeds": 4, "refit_every": 3, **options}), steps=9))


VALUES = st.one_of(
    st.lists(st.floats(-1e3, 1e3) | st.just(np.nan), min_size=7, max_size=7),
    st.just([np.nan] * 7),
    st.just([2.5] * 7),
    st.lists(st.floats(1e-15, 1e-12), min_size=7, max_size=7),
    st.lists(st.floats(-1e12, 1e12), min_size=7, max_size=7),
)


@pytest.mark.parametrize("noise", ["equal", "robust", "varying"])
@pytest.mark.parametrize("choice", CHOICES)
@settings(max_examples=3, deadline=None, derandomize=True)
@given(values=VALUES, repeated=st.booleans())
def test_dirty_values_are_borne(choice: str, noise: str, values: list[float], repeated: bool) -> None:
    """Missing, constant, tiny and huge values, one place again and again; and then candidates that run out."""
    agent = GaussianProcess(**{**options_of(choice), "seeds": 2}, noise=noise)  # type: ignore[arg-type]
    whole = trivial_problem()
    assert whole.candidates is not None
    assert whole.positions_nm is not None
    assert whole.pixels is not None
    few = {name: getattr(whole, name)[:9] for name in ("candidates", "positions_nm", "pixels")}
    agent.begin(replace(whole, **few), 0)
    first = None
    for step, value in enumerate(values * 2, start=1):
        decision = agent.act({})
        assert np.isfinite(list(decision.figures.values())).all()
        first = first or decision
        tell(agent, first if repeated else decision, step, value, seconds=1.0)


@pytest.mark.parametrize("choice", CHOICES)
def test_one_value_and_one_candidate_are_enough_to_go_on(choice: str) -> None:
    agent = GaussianProcess(**options_of(choice))
    whole = trivial_problem()
    assert whole.candidates is not None
    assert whole.positions_nm is not None
    assert whole.pixels is not None
    one = {name: getattr(whole, name)[:1] for name in ("candidates", "positions_nm", "pixels")}
    agent.begin(replace(whole, **one), 0)
    for step in range(1, 8):
        decision = agent.act({})
        assert decision.candidate == 0
        tell(agent, decision, step, 1.0, seconds=1.0)

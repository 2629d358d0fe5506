"""Two numbers at once: the area that is dominated, what is expected to add to it, and an agent that finds the front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.bayesian.hypervolume import expected_improvement, front, hypervolume
from agents.bayesian.pareto import ParetoGaussianProcess
from agents.protocol import AgentError, Decision, Problem, Transition

Floats = NDArray[np.float64]
REFERENCE = np.array([-1.0, -0.5])
PLACES = np.stack(np.meshgrid(np.linspace(0.0, 1.0, 15), np.linspace(0.0, 1.0, 15)), axis=-1).reshape(-1, 2)
PROBLEM = Problem(
    np.zeros(2), np.ones(2), "maximise", "area", "pm", candidates=PLACES, also_name="coercive voltage", also_unit="V"
)


def by_counting(points: Floats, reference: Floats, cells: int = 400) -> float:
    """The area, from a grid of cells of which some point is above and to the right."""
    top = np.maximum(points.max(0), reference) + 1e-9
    x, y = (np.linspace(reference[i], top[i], cells + 1)[:-1] + (top[i] - reference[i]) / cells / 2 for i in range(2))
    under = ((points[:, 0, None, None] > x[None, :, None]) & (points[:, 1, None, None] > y[None, None, :])).any(0)
    return float(under.mean() * np.prod(top - reference))


@pytest.mark.parametrize("seed", range(4))
def test_hypervolume_is_the_area_counted_cell_by_cell(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(9, 2))
    assert hypervolume(points, REFERENCE) == pytest.approx(by_counting(points, REFERENCE), rel=0.02)
    assert hypervolume(np.array([[1.0, 2.0]]), REFERENCE) == pytest.approx(5.0)
    assert hypervolume(np.array([[-2.0, 2.0]]), REFERENCE) == 0.0


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_dominates(points: list[tuple[int, int]]) -> None:
    table = np.array(points, dtype=np.float64)
    found = table[front(table)]
    assert (np.diff(found[:, 0]) > 0).all()
    assert (np.diff(found[:, 1]) < 0).all()
    expected = {tuple(p) for p in table.tolist() if not any((q >= p).all() and (q > p).any() for q in table)}
    assert {tuple(p) for p in found.tolist()} == expected


@pytest.mark.parametrize("count", [0, 1, 6])
def test_expected_improvement_is_the_average_of_what_draws_add(count: int) -> None:
    rng = np.random.default_rng(count)
    points = rng.normal(size=(count, 2))
    mean, spread = np.array([[0.3, 0.2], [-2.0, 1.0], [1.5, -1.0]]), np.array([[0.5, 0.8], [0.4, 0.1], [1.0, 1.0]])
    found = expected_improvement(points, REFERENCE, mean, spread)
    before = hypervolume(points, REFERENCE)
    for i in range(3):
        drawn = mean[i] + spread[i] * rng.normal(size=(8000, 2))
        added = [hypervolume(np.vstack([points, new]), REFERENCE) - before for new in drawn]
        assert found[i] == pytest.approx(np.mean(added), abs=4 * np.std(added) / 8000**0.5 + 1e-6)


def test_expected_improvement_is_botorchs() -> None:
    from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
    from botorch.models.deterministic import GenericDeterministicModel
    from botorch.posteriors import GPyTorchPosterior
    from botorch.utils.multi_objective.box_decompositions.non_dominated import NondominatedPartitioning
    from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal

    rng = np.random.default_rng(3)
    points, mean, spread = rng.normal(size=(7, 2)), rng.normal(size=(5, 2)), rng.uniform(0.1, 1.0, size=(5, 2))

    class Known(GenericDeterministicModel):  # type: ignore[misc]
        def posterior(self, X: torch.Tensor, *_: Any, **__: Any) -> Any:
            row = X[..., 0].long()
            each = [
                MultivariateNormal(
                    torch.from_numpy(mean[:, i])[row], torch.diag_embed(torch.from_numpy(spread[:, i] ** 2)[row])
                )
                for i in range(2)
            ]
            return GPyTorchPosterior(MultitaskMultivariateNormal.from_independent_mvns(each))

    parts = NondominatedPartitioning(torch.from_numpy(REFERENCE), torch.from_numpy(points))
    theirs = ExpectedHypervolumeImprovement(Known(lambda x: x, num_outputs=2), REFERENCE.tolist(), parts)
    expected = theirs(torch.arange(5, dtype=torch.float64)[:, None, None]).numpy()
    assert expected_improvement(points, REFERENCE, mean, spread) == pytest.approx(expected, rel=1e-6)


# The agent


def two(place: Floats) -> tuple[float, float]:
    """Each is best at a place of its own; the front is what lies between them."""
    first, second = np.array([0.3, 0.2]), np.array([0.7, 0.8])
    return float(-np.sum((place - first) ** 2)), float(-np.sum((place - second) ** 2))


def play(agent: ParetoGaussianProcess, steps: int, flip: float = 1.0, lost: int = 0) -> list[Decision]:
    decisions = []
    rng = np.random.default_rng(0)
    for step in range(1, steps + 1):
        decision = agent.act({})
        decisions.append(decision)
        value, also = two(decision.action) + 0.01 * rng.normal(size=2)
        also = np.nan if lost and step % lost == 0 else flip * also
        agent.tell(Transition(step, decision, float(value), np.ones(step, bool), 0.0, {}, also=float(also)))
    return decisions


def started(problem: Problem = PROBLEM, **options: Any) -> ParetoGaussianProcess:
    agent = ParetoGaussianProcess(features="position", **options)
    agent.begin(problem, 0)
    return agent


def share_of_front(decisions: list[Decision]) -> float:
    """How much of the area that all places dominate those chosen do."""
    every = np.array([two(place) for place in PLACES])
    reference = every.min(0)
    return hypervolume(every[[int(d.candidate or 0) for d in decisions]], reference) / hypervolume(every, reference)


@pytest.mark.parametrize(
    ("flip", "options"), [(1.0, {}), (-1.0, {"also_wanted": "smallest"}), (1.0, {"reference": (-0.5, -0.5)})]
)
def test_it_finds_the_front(flip: float, options: dict[str, Any]) -> None:
    decisions = play(started(**options), 25, flip)
    assert share_of_front(decisions) > 0.97
    rng = np.random.default_rng(0)
    chance = [
        share_of_front([Decision(PLACES[c], "", candidate=int(c)) for c in rng.permutation(225)[:25]])
        for _ in range(20)
    ]
    assert share_of_front(decisions) > np.mean(chance)
    last = decisions[-1]
    assert "area" in last.reason
    assert "coercive voltage" in last.reason
    assert {"also_mean", "also_std", "hypervolume"} <= last.figures.keys()


def test_what_it_believes_of_the_front_is_the_front() -> None:
    agent = started()
    play(agent, 25)
    beliefs = agent.beliefs()
    assert (np.diff(beliefs["value"]) > 0).all()
    assert (np.diff(beliefs["also"]) < 0).all()
    truth = np.array([two(PLACES[c]) for c in beliefs["front"]])
    assert np.abs(np.stack([beliefs["value"], beliefs["also"]], axis=-1) - truth).max() < 0.05


def test_resumed_it_decides_the_same_and_asking_changes_nothing() -> None:
    agent, again = started(refit_every=4), started(refit_every=4)
    play(agent, 13)
    again.restore(agent.state())
    pending = agent.act({})
    assert again.act({}).candidate == pending.candidate
    assert again.act({}).figures == pending.figures
    second = agent.act({}, pending=[pending])
    assert second.candidate != pending.candidate
    assert agent.act({}).figures == pending.figures


def test_measurements_without_the_second_number_are_not_learned_from() -> None:
    agent = started()
    play(agent, 12, lost=2)
    assert int(agent._both.sum()) == 6
    assert np.isfinite(list(agent.act({}).figures.values())).all()
    few = started()
    few_decisions = play(few, 8, lost=1)
    assert all(d.reason.startswith("Sobol") for d in few_decisions)
    assert few.predict() is None


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    scale=st.sampled_from([1e-30, 1e-12, 1.0, 1e12]),
    also=st.lists(st.floats(-1.0, 1.0) | st.just(np.nan), min_size=9, max_size=9),
    constant=st.booleans(),
    places=st.sampled_from([1, 2, 30]),
)
def test_whatever_the_values_it_goes_on(scale: float, also: list[float], constant: bool, places: int) -> None:
    agent = started(replace(PROBLEM, candidates=PLACES[:places]), seeds=2)
    for step, number in enumerate(also, start=1):
        decision = agent.act({})
        assert np.isfinite(list(decision.figures.values())).all()
        value = scale if constant else scale * step
        agent.tell(Transition(step, decision, value, np.ones(step, bool), 0.0, {}, also=scale * number))
    agent.act({})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (replace(PROBLEM, also_name=""), "task.also"),
        (replace(PROBLEM, objective="map"), "maps nothing"),
        (replace(PROBLEM, candidates=None), "lists none"),
    ],
)
def test_problems_that_are_not_its_own_are_refused(wrong: Problem, said: str) -> None:
    with pytest.raises(AgentError, match=said):
        started(wrong)


@pytest.mark.parametrize(
    "made",
    [
        partial(ParetoGaussianProcess, also_wanted="best"),  # type: ignore[arg-type]
        partial(ParetoGaussianProcess, reference=(1.0,)),
        partial(ParetoGaussianProcess, seeds=1),
        partial(ParetoGaussianProcess, patch_pixels=4),
    ],
)
def test_options_that_make_no_sense_are_refused(made: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|two numbers|start at|odd"):
        made()

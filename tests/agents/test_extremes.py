"""Data as bad and as many as they come: every Bayesian agent goes on, or says in one line why it does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.bayesian.competing_laws import CompetingLaws
from agents.bayesian.continuous import ContinuousGaussianProcess
from agents.bayesian.deep_kernel.agent import DeepKernel
from agents.bayesian.gaussian_process import GaussianProcess
from agents.bayesian.thinning import conditioned_on, spread_over
from agents.protocol import AgentError, Decision, Problem, Transition
from physics_priors.laws import PiecewisePower

MAKERS: dict[str, Callable[[], Any]] = {
    "gaussian_process": partial(GaussianProcess, features="position", seeds=2),
    "deep_kernel": partial(DeepKernel, seeds=2, members=2, hidden=4, warm_up=5, proposals=1),
    "competing_laws": partial(CompetingLaws, [PiecewisePower((0.2, 0.8))], seeds=2, draws=64),
    "competing_laws, improvement": partial(
        CompetingLaws,
        [PiecewisePower((0.2, 0.8))],
        seeds=3,
        draws=64,
        acquisition="log_expected_improvement",
        proposer="softmax",
    ),
    "continuous": partial(ContinuousGaussianProcess, seeds=2, restarts=1, raw_samples=16),
}
SCALES = [1e-300, 1e-30, 1e-12, 1.0, 1e12, 1e100]


def problem(name: str, places: int, axes: int = 1) -> Problem:
    low, high = np.zeros(axes), np.ones(axes)
    if name == "continuous":
        return Problem(low, high, "maximise", "y", "nm")
    side = np.linspace(0.0, 1.0, places)
    grid = np.stack([m.ravel() for m in np.meshgrid(*[side] * axes)], axis=-1)
    positions = np.hstack([grid, np.zeros((len(grid), 2 - axes))]) * 100.0
    return Problem(low, high, "maximise", "y", "nm", candidates=grid, positions_nm=positions)


def told(agent: Any, decision: Decision, value: float) -> None:
    step = agent.told + 1
    agent.tell(Transition(step, decision, value, np.ones(step, bool), 0.0, {}))


def must_stand(agent: Any, decision: Decision) -> None:
    """The decision and what is predicted are numbers, and the action is one of the problem's."""
    assert np.isfinite(decision.action).all()
    assert (decision.action >= 0.0).all()
    assert (decision.action <= 1.0).all()
    assert np.isfinite(list(decision.figures.values())).all()
    prediction = agent.predict() if hasattr(agent, "predict") else None
    if prediction is not None:
        assert np.isfinite(prediction.mean).all()
        assert (prediction.std >= 0.0).all()


@st.composite
def values(draw: st.DrawFn) -> list[float]:
    """Eight numbers of one scale: different ones, all alike, with some missing, or all missing."""
    scale = draw(st.sampled_from(SCALES))
    kind = draw(st.sampled_from(["any", "constant", "some missing", "all missing", "an outlier", "shifted"]))
    found = scale * np.array(draw(st.lists(st.floats(-1.0, 1.0), min_size=8, max_size=8)))
    if kind == "constant":
        found[:] = scale
    if kind == "some missing":
        found[draw(st.lists(st.integers(0, 7), min_size=1, max_size=7))] = np.nan
    if kind == "all missing":
        found[:] = np.nan
    if kind == "an outlier":
        found[draw(st.integers(0, 7))] *= 1e9
    if kind == "shifted":
        found += 1e9 * scale
    return [float(value) for value in found]


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(values=values(), repeated=st.booleans(), places=st.sampled_from([1, 2, 5, 30]))
def test_whatever_the_values_it_goes_on(name: str, values: list[float], repeated: bool, places: int) -> None:
    """Also where one place is measured again and again, and where candidates run out."""
    agent = MAKERS[name]()
    agent.begin(problem(name, places), 0)
    first: Decision | None = None
    for value in values:
        decision = agent.act({})
        must_stand(agent, decision)
        first = first or decision
        told(agent, first if repeated else decision, value)
    must_stand(agent, agent.act({}))


@pytest.mark.parametrize("name", MAKERS)
def test_one_value_and_none_at_all_are_no_model_yet(name: str) -> None:
    agent = MAKERS[name]()
    agent.begin(problem(name, 12), 0)
    for value in (1.0, np.nan, np.nan):
        told(agent, agent.act({}), value)
    decision = agent.act({})
    assert "before" in decision.reason
    if name != "continuous":
        assert agent.predict() is None


@pytest.mark.parametrize("name", MAKERS)
def test_values_whose_squares_overflow_are_refused_in_one_line(name: str) -> None:
    agent = MAKERS[name]()
    agent.begin(problem(name, 12), 0)

    def all_told() -> None:
        for value in (1e300, -1e300, 1e299, 1e298):
            told(agent, agent.act({}), value)
        agent.act({})

    with pytest.raises(AgentError, match="another unit") as caught:
        all_told()
    assert "\n" not in str(caught.value)


# Very many values

MANY = 10_000


def surface(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Highest at (0.7, 0.3)."""
    return np.asarray(np.exp(-8.0 * np.square(places - [0.7, 0.3]).sum(-1)))


def tell_many(agent: Any, count: int) -> None:
    """Noisy values at places drawn at random, most of them more than once."""
    rng = np.random.default_rng(0)
    if agent.problem.candidates is None:
        places, rows = rng.uniform(size=(count, 2)), None
    else:
        rows = rng.integers(len(agent.problem.candidates), size=count)
        places = agent.problem.candidates[rows]
    noisy = surface(places) + 0.02 * rng.normal(size=count)
    for step in range(count):
        candidate = None if rows is None else int(rows[step])
        told(agent, Decision(places[step], "told", candidate=candidate), float(noisy[step]))


@pytest.mark.parametrize("noise", ["equal", "robust", "varying"])
def test_ten_thousand_values_are_thinned_and_memory_is_bounded(noise: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.bayesian.gaussian_process.MOST", 300)
    monkeypatch.setattr("agents.bayesian.gaussian_process._MOST_FITTED", 200)
    agent = GaussianProcess(features="position", refit_every=6000, seeds=2, cache_MiB=1, noise=noise)
    agent.begin(problem("", 50, axes=2), 0)
    tell_many(agent, MANY)
    decision = agent.act({})
    must_stand(agent, decision)
    assert agent.kept_bytes <= 2**20
    prediction = agent.predict()
    assert prediction is not None
    truth = surface(agent.options.actions)  # type: ignore[union-attr]
    assert np.sqrt(np.mean((prediction.mean - truth) ** 2)) < 0.02
    told(agent, decision, 1.0)
    must_stand(agent, agent.act({}))


def test_deep_kernels_take_ten_thousand_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.bayesian.deep_kernel.agent._MOST", 200)
    agent = MAKERS["deep_kernel"].func(  # type: ignore[attr-defined]
        seeds=2, members=2, hidden=4, warm_up=5, proposals=1, refit_every=6000, learn_from=50, cache_MiB=1
    )
    agent.begin(problem("", 40, axes=2), 0)
    tell_many(agent, MANY)
    must_stand(agent, agent.act({}))
    assert agent.kept_bytes <= 2**20


def test_a_box_takes_ten_thousand_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.bayesian.continuous._MOST_VALUES", 200)
    agent = ContinuousGaussianProcess(restarts=2, raw_samples=64)
    agent.begin(problem("continuous", 0, axes=2), 0)
    tell_many(agent, MANY)
    decision = agent.act({})
    must_stand(agent, decision)
    assert np.linalg.norm(decision.action - [0.7, 0.3]) < 0.2


def test_laws_refuse_more_than_they_can_compare() -> None:
    agent = MAKERS["competing_laws"]()
    agent.begin(problem("", 20, axes=2), 0)
    tell_many(agent, MANY)
    with pytest.raises(AgentError, match="agent=gaussian_process"):
        agent.act({})


@given(block=st.integers(1, 500), since=st.integers(0, 500), most=st.integers(4, 600))
def test_thinning_keeps_order_ends_and_its_bound(block: int, since: int, most: int) -> None:
    count = block + since
    some, at_once = conditioned_on(block, count, most)
    assert (np.diff(some) > 0).all()
    assert len(some) <= most + most // 4
    assert at_once <= most
    assert (np.diff(some[at_once:]) == 1).all()
    assert some[0] == 0
    assert some[-1] == count - 1
    if count <= most:
        assert len(some) == count
        assert at_once == block
    longer, as_many = conditioned_on(block, count + 1, most)
    if count > most and as_many == at_once and longer[at_once - 1] == some[at_once - 1]:
        assert np.array_equal(longer[:-1], some)  # one more value follows, and nothing is conditioned on anew
    assert len(spread_over(count, most)) == min(count, most)

"""The one-pass model says what BoTorch and GPyTorch say on the same data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from botorch.acquisition import LogExpectedImprovement, UpperConfidenceBound
from botorch.acquisition.active_learning import qNegIntegratedPosteriorVariance
from botorch.fit import fit_gpytorch_mll
from gpytorch.mlls import ExactMarginalLogLikelihood
from numpy.typing import NDArray

from agents.bayesian.acquisition import log_expected_improvement, upper_confidence_bound
from agents.bayesian.candidate_posterior import CandidatePosterior
from agents.bayesian.fitting import LogPosterior, fit
from agents.bayesian.hyperparameters import Hyperparameters, known_noise_variance, prior_medians
from agents.bayesian.kernel import SignalKernel
from agents.bayesian.quick_model import quick_model
from agents.bayesian.surrogate import build, location_and_scale, one_thread, standardised

NAMES = ("position_0", "position_1", "patch_0")
GIVEN = Hyperparameters(np.array([0.3, 0.15, 0.6]), np.array([1.7, 0.4]), 0.03, -0.2)


def data(seed: int = 0, count: int = 25) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(size=(count, 3))
    return inputs, 300.0 + 40.0 * np.sin(6.0 * inputs).sum(axis=1) + rng.normal(size=count)


def candidates(count: int = 30) -> NDArray[np.float64]:
    return np.random.default_rng(9).uniform(size=(count, 3))


def botorch_model() -> object:
    return build(*data(), NAMES, GIVEN).eval()


def model_of(at: NDArray[np.float64], *, block: int = 25, **options: Any) -> CandidatePosterior:
    """The data, and candidates `at` behind them in the list."""
    inputs, values = data()
    posterior = CandidatePosterior(np.vstack([inputs, at]), NAMES, **options)
    return posterior.follow(np.arange(len(values)), values, block, GIVEN)


@pytest.mark.parametrize("block", [1, 10, 25])
def test_mean_and_variance_are_those_of_single_task_gp(block: int) -> None:
    posterior = model_of(candidates(), block=block)
    mean, variance = posterior.mean()[25:], posterior.variance()[25:]
    with torch.no_grad():
        reference = botorch_model().posterior(torch.from_numpy(candidates())[:, None, :])  # type: ignore[attr-defined]
    expected = reference.mean[:, 0, 0].numpy()
    assert posterior.location + posterior.scale * mean.numpy() == pytest.approx(expected, rel=1e-7)
    assert posterior.scale**2 * variance.numpy() == pytest.approx(reference.variance[:, 0, 0].numpy(), rel=1e-6)


def test_acquisitions_are_those_of_botorch_on_single_task_gp() -> None:
    posterior, at = model_of(candidates()), torch.from_numpy(candidates())[:, None, :]
    mean, variance = posterior.mean()[25:], posterior.variance()[25:]
    scale, location = posterior.scale, posterior.location
    with torch.no_grad():
        improvement = LogExpectedImprovement(botorch_model(), best_f=340.0)(at).numpy()
        bound = UpperConfidenceBound(botorch_model(), beta=2.5)(at).numpy()
    ours = log_expected_improvement(mean, variance, (340.0 - location) / scale).numpy()
    assert ours + math.log(scale) == pytest.approx(improvement, rel=1e-6, abs=1e-6)
    assert location + scale * upper_confidence_bound(mean, variance, 2.5).numpy() == pytest.approx(bound, rel=1e-7)


def test_the_quick_model_is_single_task_gp_and_its_gradient_is_right() -> None:
    names, given = ("axis_0", "axis_1", "axis_2"), Hyperparameters(GIVEN.lengthscales, np.array([1.7]), 0.03, -0.2)
    at = torch.from_numpy(candidates())[:, None, :].requires_grad_()
    slow = build(*data(), names, given).eval()
    inputs, values = data()
    location, scale = location_and_scale(values)
    quick, slow = quick_model(inputs, standardised(values), given).posterior(at), slow.posterior(at)
    ours, theirs = (torch.autograd.grad((p.mean + p.variance.sqrt()).sum(), at)[0].numpy() for p in (quick, slow))
    ours = scale * ours
    assert location + scale * quick.mean.detach().numpy() == pytest.approx(slow.mean.detach().numpy(), rel=1e-7)
    assert scale**2 * quick.variance.detach().numpy() == pytest.approx(slow.variance.detach().numpy(), rel=1e-5)
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("block", [1, 25])
def test_integrated_variance_is_botorchs_on_a_small_case(block: int) -> None:
    at = candidates(50)
    posterior = model_of(at, block=block, tested=np.arange(55, 75))
    reference = qNegIntegratedPosteriorVariance(botorch_model(), mc_points=torch.from_numpy(at[30:]))
    with torch.no_grad():
        expected = reference(torch.from_numpy(at[:30])[:, None, :]).numpy()
    none = np.zeros(0, np.int64)
    ours = posterior.scale**2 * (posterior.gain(none) - posterior.tested_variance()).numpy()[25:55]
    assert ours == pytest.approx(expected, rel=1e-6)
    assert np.ptp(ours) > 1.0


def test_pending_points_leave_the_mean_and_take_the_variance_of_their_measurements() -> None:
    """As if they had been measured and had brought what the model expects; and nothing is left of them."""
    at, ahead = candidates(), np.array([30, 40])
    posterior, told = model_of(at, tested=np.arange(45, 55)), model_of(at, tested=np.arange(45, 55))
    before = posterior.mean().clone(), posterior.variance().clone(), posterior.gain(np.zeros(0, np.int64)).clone()
    values = data()[1]
    believed = posterior.location + posterior.scale * posterior.at(ahead)[0].numpy()
    told.follow(np.append(np.arange(25), ahead), np.append(values, believed), 25, GIVEN)
    assert posterior.ahead(ahead).numpy() == pytest.approx(told.variance().numpy(), abs=1e-12)
    assert posterior.gain(ahead).numpy() == pytest.approx(told.gain(np.zeros(0, np.int64)).numpy(), abs=1e-12)
    expected = (posterior.location + posterior.scale * before[0]).numpy()
    shift = GIVEN.mean * (told.scale - posterior.scale) + told.location - posterior.location  # the prior mean moves
    assert (told.location + told.scale * told.mean()).numpy() == pytest.approx(expected, abs=2 * abs(shift) + 1e-9)
    after = posterior.mean(), posterior.variance(), posterior.gain(np.zeros(0, np.int64))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def exactly(
    inputs: NDArray[np.float64], taken: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance in the values' units, by one solve with the whole covariance (equations 2.23 and 2.24)."""
    kernel = SignalKernel(inputs, NAMES, GIVEN)
    rows, location, scale = torch.from_numpy(taken), values.mean(), values.std(ddof=1)
    covariance = kernel.between(rows, rows).numpy() + GIVEN.noise * np.eye(len(taken))
    cross = kernel.between(rows, torch.arange(len(inputs))).numpy()
    weights = np.linalg.solve(covariance, cross)
    residual = (values - location) / scale - GIVEN.mean
    mean = location + scale * (GIVEN.mean + residual @ weights)
    return mean, scale**2 * (kernel.variance - (cross * weights).sum(axis=0))


@pytest.mark.parametrize(("cache_bytes", "relative"), [(2**30, 1e-6), (12 * 2**20, 1e-3)], ids=["double", "single"])
def test_a_thousand_updates_one_by_one_are_the_exact_answer(cache_bytes: int, relative: float) -> None:
    rng = np.random.default_rng(2)
    inputs = rng.uniform(size=(2500, 3))
    taken = rng.choice(2500, 1000)  # some are measured again
    values = 300.0 + 40.0 * np.sin(6.0 * inputs[taken]).sum(axis=1) + 4.0 * rng.normal(size=1000)
    posterior = CandidatePosterior(inputs, NAMES, cache_bytes=cache_bytes)
    for count in (1, 2, 10, 400, 1000):
        posterior.follow(taken[:count], values[:count], 1, GIVEN)
    assert len(posterior.seen) == 2500
    mean, variance = exactly(inputs, taken, values)
    assert (posterior.location + posterior.scale * posterior.mean()).numpy() == pytest.approx(mean, rel=relative)
    assert (posterior.scale**2 * posterior.variance()).numpy() == pytest.approx(variance, rel=relative)


def test_beyond_its_memory_it_sees_fewer_candidates_and_is_exact_everywhere() -> None:
    rng = np.random.default_rng(3)
    inputs = rng.uniform(size=(2000, 3))
    taken, values = np.arange(60), 5.0 + rng.normal(size=60)
    posterior = CandidatePosterior(inputs, NAMES, cache_bytes=200_000, tested=np.array([1999, 7]))
    posterior.follow(taken, values, 40, GIVEN)
    assert 400 <= len(posterior.seen) <= 600
    assert {7, 1999} <= set(posterior.seen.tolist())
    mean, variance = exactly(inputs, taken, values)
    everywhere = posterior.everywhere()
    assert (posterior.location + posterior.scale * everywhere[0]).numpy() == pytest.approx(mean, rel=1e-6)
    assert (posterior.scale**2 * everywhere[1]).numpy() == pytest.approx(variance, rel=1e-6)
    seen = (posterior.location + posterior.scale * posterior.mean()).numpy()
    assert seen == pytest.approx(mean[posterior.seen], rel=1e-3)


def test_a_value_taken_back_is_forgotten_and_the_way_there_does_not_matter() -> None:
    inputs, values = data(count=40)
    taken = np.arange(40)
    straight, corrected = (CandidatePosterior(inputs, NAMES) for _ in range(2))
    kept = np.delete(taken, 30)
    straight.follow(kept, values[kept], 20, GIVEN)
    for count in (25, 35, 40):
        corrected.follow(taken[:count], values[:count], 20, GIVEN)
    corrected.follow(kept, values[kept], 20, GIVEN)
    assert torch.equal(straight.mean(), corrected.mean())
    assert torch.equal(straight.variance(), corrected.variance())


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1e-12), (1e9, 1.0), (0.0, 1e140), (-1e-30, 1e-33)])
def test_huge_and_tiny_values_give_the_same_belief(shift: float, scale: float) -> None:
    inputs, values = data()
    plain = CandidatePosterior(inputs, NAMES).follow(np.arange(25), values, 10, GIVEN)
    other = CandidatePosterior(inputs, NAMES).follow(np.arange(25), shift + scale * values, 10, GIVEN)
    assert other.mean().numpy() == pytest.approx(plain.mean().numpy(), abs=1e-4)


def test_log_posterior_is_gpytorchs_and_its_gradient_is_right() -> None:
    inputs, values = data()
    model = build(inputs, values, NAMES, GIVEN)
    objective = ExactMarginalLogLikelihood(model.likelihood, model).train()
    expected = -objective(model(*model.train_inputs), model.train_targets).item()
    unknowns = np.array([*np.log([*GIVEN.lengthscales, *GIVEN.outputscale, GIVEN.noise]), GIVEN.mean])
    ours = LogPosterior(inputs, standardised(values), NAMES)
    value, gradient = ours(unknowns)
    assert value == pytest.approx(expected, rel=1e-7)  # GPyTorch takes distances from squares
    for i, step in enumerate(np.eye(len(unknowns)) * 1e-6):
        assert gradient[i] == pytest.approx((ours(unknowns + step)[0] - ours(unknowns - step)[0]) / 2e-6, abs=1e-7)


def test_the_kernel_is_a_sum_over_groups() -> None:
    """Against Matern 5/2 written out (Rasmussen and Williams, eq. 4.17)."""

    def matern(columns: slice, lengthscales: NDArray[np.float64]) -> NDArray[np.float64]:
        away = (inputs[:, None, columns] - inputs[None, :, columns]) / lengthscales
        r = np.sqrt(5.0 * (away**2).sum(axis=-1))
        return np.asarray((1 + r + r**2 / 3) * np.exp(-r))

    inputs, values = data()
    found = build(inputs, values, NAMES, GIVEN).covar_module(torch.from_numpy(inputs)).to_dense().detach().numpy()
    expected = 1.7 * matern(slice(0, 2), GIVEN.lengthscales[:2]) + 0.4 * matern(slice(2, 3), GIVEN.lengthscales[2:])
    assert found == pytest.approx(expected, abs=1e-6)
    alone = Hyperparameters(GIVEN.lengthscales, np.array([1.7]), 0.03, -0.2)
    names = ("patch_0", "patch_1", "patch_2")
    product = build(inputs, values, names, alone).covar_module(torch.from_numpy(inputs)).to_dense().detach().numpy()
    assert product == pytest.approx(1.7 * matern(slice(0, 3), GIVEN.lengthscales), abs=1e-6)


def test_prior_medians_keep_the_whole_as_rough_and_as_strong_whatever_there_is() -> None:
    one, four = prior_medians(("patch_0",)), prior_medians((*NAMES, "patch_1", "patch_2", "patch_3"))
    assert four.lengthscales[2:] == pytest.approx(2.0 * np.repeat(one.lengthscales, 4))
    assert four.lengthscales[:2] == pytest.approx(prior_medians(NAMES[:2]).lengthscales)
    assert one.outputscale.tolist() == [1.0]
    assert four.outputscale.tolist() == [0.5, 0.5]


def test_a_sum_tells_apart_what_each_group_explains() -> None:
    """Of a value that depends on the patch alone, the fit gives position next to nothing."""
    rng = np.random.default_rng(0)
    inputs = rng.uniform(size=(40, 3))
    found = fit(inputs, standardised(np.sin(5.0 * inputs[:, 2])), NAMES)
    assert found is not None
    position, patch = found.outputscale
    assert patch > 10 * position


@pytest.mark.parametrize("names", [NAMES, ("position_0", "position_1", "position_2")], ids=["groups", "one group"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fit_is_as_probable_as_botorchs(seed: int, names: tuple[str, ...]) -> None:
    inputs, values = data(seed, 20)
    model = build(inputs, values, names, prior_medians(names))
    objective = ExactMarginalLogLikelihood(model.likelihood, model)
    fit_gpytorch_mll(objective)
    objective.train()
    theirs = -objective(model(*model.train_inputs), model.train_targets).item()
    found = fit(inputs, standardised(values), names)
    assert found is not None
    unknowns = np.array([*np.log([*found.lengthscales, *found.outputscale, found.noise]), found.mean])
    assert LogPosterior(inputs, standardised(values), names)(unknowns)[0] <= theirs + 1e-4


def test_the_fit_recovers_what_the_data_were_drawn_from_and_covers_new_data() -> None:
    rng = np.random.default_rng(4)
    points = rng.uniform(size=(260, 2))
    truth = Hyperparameters(np.array([0.15, 0.5]), np.ones(1), 0.01, 0.0)
    everyone = torch.arange(260)
    covariance = SignalKernel(points, ("position_0", "position_1"), truth).between(everyone, everyone)
    root = torch.linalg.cholesky(covariance + 1e-8 * torch.eye(260)).numpy()
    field = root @ rng.normal(size=260)
    noisy = 5.0 + 2.0 * (field + 0.1 * rng.normal(size=260))
    found = fit(points[:120], standardised(noisy[:120]), ("position_0", "position_1"))
    assert found is not None
    assert found.lengthscales == pytest.approx(truth.lengthscales, rel=0.4)
    posterior = CandidatePosterior(points, ("position_0", "position_1"))
    posterior.follow(np.arange(120), noisy[:120], 120, found)
    assert posterior.scale * found.noise**0.5 == pytest.approx(0.2, rel=0.4)
    mean, variance = (moment.numpy() for moment in posterior.at(np.arange(120, 260)))
    off = 5.0 + 2.0 * field[120:] - posterior.location - posterior.scale * mean
    assert 0.85 <= np.mean(np.abs(off) < 2 * posterior.scale * np.sqrt(variance)) <= 0.99


def test_a_fit_without_time_gives_nothing() -> None:
    inputs, values = data()
    assert fit(inputs, standardised(values), NAMES, timeout_s=-1.0) is None


def test_one_thread_holds_inside_only() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_fit_that_starts_from_the_last_one_ends_where_a_fresh_one_does_and_sooner(monkeypatch) -> None:
    inputs, values = data(3, 120)
    targets, asked, plain = standardised(values), [0], LogPosterior.__call__

    def counted(self: LogPosterior, unknowns: NDArray[np.float64]) -> Any:
        asked[0] += 1
        return plain(self, unknowns)

    monkeypatch.setattr(LogPosterior, "__call__", counted)
    before = fit(inputs[:100], standardised(values[:100]), NAMES)
    found, spent = [], []
    absurd = Hyperparameters(np.full(3, 30.0), np.full(2, 1e-3), 50.0, 5.0)
    for last in (None, before, absurd):
        asked[0] = 0
        found.append(fit(inputs, targets, NAMES, last=last))
        spent.append(asked[0])
    assert spent[1] < spent[0]
    ends = [plain(LogPosterior(inputs, targets, NAMES), _unknowns(given))[0] for given in found]
    assert ends == pytest.approx([ends[0]] * 3, abs=1e-5)
    np.testing.assert_array_equal(found[0].lengthscales, found[2].lengthscales)  # the medians were the better start


def test_a_noise_that_repeats_have_told_is_believed_against_few_values() -> None:
    inputs, values = data(3, 8)
    targets = standardised(values)
    for std in (0.03, 0.3):
        found = fit(inputs, targets, NAMES, noise=known_noise_variance(std))
        assert found is not None
        assert found.noise**0.5 == pytest.approx(std, rel=0.5)


def _unknowns(given: Hyperparameters) -> NDArray[np.float64]:
    return np.array([*np.log([*given.lengthscales, *given.outputscale, given.noise]), given.mean])

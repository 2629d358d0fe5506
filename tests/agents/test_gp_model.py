"""The one-pass model says what BoTorch and GPyTorch say on the same data."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from botorch.acquisition import LogExpectedImprovement, UpperConfidenceBound
from botorch.acquisition.active_learning import qNegIntegratedPosteriorVariance
from botorch.fit import fit_gpytorch_mll
from gpytorch.mlls import ExactMarginalLogLikelihood
from numpy.typing import NDArray

from agents.bayesian.acquisition import integrated_variance, log_expected_improvement, upper_confidence_bound
from agents.bayesian.fitting import LogPosterior, fit
from agents.bayesian.hyperparameters import Hyperparameters, prior_medians
from agents.bayesian.surrogate import Posterior, build, one_thread, standardised

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


def test_mean_and_variance_are_those_of_single_task_gp() -> None:
    posterior = Posterior(*data(), NAMES, GIVEN)
    mean, variance = posterior.marginal(candidates())
    with torch.no_grad():
        reference = botorch_model().posterior(torch.from_numpy(candidates())[:, None, :])  # type: ignore[attr-defined]
    expected = reference.mean[:, 0, 0].numpy()
    assert posterior.location + posterior.scale * mean.numpy() == pytest.approx(expected, rel=1e-9)
    assert posterior.scale**2 * variance.numpy() == pytest.approx(reference.variance[:, 0, 0].numpy(), rel=1e-7)


def test_covariance_is_that_of_the_joint_posterior() -> None:
    posterior, at = Posterior(*data(), NAMES, GIVEN), candidates()
    with torch.no_grad():
        joint = botorch_model().posterior(torch.from_numpy(at)).covariance_matrix  # type: ignore[attr-defined]
    ours = posterior.scale**2 * posterior.covariance(at[:10], at[10:])
    assert ours.numpy() == pytest.approx(joint[:10, 10:].numpy(), rel=1e-4, abs=1e-4)


def test_acquisitions_are_those_of_botorch_on_single_task_gp() -> None:
    posterior, at = Posterior(*data(), NAMES, GIVEN), torch.from_numpy(candidates())[:, None, :]
    mean, variance = posterior.marginal(candidates())
    scale, location = posterior.scale, posterior.location
    with torch.no_grad():
        improvement = LogExpectedImprovement(botorch_model(), best_f=340.0)(at).numpy()
        bound = UpperConfidenceBound(botorch_model(), beta=2.5)(at).numpy()
    ours = log_expected_improvement(mean, variance, (340.0 - location) / scale).numpy()
    assert ours + math.log(scale) == pytest.approx(improvement, rel=1e-6, abs=1e-6)
    assert location + scale * upper_confidence_bound(mean, variance, 2.5).numpy() == pytest.approx(bound, rel=1e-9)


def test_integrated_variance_is_botorchs_on_a_small_case() -> None:
    posterior, at, tested = Posterior(*data(), NAMES, GIVEN), candidates(), candidates(50)[30:]
    reference = qNegIntegratedPosteriorVariance(botorch_model(), mc_points=torch.from_numpy(tested))
    with torch.no_grad():
        expected = reference(torch.from_numpy(at)[:, None, :]).numpy()
    ours = posterior.scale**2 * integrated_variance(posterior, at, tested).numpy()
    assert ours == pytest.approx(expected, rel=1e-6)
    assert np.ptp(ours) > 1.0


def test_a_pending_point_leaves_the_mean_and_takes_the_variance_of_one_measurement() -> None:
    at, ahead = candidates(), candidates(31)[30:]
    plain, pending = Posterior(*data(), NAMES, GIVEN), Posterior(*data(), NAMES, GIVEN, pending=ahead)
    mean, variance = plain.marginal(at)
    taken = plain.covariance(at, ahead)[:, 0] ** 2 / (plain.marginal(ahead)[1] + GIVEN.noise)
    assert pending.marginal(at)[0].numpy() == pytest.approx(mean.numpy(), abs=1e-9)
    assert pending.marginal(at)[1].numpy() == pytest.approx((variance - taken).numpy(), abs=1e-9)


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
    prior = Posterior(np.full((1, 2), 50.0), np.zeros(1), ("position_0", "position_1"), truth)
    root = torch.linalg.cholesky(prior.covariance(points, points) + 1e-8 * torch.eye(260)).numpy()
    field = root @ rng.normal(size=260)
    noisy = 5.0 + 2.0 * (field + 0.1 * rng.normal(size=260))
    found = fit(points[:120], standardised(noisy[:120]), ("position_0", "position_1"))
    assert found is not None
    assert found.lengthscales == pytest.approx(truth.lengthscales, rel=0.4)
    posterior = Posterior(points[:120], noisy[:120], ("position_0", "position_1"), found)
    assert posterior.scale * found.noise**0.5 == pytest.approx(0.2, rel=0.4)
    mean, variance = (moment.numpy() for moment in posterior.marginal(points[120:]))
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

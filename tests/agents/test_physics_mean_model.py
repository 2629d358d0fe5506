"""What a law's Gaussian process believes: exact where a closed form is known, and drawn from as its density says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from agents.bayesian.hyperparameters import known_noise
from agents.bayesian.physics_mean_belief import Belief, Members, Mixture, draws_for
from agents.bayesian.physics_mean_hypothesis import Hypothesis, MeanFunction, Space, unit_of
from agents.bayesian.physics_mean_sampling import LateError, after, before_any_value
from agents.protocol import AgentError
from physics_priors.laws import Resonance, SchottkyEmission

V = np.linspace(0.1, 9.0, 120)[:, None]
UNIT = (V - V.min()) / np.ptp(V)
NAMES = ("position_0",)
LAW = SchottkyEmission()
RIGHT = -11.5 + 1.3 * np.sqrt(V[:, 0]) + 0.05 * np.sin(2 * V[:, 0])
EVERYWHERE = np.arange(len(V))


def data(count: int, truth=RIGHT, seed=0):
    """Candidates [n] and noisy values [n] at them."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(V), count, replace=False)
    return rows, truth[rows] + 0.1 * rng.normal(size=count)


def hypothesis(law=LAW, inputs=UNIT, names=NAMES, location=0.0, unit=1.0) -> Hypothesis:
    mean = None if law is None else MeanFunction(law, V, 1.0)
    return Hypothesis(mean, Space(inputs, names, location, unit))


def drawn(one: Hypothesis, count: int, seed=0):
    return one.drawn(count, np.random.default_rng(seed))


def followed(one: Hypothesis, rows, values, seed=0, count=256):
    """Draws led from value to value."""
    rng = np.random.default_rng(seed)
    draws = before_any_value(one, count, rng)
    for known in range(len(rows)):
        draws = after(draws, one, rows[: known + 1], values[: known + 1], known, rng, np.inf)
    return draws


@pytest.mark.parametrize("law", [LAW, None], ids=["law", "none"])
def test_the_likelihood_is_that_of_a_normal_distribution(law):
    one, (rows, values) = hypothesis(law, location=-9.0), data(9)
    u = drawn(one, 5)
    found = one.log_densities(u, rows, values)
    lengthscales, signal, noise = one.process(u)
    for k in range(5):
        distance = np.sqrt(5.0) * np.abs(UNIT[rows] - UNIT[rows].T) / lengthscales[k]
        matern = (1 + distance + distance**2 / 3) * np.exp(-distance)
        covariance = signal[k] * (1.0 + matern) + (noise[k] + 1e-10 * signal[k]) * np.eye(9)
        mean = np.full(9, -9.0) if law is None else LAW.mean(one.mean.theta(u[[k], :2]), V[rows])[0]
        expected = multivariate_normal(mean, covariance).logpdf(values)
        assert found[k].sum() == pytest.approx(expected, rel=1e-6, abs=1e-6)
        first = multivariate_normal(mean[:4], covariance[:4, :4]).logpdf(values[:4])
        assert found[k, :4].sum() == pytest.approx(first, rel=1e-6, abs=1e-6)


def test_axes_have_main_effects_and_patches_do_not():
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 3), np.linspace(0, 1, 3)), axis=-1).reshape(-1, 2)
    far = np.array([[0.01, 0.01]])
    by_axis = hypothesis(None, grid, ("position_0", "position_1")).covariance(
        far, np.ones(1), EVERYWHERE[:9], EVERYWHERE[:9]
    )[0]
    assert by_axis[0, 0] == pytest.approx(2.0)
    assert by_axis[0, 1] == pytest.approx(1.0)  # the same row: what the row has in common, and the constant
    assert by_axis[0, 4] == pytest.approx(0.5)  # the constant
    patch = hypothesis(None, grid, ("patch_0", "patch_1")).covariance(far, np.ones(1), EVERYWHERE[:9], EVERYWHERE[:9])[
        0
    ]
    assert patch[0, 1] == pytest.approx(1.0)
    assert patch[0, 4] == pytest.approx(1.0)
    assert np.linalg.eigvalsh(by_axis).min() > 0


def test_draws_of_the_prior_follow_its_density():
    one = hypothesis()
    u = drawn(one, 200_000)[:, 0]
    grid = np.linspace(-12.0, 12.0, 4801)
    table = np.zeros((len(grid), one.size))
    table[:, 0] = grid
    density = np.exp(one.log_prior(table) - one.log_prior(np.zeros((1, one.size))))
    density /= density.sum() * (grid[1] - grid[0])
    for edge in (0.5, 1.0, 2.0, 3.0):
        inside = density[np.abs(grid) < edge].sum() * (grid[1] - grid[0])
        assert (np.abs(u) < edge).mean() == pytest.approx(inside, abs=5e-3)


def test_the_evidence_is_that_of_importance_sampling_from_the_prior():
    """Of few values the prior itself is a fair proposal, and the mean likelihood over its draws the evidence."""
    one, (rows, values) = hypothesis(), data(3)
    likelihood = one.log_densities(drawn(one, 100_000, seed=5), rows, values).sum(-1)
    exact = logsumexp(likelihood) - np.log(len(likelihood))
    found = np.array([followed(one, rows, values, seed).log_evidence for seed in range(12)])
    assert logsumexp(found) - np.log(len(found)) == pytest.approx(exact, abs=0.25)
    assert np.std(found) < 0.5


def test_a_linear_law_is_inferred_as_by_bayesian_regression():
    """With process and noise held, Schottky's law is linear and its posterior known, but for the prior's wide part."""
    one, (rows, values) = hypothesis(), data(25)
    draws = followed(one, rows, values, count=512)
    u = draws.even(512, np.random.default_rng(1))
    lengthscales, signal, noise = (each.mean(0, keepdims=True) for each in one.process(u))
    kernel = one.covariance(lengthscales, signal, rows, rows)[0] + noise[0] * np.eye(25)
    slope = np.stack([np.ones(25), np.sqrt(V[rows, 0])], axis=-1)
    precision = slope.T @ np.linalg.solve(kernel, slope) + np.diag([1 / 4.0, 1.0])
    middle = np.linalg.solve(precision, slope.T @ np.linalg.solve(kernel, values) + np.array([-11.0 / 4.0, 1.0]))
    theta = one.mean.theta(u[:, :2])
    spread = np.sqrt(np.diag(np.linalg.inv(precision)))
    assert np.all(np.abs(theta.mean(0) - middle) < 0.5 * spread)
    assert np.all(np.abs(np.log(theta.std(0) / spread)) < 0.4)


def test_both_of_two_modes_are_kept():
    """A resonance seen from its foot may lie on either side; the prior knows nothing of which."""
    f = np.linspace(2.5e5, 4.5e5, 201)[:, None]
    law = Resonance((3.5e5, 4e4), (80.0, 1.05), (1.0, 1.05))
    one = Hypothesis(MeanFunction(law, f, 1.0), Space((f - 2.5e5) / 2e5, NAMES, 0.0, 10.0))
    at = np.array([100])  # 3.5e5
    draws = followed(one, at, np.array([8.0]), count=1024)
    side = np.sign(draws.even(1024, np.random.default_rng(0))[:, 0])
    assert 0.3 < (side > 0).mean() < 0.7


def test_a_draw_is_predicted_with_as_by_the_exact_process():
    one, (rows, values) = hypothesis(), data(14)
    u = drawn(one, 3)
    found = Members(one, u, 1.0, rows, values)
    lengthscales, signal, noise = one.process(u)
    kernel = one.covariance(lengthscales, signal, EVERYWHERE, EVERYWHERE)
    for k in range(3):
        noisy = kernel[k][np.ix_(rows, rows)] + (noise[k] + 1e-10 * signal[k]) * np.eye(14)
        gain = np.linalg.solve(noisy, kernel[k][rows]).T
        said = LAW.mean(one.mean.theta(u[[k], :2]), V)[0]
        mean, variance = (each[k] for each in found.at(EVERYWHERE))
        np.testing.assert_allclose(mean, said + gain @ (values - said[rows]), rtol=1e-6)
        np.testing.assert_allclose(variance, np.diag(kernel[k] - gain @ kernel[k][rows]), rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(np.diag(found.between(EVERYWHERE, EVERYWHERE)[k]), variance, rtol=1e-5, atol=1e-7)


def test_the_gain_is_that_of_the_joint_covariance():
    """With one draw nothing but the process's covariance is left; with several their differences count as well."""
    one, (rows, values) = hypothesis(), data(10)
    tested, free = np.arange(0, 120, 7), np.arange(1, 120, 5)
    single = Members(one, drawn(one, 1), 1.0, rows, values)
    covariance, variance = single.between(tested, free)[0], single.at(free)[1][0]
    expected = np.square(covariance).mean(0) / (variance + single.noise[0])
    np.testing.assert_allclose(Mixture([single]).gain(tested, free), expected, rtol=1e-9)
    many = Mixture([Members(one, drawn(one, 40), 1.0, rows, values)])
    mean, inside, weights = many.parts(free)
    assert np.all(many.at(free)[1] >= weights @ inside)
    assert np.all(many.gain(tested, free) > 0)
    assert mean.shape == (40, len(free))


def test_pending_measurements_keep_the_mean_and_take_variance():
    one, (rows, values) = hypothesis(), data(10)
    u = followed(one, rows, values).even(256, np.random.default_rng(0))
    mixture, ahead = (Mixture([Members(one, u, 1.0, rows, values)]) for _ in range(2))
    pending = np.array([5, 90])
    ahead.ahead(pending)
    (mean, variance), (later, less) = mixture.at(EVERYWHERE), ahead.at(EVERYWHERE)
    assert np.all(np.abs(later - mean) < 0.5 * np.sqrt(variance))
    assert np.all(less[pending] < 0.9 * variance[pending])


def test_a_deadline_cuts_the_moves():
    one, (rows, values) = hypothesis(), data(10)
    with pytest.raises(LateError):
        after(before_any_value(one, 64, np.random.default_rng(0)), one, rows, values, 0, np.random.default_rng(0), 0.0)


def test_values_that_nothing_fits_are_refused_in_one_line():
    rows, values = data(5)
    belief = Belief((hypothesis(), hypothesis(None)), (0.5, 0.5), 0)
    belief.learn(rows, values * np.nan)
    with pytest.raises(AgentError, match="neither a law nor a plain"):
        belief.rivals()


def test_units_are_the_laws_unless_values_say_otherwise():
    assert unit_of(1.0, 2.5) == 2.5
    assert unit_of(1.0, 1e6) == 10.0
    assert unit_of(1.0, 1e-6) == 0.1
    assert unit_of(3.0, float("nan")) == 3.0


def test_fewer_draws_predict_where_many_would_take_long():
    assert draws_for(16, 200) == 64
    assert draws_for(200, 20_000) == 8


def test_quantiles_are_those_of_the_mixture_and_not_of_a_gaussian():
    """Two hypotheses that disagree: half of the measurements come from each."""
    rows, values = data(5)
    one, other = hypothesis(location=0.0), hypothesis(None, location=5.0)
    members = [Members(h, drawn(h, 4, seed), 0.5, rows, values) for seed, h in enumerate((one, other))]
    mixture, places, levels = Mixture(members), EVERYWHERE[::20], np.array([0.05, 0.5, 0.95])
    found = mixture.quantiles(places, levels)
    mean, variance, weights = mixture.parts(places)
    spread = np.sqrt(variance + np.concatenate([m.noise for m in members])[:, None])
    rng = np.random.default_rng(0)
    which = rng.choice(len(weights), 200_000, p=weights)
    played = mean[which] + spread[which] * rng.normal(size=(len(which), len(places)))
    for level, row in zip(levels, found, strict=True):
        np.testing.assert_allclose((played < row).mean(0), level, atol=0.004)


def test_noise_that_repeats_have_told_is_believed():
    told = Hypothesis(None, Space(UNIT, NAMES, 0.0, 2.0, known_noise(0.05)))
    noise = np.sqrt(told.process(drawn(told, 4000))[2])
    assert np.median(noise) == pytest.approx(0.1, rel=0.05)
    assert np.std(np.log(noise)) == pytest.approx(0.25, rel=0.1)

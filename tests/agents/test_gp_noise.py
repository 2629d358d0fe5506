"""Noise that differs: the closed form, outliers that count less, and places that are noisier than others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents.bayesian.candidate_posterior import CandidatePosterior, NoiseFactors
from agents.bayesian.fitting import LogPosterior
from agents.bayesian.hyperparameters import Hyperparameters, prior_medians
from agents.bayesian.kernel import SignalKernel
from agents.bayesian.noise import Noise, expected_excess, fit_with_noise, noise_factors, student_factors
from agents.bayesian.surrogate import location_and_scale, standardised

Floats = NDArray[np.float64]
NAMES = ("position_0", "position_1")
GIVEN = Hyperparameters(np.array([0.3, 0.2]), np.array([1.2]), 0.1, 0.1)


def wave(inputs: Floats) -> Floats:
    return np.asarray(np.sin(5 * inputs[:, 0]) + np.cos(4 * inputs[:, 1]))


@pytest.mark.parametrize("block", [1, 12])
def test_each_value_has_the_noise_it_was_given(block: int) -> None:
    """Mean and variance against one solve with the whole covariance, the factors on its diagonal."""
    rng = np.random.default_rng(0)
    inputs, taken, values = rng.uniform(size=(30, 2)), np.arange(12), rng.normal(size=12)
    told, ahead = rng.uniform(0.2, 9.0, 12), rng.uniform(0.5, 3.0, 30)
    model = CandidatePosterior(inputs, NAMES, tested=np.array([20, 25]))
    model.follow(taken, values, block, GIVEN, NoiseFactors(told, ahead))
    every = torch.arange(30)
    prior = SignalKernel(inputs, NAMES, GIVEN).between(every, every).numpy()
    solved = np.linalg.solve(prior[:12, :12] + GIVEN.noise * np.diag(told), prior[:12])
    covariance = prior - prior[:, :12] @ solved
    location, scale = location_and_scale(values)
    residual = (values - location) / scale - GIVEN.mean
    assert model.mean().numpy() == pytest.approx(GIVEN.mean + residual @ solved, rel=1e-9)
    assert model.variance().numpy() == pytest.approx(np.diag(covariance), rel=1e-8)
    gain = np.square(covariance[[20, 25]]).mean(axis=0) / (np.diag(covariance) + GIVEN.noise * ahead)
    assert model.gain(np.zeros(0, np.int64)).numpy() == pytest.approx(gain, rel=1e-8)
    pending = prior[15] - prior[15, :12] @ solved
    left = np.diag(covariance) - np.square(pending) / (covariance[15, 15] + GIVEN.noise * ahead[15])
    assert model.ahead(np.array([15])).numpy() == pytest.approx(left, rel=1e-8)


def test_the_gradient_is_right_where_noise_differs() -> None:
    rng = np.random.default_rng(1)
    inputs, factors = rng.uniform(size=(20, 2)), rng.uniform(0.2, 9.0, 20)
    objective = LogPosterior(inputs, standardised(wave(inputs)), NAMES, factors)
    unknowns = objective.start + 0.2
    gradient = objective(unknowns)[1]
    for i, step in enumerate(np.eye(len(unknowns)) * 1e-6):
        numerical = (objective(unknowns + step)[0] - objective(unknowns - step)[0]) / 2e-6
        assert gradient[i] == pytest.approx(numerical, abs=1e-7)


def test_the_expected_excess_is_that_of_draws_from_the_posterior() -> None:
    rng = np.random.default_rng(2)
    inputs, targets, factors = rng.uniform(size=(9, 2)), rng.normal(size=9), rng.uniform(0.3, 4.0, 9)
    every = torch.arange(9)
    signal = SignalKernel(inputs, NAMES, GIVEN).between(every, every).numpy()
    solved = np.linalg.solve(signal + GIVEN.noise * np.diag(factors), signal)
    mean, covariance = GIVEN.mean + (targets - GIVEN.mean) @ solved, signal - signal @ solved
    fields = mean + rng.normal(size=(200_000, 9)) @ np.linalg.cholesky(covariance + 1e-12 * np.eye(9)).T
    squares = np.square(targets - fields) / GIVEN.noise
    away = 5 * squares.std(axis=0) / len(squares) ** 0.5
    found = expected_excess(inputs, targets, NAMES, GIVEN, factors)
    assert np.all(np.abs(found - squares.mean(axis=0)) < away)


def error(noise: Noise, inputs: Floats, values: Floats, count: int) -> tuple[float, Hyperparameters]:
    """Root mean square error of the mean at places that were not measured."""
    targets = standardised(values)
    given = fit_with_noise(noise, inputs[:count], targets, NAMES)
    assert given is not None
    factors = None
    if given.excess is not None:
        factors = noise_factors(noise, given.excess, np.arange(count), np.ones(count, bool), inputs, NAMES)
    model = CandidatePosterior(inputs, NAMES).follow(np.arange(count), values, count, given, factors)
    mean = model.location + model.scale * model.mean().numpy()[count:]
    return float(np.sqrt(np.square(mean - wave(inputs[count:])).mean())), given


def test_outliers_hurt_a_robust_model_less_and_clean_data_no_more() -> None:
    dirty, clean = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        inputs = rng.uniform(size=(300, 2))
        values = wave(inputs[:60]) + 0.05 * rng.normal(size=60)
        wrong = values + np.where(rng.uniform(size=60) < 0.1, rng.choice([-6.0, 6.0], 60), 0.0)
        dirty.append([error(noise, inputs, wrong, 60)[0] for noise in ("equal", "robust")])
        clean.append([error(noise, inputs, values, 60)[0] for noise in ("equal", "robust")])
    equal, robust = np.mean(dirty, axis=0)
    assert robust < 0.2 * equal
    equal, robust = np.mean(clean, axis=0)
    assert robust < 1.25 * equal


def test_noisy_places_are_known_as_such() -> None:
    rng = np.random.default_rng(4)
    inputs = rng.uniform(size=(400, 2))
    spread = np.where(inputs[:, 0] > 0.5, 0.6, 0.05)
    values = wave(inputs[:120]) + spread[:120] * rng.normal(size=120)
    varying, given = error("varying", inputs, values, 120)
    assert given.excess is not None
    assert varying < error("equal", inputs, values, 120)[0]
    found = noise_factors("varying", given.excess, np.arange(120), np.ones(120, bool), inputs, NAMES)
    noise = np.sqrt(given.noise * found.ahead) * location_and_scale(values)[1]
    assert np.median(noise[inputs[:, 0] > 0.6]) == pytest.approx(0.6, rel=0.4)
    assert np.median(noise[inputs[:, 0] < 0.4]) < 0.35


def test_values_told_since_the_fit_are_as_noisy_as_their_place_says() -> None:
    inputs, usable = np.random.default_rng(0).uniform(size=(10, 2)), np.array([True, False, True, True])
    excess = np.array([12.0, np.nan, 0.0])
    robust = noise_factors("robust", excess, np.arange(4), usable, inputs, NAMES)
    assert robust.told == pytest.approx([*student_factors(np.array([12.0, 0.0])), 1.0])
    assert robust.told[0] == pytest.approx(16 / 5)
    varying = noise_factors("varying", excess, np.arange(4), usable, inputs, NAMES)
    assert varying.told == pytest.approx(np.broadcast_to(varying.ahead, 10)[[0, 2, 3]])


def test_no_time_no_fit_and_equal_noise_is_the_plain_fit() -> None:
    inputs = np.random.default_rng(3).uniform(size=(15, 2))
    targets = standardised(wave(inputs))
    assert fit_with_noise("robust", inputs, targets, NAMES, timeout_s=-1.0) is None
    plain = fit_with_noise("equal", inputs, targets, NAMES)
    assert plain is not None
    assert plain.excess is None
    again = Hyperparameters.from_plain({**prior_medians(NAMES).plain(), "excess": np.ones(3)})
    assert again.excess is not None
    assert again.plain()["excess"].tolist() == [1.0] * 3

"""Gaussian fields: the covariance comes back, errors are as large as predicted, nearest neighbours are enough."""

import numpy as np
import pytest

from physics_priors.gaussian_field.covariance import Covariance
from physics_priors.gaussian_field.likelihood import fit
from physics_priors.gaussian_field.posterior import posterior

TRUE = Covariance((4.0,), 1.5, 0.3)


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places [n, 2], noisy values and the field itself, of a draw of TRUE."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 40, (count, 2))
    distance = np.linalg.norm(places[:, None] - places[None], axis=2) / 4.0
    field = np.linalg.cholesky(TRUE.of(distance) + 1e-9 * np.eye(count)) @ rng.normal(size=count) + 5.0
    return places, field + 0.3 * rng.normal(size=count), field


def test_likelihood_finds_the_covariance():
    found = [fit(*drawn(600, seed)[:2]) for seed in range(3)]
    assert np.mean([c.lengths[0] for c in found]) == pytest.approx(4.0, rel=0.2)
    assert np.mean([c.deviation for c in found]) == pytest.approx(1.5, rel=0.2)
    assert np.mean([c.noise for c in found]) == pytest.approx(0.3, rel=0.15)


def test_errors_are_as_large_as_predicted_and_smaller_than_those_of_neighbours():
    places, values, field = drawn(900, 3)
    known = np.arange(900) < 600
    covariance = fit(places[known], values[known])
    mean, spread = posterior(places[known], values[known], places[~known], covariance)
    away = mean - field[~known]
    assert np.sqrt(np.mean((away / spread) ** 2)) == pytest.approx(1.0, abs=0.2)
    near = np.linalg.norm(places[~known][:, None] - places[known][None], axis=2).argmin(axis=1)
    assert np.sqrt(np.mean(away**2)) < 0.7 * np.sqrt(np.mean((values[known][near] - field[~known]) ** 2))


def test_thirty_two_neighbours_say_what_all_say():
    places, values, _ = drawn(200, 5)
    targets = np.random.default_rng(0).uniform(5, 35, (20, 2))
    few, all_ = (posterior(places, values, targets, TRUE, mean=5.0, neighbours=n) for n in (32, 200))
    assert few[0] == pytest.approx(all_[0], abs=0.15)
    assert few[1] == pytest.approx(all_[1], abs=0.03)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2) / 4.0
    across = np.linalg.norm(targets[:, None] - places[None], axis=2) / 4.0
    exact = 5.0 + TRUE.of(across) @ np.linalg.solve(TRUE.of(distance) + 0.09 * np.eye(200), values - 5.0)
    assert all_[0] == pytest.approx(exact, abs=1e-6)


def test_columns_share_weights_and_no_measurements_give_the_prior():
    places, values, _ = drawn(40, 6)
    both = posterior(places, np.stack([values, -2 * values], axis=1), places[:5] + 0.1, TRUE)
    one = posterior(places, values, places[:5] + 0.1, TRUE)
    assert both[0][:, 0] == pytest.approx(one[0])
    assert both[0][:, 1] == pytest.approx(-2 * one[0])
    nothing = posterior(np.empty((0, 2)), np.empty(0), places, TRUE)
    assert (nothing[0] == 0).all()
    assert (nothing[1] == 1.5).all()


def test_groups_of_coordinates_have_lengths_of_their_own():
    rng = np.random.default_rng(2)
    places = np.column_stack([rng.uniform(0, 40, (500, 2)), rng.normal(size=500)])
    found = fit(places, 2.0 * places[:, 2] + 0.1 * rng.normal(size=500), scales=((0, 1), (2,)))
    assert found.lengths[0] == found.lengths[1]
    assert found.lengths[0] / 40 > 5 * found.lengths[2] / np.ptp(places[:, 2])


def test_too_few_values_are_refused():
    with pytest.raises(ValueError, match="four values"):
        fit(np.zeros((3, 2)), np.zeros(3))

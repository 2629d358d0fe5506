"""The layer's simulated moments, and the posterior that rests on them."""

import numpy as np
import pytest

from physics_priors.ising.closed_form import onsager
from physics_priors.ising.histograms import by_likes
from physics_priors.ising.lattice import Floats, square
from physics_priors.ising.layer_prior import FieldPrior
from physics_priors.ising.layer_table import BEYOND, PAIRS, layer_table, node, statistics
from physics_priors.ising.model import Field, Model, Pair
from physics_priors.ising.sampling import Sampler

SIDE = 32
CONDITIONS = np.array([[220.0, 0.0], [150.0, 8.0], [260.0, 10.0], [120.0, 10.0]])


def images(truth: Floats, replicas: int, conditions: Floats) -> Floats:
    """Histograms [replicas, conditions, 10] of open images of layers that were left alone for a while."""
    model, seen = Model(square(SIDE, SIDE), (Field(), Pair(1))), []
    for k, (temperature, field) in enumerate(conditions):
        theta = np.array([truth[0] * field, -truth[1]]) / temperature
        chain = Sampler(model, theta, replicas=replicas, seed=100 + k)
        chain.run(600)
        seen.append(by_likes(square(SIDE, SIDE, periodic=False), chain.configurations()).reshape(replicas, -1))
    return np.stack(seen, axis=1).astype(float)


def test_statistics_count_spins_and_bonds() -> None:
    lattice = square(8, 8)
    spins = np.random.default_rng(0).choice([-1, 1], (3, 64)).astype(np.int8)
    model = Model(lattice, (Field(), Pair(1)))
    expected = Sampler(model, np.zeros(2), replicas=3, start=spins).statistics()
    np.testing.assert_allclose(np.asarray(statistics(by_likes(lattice, spins))), expected)


@pytest.mark.parametrize(("row", "column"), [(10, 25), (16, 20), (28, 24)])
def test_the_table_is_what_is_simulated_at_its_nodes(row: int, column: int) -> None:
    found = node(float(PAIRS[row]), float(BEYOND[column] + 4 * PAIRS[row]))
    kept = layer_table().values[row, column]
    np.testing.assert_allclose(found[:2], kept[:2], atol=0.03)
    np.testing.assert_allclose(found[[2, 4]], kept[[2, 4]], rtol=0.3)


def test_without_a_field_the_energy_is_onsagers() -> None:
    pairs = np.array([0.2, 0.3, 0.36])
    mean, _ = layer_table().at(pairs, np.zeros(3))
    np.testing.assert_allclose(mean[:, 1], [onsager(1 / pair)[0] for pair in pairs], atol=0.02)
    np.testing.assert_allclose(mean[:, 0], 0.0, atol=0.01)


def test_information_is_the_covariance_in_equilibrium_and_lost_where_walls_froze_in() -> None:
    pair, field = np.array([0.3, 0.4, 0.6, 0.9]), np.array([0.6, 0.8, 2.2, 4.0])
    told, spread = layer_table().information(pair, field), layer_table().at(pair, field)[1]
    for k in range(4):
        theirs = np.diag(told[k]) / np.diag(spread[k])
        assert np.all((theirs > 0.75) & (theirs < 1.3)), (pair[k], theirs)
    frozen = layer_table().information(np.array([1.0]), np.array([0.5]))
    assert frozen[0, 1, 1] < 0.1 * spread[:, 1, 1].min()


def test_the_posterior_is_calibrated() -> None:
    prior, truth, replicas = FieldPrior(), np.array([33.0, 85.0]), 40
    seen, away = images(truth, replicas, CONDITIONS), []
    for each in seen:
        belief = prior.believed(CONDITIONS, list(each))
        rest = belief.mean - truth
        away.append(rest @ np.linalg.solve(belief.covariance, rest) / 2)
    assert 0.6 < np.mean(away) < 1.5
    assert np.sqrt(belief.covariance[1, 1]) < 0.05 * truth[1]


def test_without_images_it_is_the_prior_and_beyond_its_range_it_is_still_found() -> None:
    prior = FieldPrior()
    nothing = prior.believed(np.empty((0, 2)), [])
    np.testing.assert_allclose(nothing.mean, [35.0, 90.0], rtol=1e-6)
    assert nothing.images == 0
    assert np.all(np.diag(nothing.covariance) > prior.width**2 / 13)
    beyond = np.array([54.0, 140.0])
    belief = prior.believed(CONDITIONS, list(images(beyond, 1, CONDITIONS)[0]))
    np.testing.assert_allclose(belief.mean, beyond, rtol=0.1)


def test_walls_between_domains_do_not_rule_what_is_believed() -> None:
    prior, truth = FieldPrior(), np.array([33.0, 85.0])
    places = np.vstack([CONDITIONS, [[60.0, 2.0]]])
    rows, columns = np.divmod(np.arange(SIDE * SIDE), SIDE)
    stripes = ((-1.0) ** (rows + columns) * np.where(columns // 4 % 2, 1, -1)).astype(np.int8)
    walls = by_likes(square(SIDE, SIDE, periodic=False), stripes[None]).ravel().astype(float)
    sound = list(images(truth, 1, CONDITIONS)[0])
    without, belief = prior.believed(CONDITIONS, sound), prior.believed(places, [*sound, walls])
    assert np.all(np.abs(belief.mean - without.mean) < 2 * np.sqrt(np.diag(without.covariance)))
    assert belief.misfit > 5 * without.misfit

import numpy as np
import pytest

from physics_priors.ising import alloy, exact, histograms, kaufman, lattice
from physics_priors.ising.compare import MODELS, anisotropy, compare
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.image import SpinImage, certain, from_intensity, labelled, symmetric_errors
from physics_priors.ising.likelihood import Effort, fit, log_likelihood
from physics_priors.ising.model import Field, Model, Pair, Triangle, pair_model, triangle_model
from physics_priors.ising.multispin import MultiSpin
from physics_priors.ising.predict import elsewhere
from physics_priors.ising.pseudo import maximised, pseudo_likelihood
from physics_priors.ising.sampling import Sampler

SQUARE, TRIANGULAR = lattice.square(4, 4), lattice.triangular(4, 4)
QUICK = Effort(replicas=24, settle=30, samples=40, steps=4)


@pytest.fixture(scope="module")
def images() -> tuple[Model, np.ndarray]:
    many = MultiSpin(64, 64, seed=3)
    many.run(1.0, 3.0, 250)
    return pair_model(lattice.square(64, 64)), many.spins()[:200]


@pytest.mark.parametrize("k", [0.1, 0.3, 0.44, 0.8])
def test_the_partition_function_of_the_torus(k: float) -> None:
    assert kaufman.log_z(4, 4, np.array([k]))[0] == pytest.approx(
        exact.log_partition(pair_model(SQUARE), np.array([k]))
    )
    oblong = lattice.square(3, 5)
    wanted = exact.log_partition(pair_model(oblong), np.array([k]))
    assert kaufman.log_z(3, 5, np.array([k]))[0] == pytest.approx(wanted)


def test_coupling_from_one_image(images: tuple[Model, np.ndarray]) -> None:  # check 42
    model, spins = images
    found = [pseudo_likelihood(model.terms, [certain(model.lattice, s)]) for s in spins]
    k = np.array([f.theta[0] for f in found]) * 3
    assert k.mean() == pytest.approx(1, abs=0.01)
    assert 0.0247 < k.std() < 0.0390
    said = np.sqrt(np.mean([f.covariance[0, 0] for f in found])) * 3
    assert said == pytest.approx(k.std(), rel=0.15)
    table = kaufman.CouplingTable(64, 64, grid := np.linspace(0.2, 0.44, 2401))
    best = grid[table.log_likelihood(model.statistics(spins)[:, 0]).argmax(1)] * 3
    assert best.mean() == pytest.approx(1, abs=0.01)
    assert best.std() == pytest.approx(0.0247, rel=0.15)


def test_simulated_likelihood_is_the_exact_one(images: tuple[Model, np.ndarray]) -> None:
    model, spins = images
    phi = model.statistics(spins)[:, 0]
    grid = np.linspace(0.25, 0.44, 3801)
    best = grid[kaufman.CouplingTable(64, 64, grid).log_likelihood(phi).argmax(1)]
    for number in range(2):
        found = fit(model.terms, [certain(model.lattice, spins[number])], prior_std=100.0, effort=QUICK)
        assert found.theta[0] == pytest.approx(best[number], abs=0.15 * found.std[0])
        assert found.std[0] * 3 == pytest.approx(0.0247, rel=0.1)
        assert found.interval()[0, 0] < found.theta[0] < found.interval()[0, 1]
    log, error = log_likelihood(model.terms, [certain(model.lattice, spins[0])], np.array([0.33]), effort=QUICK)
    wanted = 0.33 * phi[0] - kaufman.log_z(64, 64, np.array([0.33]))[0] + 4096 * np.log(2)
    assert log == pytest.approx(wanted, abs=4 * error + 0.05)
    assert error < 0.6


def test_many_images_know_more_than_one(images: tuple[Model, np.ndarray]) -> None:
    model, spins = images
    some = [certain(model.lattice, s) for s in spins[:4]]
    one, four = (fit(model.terms, part, effort=QUICK) for part in (some[:1], some))
    assert four.std[0] == pytest.approx(one.std[0] / 2, rel=0.1)


def test_the_top_is_found_where_full_newton_steps_go_round_in_circles() -> None:
    sums = np.tile(2.0 * np.arange(5) - 4, 2)
    s, ones = np.repeat([-1.0, 1.0], 5), np.ones(10)
    cold = np.array([0, 0, 3, 58, 1309, 59, 367, 1135, 1774, 1595])  # an antiferromagnet that a field all but saturates
    warm = np.array([4, 8, 22, 70, 341, 329, 79, 26, 16, 5])
    x = 4 * np.vstack([np.stack([4 * ones, -1.333 * sums], 1), np.stack([0 * ones, -0.667 * sums], 1)])
    both, weight = np.tile(s, 2), np.concatenate([cold, warm]).astype(float)
    spread, centre = np.full(2, 0.289) / 4, np.array([1.167, 1.125]) / 4
    top = maximised(x, both, weight, spread, centre)
    slope = x.T @ (weight * (both - np.tanh(x @ top))) - (top - centre) / spread**2
    np.testing.assert_allclose(slope, 0.0, atol=1e-4)


def test_wrong_labels_are_modelled(images: tuple[Model, np.ndarray]) -> None:
    model, spins = images
    rng = np.random.default_rng(1)
    naive, aware = [], []
    for s in spins[:4]:
        labels = np.where(rng.random(len(s)) < 0.05, -s, s)
        labels[rng.random(len(s)) < 0.02] = 0
        image = labelled(model.lattice, labels, symmetric_errors(0.05))
        naive.append(pseudo_likelihood(model.terms, [image]).theta[0] * 3)
        aware.append(fit(model.terms, [image], effort=QUICK).theta[0] * 3)
    assert np.mean(naive) == pytest.approx(0.79, abs=0.05)  # caution 7
    assert np.mean(aware) == pytest.approx(1, abs=0.045)


def test_terms_beyond_pairs_are_recovered() -> None:
    model = Model(lattice.triangular(40, 40), (Field(), Pair(1), Pair(2), Triangle()))
    truth = np.array([0.1, 0.12, -0.06, 0.05])
    chain = Sampler(model, truth, seed=1, replicas=2)
    chain.run(200)
    found = fit(model.terms, [certain(model.lattice, s) for s in chain.configurations()], effort=QUICK)
    np.testing.assert_array_less(np.abs(found.theta - truth), 4 * found.std)
    assert found.std.max() < 0.03


def test_the_right_model_has_the_evidence_and_rows_are_told_from_chance() -> None:
    sites = lattice.triangular(26, 26)
    models = {name: MODELS[name] for name in ("pair", "anisotropic", "triangle")}
    for name, theta in (("pair", [0.0, -0.12]), ("anisotropic", [0.0, -0.3, -0.25, 0.25])):
        chain = Sampler(Model(sites, MODELS[name]), np.array(theta), seed=4)
        chain.run(300)
        image = certain(sites, chain.configurations()[0])
        ranked = compare([image], models, effort=QUICK)
        assert ranked[0].name == name
        pair = next(one for one in ranked if one.name == "pair")
        chance = anisotropy(image, pair.posterior, draws=19, sweeps=100)
        assert (chance.p_value <= 0.05) == (name == "anisotropic")
        assert not chance.ordered


def test_an_isotropic_model_that_orders_in_rows_is_found_to() -> None:
    """Antiferromagnetic second neighbours make rows in one of three directions: anisotropic in every image."""
    sites = lattice.triangular(24, 24)
    terms = MODELS["further neighbours"]
    theta = np.array([0.0, -0.7, -0.5, 0.0])
    chain = Sampler(Model(sites, terms), theta, seed=2, start="random")
    chain.spins[: len(sites), 0] = np.where(np.arange(len(sites)) // 24 % 2, 1, -1)
    chain.run(200)
    image = certain(sites, chain.configurations()[0])
    posterior = fit(terms, [image], start=theta, effort=Effort(replicas=8, settle=10, samples=20, steps=0))
    found = anisotropy(image, posterior, draws=9, sweeps=200)
    assert found.ordered
    assert found.seen > 0.5


def test_noise_floor_of_the_statistical_distance() -> None:  # check 40
    rng = np.random.default_rng(0)
    p = np.array([0.1503, 0.1769, 0.1167, 0.0466, 0.0103, 0.0104, 0.0467, 0.1167, 0.1765, 0.1489])
    p /= p.sum()
    one = [histograms.distance(rng.multinomial(4096, p), p) ** 2 for _ in range(3000)]
    assert np.mean(one) == pytest.approx(histograms.noise_floor(10, 4096), rel=0.05)
    two = [histograms.distance(rng.multinomial(4096, p), rng.multinomial(2000, p)) ** 2 for _ in range(3000)]
    assert np.mean(two) == pytest.approx(histograms.noise_floor(10, 4096, 2000), rel=0.05)


def test_reference_histogram_at_three(images: tuple[Model, np.ndarray]) -> None:
    model, spins = images
    counts = histograms.by_likes(model.lattice, spins).sum(0)
    wanted = [[0.1503, 0.1769, 0.1167, 0.0466, 0.0103], [0.0104, 0.0467, 0.1167, 0.1765, 0.1489]]
    np.testing.assert_allclose(counts / counts.sum(), wanted, atol=0.002)


def test_rings_modulo_symmetry() -> None:
    assert histograms.ring_classes(6).max() + 1 == 13
    assert histograms.ring_classes(4).max() + 1 == 6
    tri = lattice.triangular(8, 8)
    spins = np.random.default_rng(0).choice([-1, 1], 64).astype(np.int8)
    counts = histograms.by_rings(tri, spins)
    assert counts.sum() == 64
    turned = spins.reshape(8, 8).T.ravel()  # exchanging rows and columns is a reflection of the lattice
    np.testing.assert_array_equal(histograms.by_rings(tri, turned), counts)


def test_reweighting_reaches_near_parameters_and_says_when_not() -> None:
    model, spins = pair_model(SQUARE), exact.configurations(16)
    p = exact.probabilities(model, np.array([0.25]), spins)
    drawn = np.random.default_rng(0).choice(len(spins), 20_000, p=p)
    counts, phi = histograms.by_likes(SQUARE, spins[drawn]), model.statistics(spins[drawn])
    found, effective = histograms.reweighted(counts, phi, np.array([0.05]))
    there = exact.probabilities(model, np.array([0.3]), spins)
    wanted = np.tensordot(there, histograms.by_likes(SQUARE, spins).astype(float), axes=1)
    assert histograms.distance(found, wanted) ** 2 < 3 * histograms.noise_floor(10, 16 * effective / 4)
    far = np.concatenate([phi[:2000], [[200.0]]])
    with pytest.raises(LatticeError, match="do not reach"):
        histograms.reweighted(np.concatenate([counts[:2000], counts[:1]]), far, np.array([8.0]))


def test_temperature_is_recovered_along_the_talks_ladder() -> None:
    model = pair_model(lattice.square(32, 32))
    for temperature in (5.41, 10.81, 18.92):
        chain = Sampler(model, np.array([1 / temperature]), replicas=400, seed=1)
        chain.run(100)
        found = [kaufman.temperature_interval(phi, 32, 32) for phi in chain.statistics()[:, 0]]
        assert np.mean([low <= temperature <= high for low, _, high in found]) > 0.915
        assert np.median([low for low, _, _ in found]) > 0.4 * temperature
    low, best, high = kaufman.temperature_interval(2 * 32 * 32, 32, 32)
    assert (low, best) == (0.0, 0.0)  # one-sided: the image is the ground state
    seen = 2 * np.exp(2 * 1024 / high - kaufman.log_z(32, 32, np.array([1 / high]))[0])
    assert seen == pytest.approx(0.05, rel=0.01)


def test_predictions_elsewhere_hold_the_truth() -> None:
    tri, terms = lattice.triangular(24, 24), (Field(), Pair(1))
    chain = Sampler(Model(tri, terms), np.array([0.0, 0.18]), seed=3)
    chain.run(200)
    found = fit(terms, [certain(tri, chain.configurations()[0])], effort=QUICK)
    predicted = elsewhere(tri, terms, found.draws(12), scale=0.6, fraction=0.3, sweeps=40)
    truth = elsewhere(tri, terms, np.array([[0.0, 0.18]]), scale=0.6, fraction=0.3, replicas=48, sweeps=60)
    low, high = predicted.interval("order").T
    slack = 3 * predicted.simulation_std["order"]
    assert np.all((truth.mean("order") > low - slack) & (truth.mean("order") < high + slack))
    assert predicted.mean("fraction") == pytest.approx(0.3, abs=0.01)
    assert predicted.mean("histogram").sum() == pytest.approx(1)
    with pytest.raises(LatticeError, match="zero temperature"):
        elsewhere(tri, terms, found.draws(2), scale=np.inf)


def test_triangle_energies_from_images_at_fixed_composition() -> None:
    from physics_priors.ising.kawasaki import Kawasaki, with_composition

    model = triangle_model(lattice.triangular(36, 36))
    theta = alloy.theta_of(0.5, 0.1)
    chain = Kawasaki(model, theta, with_composition(36 * 36, 0.4, 1), replicas=2, seed=2)
    chain.anywhere(150)
    found = fit(model.terms, [certain(model.lattice, s) for s in chain.configurations()], effort=QUICK)
    w = alloy.triangle_energies(*found.theta[1:])
    assert w == pytest.approx((0.5, 0.1), abs=0.25)
    assert found.theta[1] == pytest.approx(theta[1], abs=4 * found.std[1])


def test_soft_labels_of_intensities() -> None:
    image = from_intensity(SQUARE, np.r_[np.zeros(8), np.ones(7), np.nan], (0.0, 1.0), 0.25)
    np.testing.assert_allclose(image.log_odds[[0, 8, 15]], [-8, 8, 0])
    assert image.spins.tolist() == [-1] * 8 + [1] * 7 + [-1]


def test_wrong_images_get_a_clear_error() -> None:
    with pytest.raises(LatticeError, match="labels must be -1 and 1, got \\[0"):
        certain(SQUARE, [0, 1] * 8)
    with pytest.raises(LatticeError, match="12 labels for a lattice of 16 sites"):
        certain(SQUARE, [1, -1] * 6)
    with pytest.raises(LatticeError, match="one of the two classes is empty"):
        certain(SQUARE, np.ones(16))
    with pytest.raises(LatticeError, match="exchange the two labels"):
        labelled(SQUARE, [1, -1] * 8, symmetric_errors(0.7))
    with pytest.raises(LatticeError, match="sum to one"):
        labelled(SQUARE, [1, -1] * 8, np.array([[0.9, 0.2], [0.1, 0.9]]))
    with pytest.raises(LatticeError, match="0 where nothing is known"):
        SpinImage(SQUARE, np.full(16, np.nan))
    with pytest.raises(LatticeError, match="too ordered"):
        pseudo_likelihood((Pair(1),), [certain(SQUARE, np.ones(16), both=False)])
    small = lattice.triangular(2, 3, periodic=False)
    with pytest.raises(LatticeError, match="too small"):
        fit((Pair(1),), [certain(small, [1, -1] * 3)])
    with pytest.raises(LatticeError, match="same bins"):
        histograms.distance(np.ones(3), np.ones(4))
    with pytest.raises(LatticeError, match="above zero"):
        kaufman.log_z(4, 4, np.array([0.0]))
    assert TRIANGULAR.triangles.shape == (32, 3)

"""Every compiled sampler against exact enumeration of 4 x 4 and against a slow readable one."""

import numpy as np
import pytest

from physics_priors.ising import alloy, closed_form, exact, lattice, readable
from physics_priors.ising.cluster import ClusterSampler, improved_m2
from physics_priors.ising.equilibration import autocorrelation_time, judged, standard_error, two_starts
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.kawasaki import Kawasaki, arrhenius_rate_Hz, freezing_temperature_K, with_composition
from physics_priors.ising.model import Field, Model, Pair, Triangle, at_temperature, pair_model, triangle_model
from physics_priors.ising.multispin import MultiSpin
from physics_priors.ising.sampling import Sampler
from physics_priors.ising.tempering import Ladder

SQUARE, TRIANGULAR = lattice.square(4, 4), lattice.triangular(4, 4)


def energy_and_heat(phi: np.ndarray, temperature: float) -> tuple[float, float]:
    return float(-phi.mean() / 16), float(phi.var() / 16 / temperature**2)


@pytest.mark.parametrize("method", ["heat_bath", "metropolis"])
@pytest.mark.parametrize(
    ("made", "temperature"), [(SQUARE, 2.0), (SQUARE, 3.0), (TRIANGULAR, 3.0), (lattice.honeycomb(3, 3), 1.5)]
)
def test_single_flips_against_enumeration(made: lattice.Lattice, temperature: float, method: str) -> None:
    model = pair_model(made)  # checks 34 and 35
    truth = exact.thermodynamics(model, temperature)
    chain = Sampler(model, np.array([1 / temperature]), replicas=1024, seed=1, method=method)  # type: ignore[arg-type]
    chain.run(600)
    phi = chain.record(500, 2)  # a million sweeps
    sites = len(made)
    assert -phi.mean() / sites == pytest.approx(truth["u"], abs=0.002)
    assert phi.var() / sites / temperature**2 == pytest.approx(truth["c"], abs=0.012)


def test_every_kind_of_term_against_enumeration() -> None:
    ways = tuple(Pair(1, way) for way in range(3))
    model = Model(TRIANGULAR, (Field(), *ways, Pair(2), Triangle()))
    theta = np.array([0.1, 0.2, -0.15, 0.05, 0.1, -0.07])
    spins = exact.configurations(16)
    truth = exact.probabilities(model, theta, spins) @ model.statistics(spins)
    chain = Sampler(model, theta, replicas=1024, seed=2)
    chain.run(50)
    found = chain.record(150, 2)
    errors = [standard_error(found[..., k]) for k in range(6)]
    np.testing.assert_array_less(np.abs(found.mean((0, 1)) - truth), 4.5 * np.array(errors))
    assert max(errors) < 0.05


def test_log_odds_of_single_sites_and_fixed_sites() -> None:
    model = pair_model(SQUARE)
    own = np.zeros(16)
    own[3], own[7] = 1.5, -0.5
    free = np.ones(16, bool)
    free[[0, 5]] = False
    spins = exact.configurations(16)
    spins = spins[(spins[:, 0] == 1) & (spins[:, 5] == 1)]
    log = model.statistics(spins)[:, 0] * 0.3 + spins @ own / 2
    weight = np.exp(log - log.max())
    truth = weight @ spins / weight.sum()
    chain = Sampler(model, np.array([0.3]), replicas=2048, start="up", own=own, free=free, seed=4)
    chain.run(30)
    found = np.mean([(chain.run(2), chain.configurations().mean(0))[1] for _ in range(60)], axis=0)
    np.testing.assert_allclose(found, truth, atol=0.015)


def test_readable_and_compiled_agree_on_the_triangle_model() -> None:
    model, theta = triangle_model(TRIANGULAR), alloy.theta_of(0.6, 0.2)
    fast = Sampler(model, theta, replicas=512, seed=3)
    fast.run(40)
    quick = fast.record(60).mean((0, 1))
    for sweep in (readable.heat_bath_sweep, readable.metropolis_sweep):
        rng, spins = np.random.default_rng(0), np.ones(16, np.int8)
        slow = []
        for _ in range(400):
            sweep(model, theta, spins, rng)
            slow.append(model.statistics(spins))
        series = np.array(slow[40:])
        errors = np.array([standard_error(series[:, k]) for k in range(3)])
        np.testing.assert_array_less(np.abs(series.mean(0) - quick), 4 * errors + 0.1)


def test_infinite_lattices_within_their_errors() -> None:  # checks 33, 36 and 41
    for made, temperature, u in (
        (lattice.square(64, 64), 3.0, -0.81731),
        (lattice.triangular(64, 64), 5.0, -0.98954),
        (lattice.triangular(63, 63), 3.0, -2.68033),
    ):
        chain = Sampler(pair_model(made), np.array([1 / temperature]), replicas=8, seed=7, start="up")
        chain.run(150)
        series = -chain.record(120)[..., 0] / len(made)
        assert abs(series.mean() - u) < min(4 * standard_error(series) + 2e-4, 0.004)
    up = np.abs(chain.configurations().mean(1)).mean()
    assert up == pytest.approx(closed_form.triangular_magnetisation(3.0), abs=0.006)


@pytest.mark.parametrize("coupling", [1.0, -1.0])
def test_many_replicas_in_words_against_enumeration_and_onsager(coupling: float) -> None:
    many = MultiSpin(4, 4, blocks=2, seed=5, threads=2)
    many.run(coupling, 2.0, 600)
    model = pair_model(SQUARE)
    phi = np.stack([(many.run(coupling, 2.0, 3), model.statistics(many.spins())[:, 0])[1] for _ in range(200)])
    assert -coupling * phi.mean() / 16 == pytest.approx(-1.755380, abs=0.005)
    assert phi.var() / 16 / 4 == pytest.approx(0.605533, abs=0.01)


def test_replicas_in_words_are_independent() -> None:
    many = MultiSpin(16, 16, seed=6)
    model = pair_model(lattice.square(16, 16))
    many.run(1.0, 3.0, 60)
    phi = np.stack([(many.run(1.0, 3.0, 25), model.statistics(many.spins())[:, 0])[1] for _ in range(150)])
    correlation = np.corrcoef(phi.T)[np.triu_indices(many.replicas, 1)]
    assert abs(correlation.mean()) < 0.002
    assert correlation.std() == pytest.approx(150**-0.5, rel=0.05)


def test_wolff_sizes_are_the_susceptibility() -> None:  # check 42b
    chain = ClusterSampler(SQUARE, 0.5, replicas=200, seed=1)
    chain.wolff(50)
    sizes = chain.wolff(1500)
    assert sizes.mean() == pytest.approx(13.903, abs=0.05)
    assert improved_m2(sizes, 16).mean() == pytest.approx(0.868922, abs=0.004)
    rng, spins = np.random.default_rng(3), np.ones(16, np.int8)
    slow = [readable.wolff_cluster(SQUARE, 0.5, spins, rng) for _ in range(4000)]
    assert np.mean(slow[100:]) == pytest.approx(13.903, abs=5 * standard_error(np.array(slow, float)))


@pytest.mark.parametrize("k", [0.5, -0.5])
def test_swendsen_wang_and_wolff_against_enumeration(k: float) -> None:
    model = pair_model(SQUARE)
    for move in ("wolff", "swendsen_wang"):
        chain = ClusterSampler(SQUARE, k, replicas=500, seed=2)
        getattr(chain, move)(30)
        phi = np.stack([(getattr(chain, move)(2), model.statistics(chain.configurations()))[1] for _ in range(200)])
        assert np.sign(k) * phi.mean() / 16 == pytest.approx(1.755380, abs=0.005)


@pytest.mark.parametrize("w", [(0.5, 0.5), (-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5)])
def test_exchanges_against_enumeration_at_fixed_composition(w: tuple[float, float]) -> None:  # check 39
    model, spins = triangle_model(TRIANGULAR), exact.configurations(16, 5)
    truth = exact.probabilities(model, alloy.theta_of(*w), spins) @ alloy.triangle_counts(TRIANGULAR, spins) / 32
    for move in ("anywhere", "along_bonds"):
        chain = Kawasaki(model, alloy.theta_of(*w), with_composition(16, 5 / 16, 0), replicas=512, seed=3)
        getattr(chain, move)(60)
        found = []
        for _ in range(60):
            getattr(chain, move)(8)
            found.append(alloy.triangle_counts(TRIANGULAR, chain.configurations()).mean(0) / 32)
        np.testing.assert_allclose(np.mean(found, axis=0), truth, atol=0.003)
        assert np.all((chain.configurations() == 1).sum(1) == 5)


def test_readable_exchanges_agree() -> None:
    model, theta = triangle_model(TRIANGULAR), alloy.theta_of(0.5, -0.5)
    rng, spins = np.random.default_rng(1), with_composition(16, 5 / 16, 0)
    slow = []
    for _ in range(500):
        readable.exchange_sweep(model, theta, spins, rng)
        slow.append(alloy.triangle_counts(TRIANGULAR, spins) / 32)
    np.testing.assert_allclose(np.mean(slow, axis=0), (0.370954, 0.339451, 0.270735, 0.018860), atol=0.02)


def test_kinetics_relax_at_the_rate_of_a_single_exchange() -> None:
    """Without interactions a pair of neighbours exchanges once in a mean time of 1 / rate."""
    model = pair_model(lattice.square(8, 8))
    start = -np.ones(64, np.int8)
    start[27] = 1
    chain = Kawasaki(model, np.zeros(1), start, replicas=4000, seed=1)
    passed = chain.along_bonds(1)
    assert passed[0] == pytest.approx(1.0)
    moved = (chain.configurations()[:, 27] != 1).mean()
    assert moved == pytest.approx(1 - np.exp(-4) - 0.045, abs=0.05)  # some have come back


def test_tempering_crosses_what_single_flips_do_not() -> None:
    model = pair_model(lattice.square(8, 8))
    ladder = Ladder(model, np.linspace(0.2, 0.7, 10)[:, None], replicas=64, seed=1, start="up")
    ladder.record(300)
    assert ladder.acceptance.min() > 0.2
    cold = np.sign(ladder.configurations(9).sum(1))
    assert abs(cold.mean()) < 0.5
    alone = Sampler(model, np.array([0.7]), replicas=64, seed=1, start="up")
    alone.run(300)
    assert np.sign(alone.configurations().sum(1)).mean() > 0.9


def test_equilibration_is_judged() -> None:
    model = pair_model(lattice.square(32, 32))
    assert two_starts(model, np.array([1 / 3.5]), 600).equilibrated
    cold = two_starts(model, np.array([1 / 1.2]), 400)
    assert not cold.equilibrated
    assert "differ" in cold.reason or "too short" in cold.reason


def test_autocorrelation_time_of_a_known_process() -> None:
    rng, a = np.random.default_rng(0), 0.9
    x = np.zeros((20_000, 4))
    for t in range(1, len(x)):
        x[t] = a * x[t - 1] + rng.normal(size=4)
    assert autocorrelation_time(x) == pytest.approx(0.5 * (1 + a) / (1 - a), rel=0.15)
    assert autocorrelation_time(rng.normal(size=5000)) == pytest.approx(0.5, abs=0.1)
    assert judged(x[:, :2, None] + 5, x[:, 2:, None]).equilibrated is False


@pytest.mark.parametrize("made", ["sampler", "cluster", "kawasaki", "words", "ladder"])
def test_a_run_resumes_where_it_stopped(made: str) -> None:
    def fresh():  # type: ignore[no-untyped-def]
        model = pair_model(lattice.square(8, 8))
        if made == "sampler":
            return (s := Sampler(model, np.array([0.4]), replicas=3, seed=9)), lambda: s.run(5), s.configurations
        if made == "cluster":
            return (c := ClusterSampler(lattice.square(8, 8), 0.4, replicas=3)), lambda: c.wolff(5), c.configurations
        if made == "kawasaki":
            start = with_composition(64, 0.4, 1)
            return (k := Kawasaki(model, np.array([0.4]), start)), lambda: k.anywhere(5), k.configurations
        if made == "words":
            return (w := MultiSpin(8, 8)), lambda: w.run(1.0, 2.5, 5), w.spins
        ladder = Ladder(model, np.array([[0.3], [0.4]]), replicas=3)
        return ladder, lambda: ladder.round(), lambda: ladder.configurations(1)

    sampler, run, spins = fresh()
    run()
    kept = sampler.state()
    run()
    unbroken = spins()
    again, rerun, other = fresh()
    again.restore(kept)
    rerun()
    np.testing.assert_array_equal(other(), unbroken)


def test_replicas_and_threads_do_not_change_numbers() -> None:
    model = pair_model(lattice.square(8, 8))
    few = Sampler(model, np.array([0.3]), replicas=3, seed=1)
    many = Sampler(model, np.array([0.3]), replicas=16, seed=1, threads=2)
    for chain in (few, many):
        chain.run(10)
    np.testing.assert_array_equal(few.configurations(), many.configurations()[:3])


def test_freezing_in() -> None:
    slow, fast = freezing_temperature_K(2.5, 1e-2), freezing_temperature_K(2.5, 1e2)
    assert slow < fast
    rate = arrhenius_rate_Hz(2.5, slow)
    assert rate * 8.617333e-5 * slow**2 / 2.5 == pytest.approx(1e-2, rel=1e-6)


def test_wrong_input_gets_a_clear_error() -> None:
    model = pair_model(SQUARE)
    with pytest.raises(LatticeError, match="frustrated"):
        ClusterSampler(TRIANGULAR, -0.3)
    with pytest.raises(LatticeError, match="above zero"):
        at_temperature(1.0, 0.0)
    with pytest.raises(LatticeError, match="zero temperature"):
        Sampler(model, np.array([np.inf]))
    with pytest.raises(LatticeError, match="above zero"):
        arrhenius_rate_Hz(1.0, 0.0)
    with pytest.raises(LatticeError, match="labels must be -1 and 1"):
        Sampler(model, np.array([0.3]), start=np.zeros(16, np.int8))
    with pytest.raises(LatticeError, match="9 labels for a lattice of 16 sites"):
        Sampler(model, np.array([0.3]), start=np.ones(9, np.int8))
    with pytest.raises(LatticeError, match="classes is empty"):
        Kawasaki(model, np.array([0.3]), np.ones(16, np.int8))
    with pytest.raises(LatticeError, match="even sides"):
        MultiSpin(5, 4)
    with pytest.raises(LatticeError, match="parameters pair1"):
        Sampler(model, np.array([0.3, 0.2]))

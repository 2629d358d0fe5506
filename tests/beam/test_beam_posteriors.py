"""Rates learned from dwells: exact where a closed form is known, and right about what they are unsure of."""

import numpy as np
import pytest

from physics_priors.beam import aim, events, hop
from physics_priors.beam.hop_model import HopModel
from physics_priors.distributions import Gamma, LogUniform, Normal
from physics_priors.posterior import Grid, Particles
from physics_priors.prior import Parameter, Parameters, Prior

RATE = Parameters((Parameter("rate_s", "1/s", LogUniform(1e-3, 30.0)),))


def test_stamped_events_are_conjugate() -> None:
    after = events.stamped(Gamma(2.0, 5.0), [1, 0, 3], [2.0, 4.0, 1.0])
    assert (after.shape, after.rate) == (6.0, 12.0)
    x = Gamma(2.0, 5.0).quantile((np.arange(200_000) + 0.5) / 200_000)
    evidence = np.log(np.mean(x**4 * np.exp(-7.0 * x)))
    assert events.stamped_log_evidence(Gamma(2.0, 5.0), [1, 0, 3], [2.0, 4.0, 1.0]) == pytest.approx(evidence, rel=1e-4)


@pytest.mark.parametrize(("expected", "bias"), [(0.3466, -0.155), (3.466, -0.72)])
def test_the_naive_count_is_biased_and_the_censored_likelihood_is_not(expected: float, bias: float) -> None:
    rng = np.random.default_rng(3)
    event = rng.uniform(size=40_000) < -np.expm1(-expected)
    exposure = np.full(len(event), 1.5)
    true = expected / 1.5
    assert events.naive_rate(event, exposure) / true - 1 == pytest.approx(bias, abs=0.01)
    found = Grid(RATE, 4000).updated(events.Censored(), {"exposure": exposure}, {"event": event})
    assert found.mean()[0] == pytest.approx(true, rel=0.03)
    assert found.interval()[0, 0] < true < found.interval()[0, 1]


def test_a_dwell_without_an_event_lowers_the_rate() -> None:
    nothing = Grid(RATE).updated(events.Censored(), {"exposure": np.array([10.0])}, {"event": np.array([False])})
    assert nothing.mean()[0] < 0.1 * Grid(RATE).mean()[0]


def test_the_grid_is_a_prior_and_its_samples_have_its_moments() -> None:
    two = Parameters((*RATE.items, Parameter("shift", "", Normal(0.0, 1.0))))
    found = Grid(two, 100).updated(
        events.Censored(), {"exposure": np.array([1.0, 1.0])}, {"event": np.array([True, False])}
    )
    assert isinstance(found, Prior)
    drawn = found.sample(np.random.default_rng(0).uniform(size=(4000, 2)))
    np.testing.assert_allclose(drawn.mean(0), found.mean(), atol=0.06)
    inside = (drawn > found.interval()[:, 0]) & (drawn < found.interval()[:, 1])
    np.testing.assert_allclose(inside.mean(0), 0.95, atol=0.015)
    away = found.log_density(np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert away[0] - away[1] == pytest.approx(0.5, abs=1e-6)


def test_particles_agree_with_the_grid() -> None:
    rng = np.random.default_rng(5)
    exposure = rng.uniform(0.5, 3.0, 60)
    event = rng.uniform(size=60) < -np.expm1(-0.4 * exposure)
    grid, cloud = Grid(RATE, 2000), Particles(RATE, 2000, seed=1)
    for part in np.array_split(np.arange(60), 12):
        data = {"exposure": exposure[part]}, {"event": event[part]}
        grid, cloud = grid.updated(events.Censored(), *data), cloud.updated(events.Censored(), *data)
    assert isinstance(cloud, Prior)
    assert cloud.mean()[0] == pytest.approx(grid.mean()[0], rel=0.03)
    np.testing.assert_allclose(cloud.interval(), grid.interval(), rtol=0.07)
    places = np.array([[0.3], [0.4], [0.5]])
    np.testing.assert_allclose(np.exp(cloud.log_density(places)), np.exp(grid.log_density(places)), rtol=0.2)


def test_the_best_censored_dwell_and_what_dose_still_buys() -> None:
    exposures = np.linspace(0.1, 6.0, 600)
    best = exposures[np.argmax(events.censored_information(1.0, exposures))]
    assert best == pytest.approx(events.BEST_CENSORED, abs=0.01)
    known = Gamma(10.0, 100.0)
    more = events.exposure_for(known, 0.1)
    assert more == pytest.approx(900.0)
    assert events.error_after(known, more) == pytest.approx(0.1)
    dwells = events.dwells_for(0.2, 5.0, 0.1)
    rng = np.random.default_rng(0)
    event = rng.uniform(size=(4000, round(dwells))) < -np.expm1(-1.0)
    spread = np.std(-np.log1p(-event.mean(1))) / 1.0
    assert spread == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("are_stamped", [True, False])
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_data_decide_between_dose_and_time(are_stamped: bool, power: float) -> None:
    rng = np.random.default_rng(7)
    flux, seconds = np.repeat([10.0, 40.0, 160.0], 60), np.full(180, 1.0)
    rate = 0.7 * (flux / 40.0) ** power
    counts = rng.poisson(rate * seconds)
    found = events.dose_or_time(seconds, flux, counts if are_stamped else counts > 0, are_stamped=are_stamped)
    assert (found.per_dose_over_time > 5) == (power == 1.0)
    assert found.interval()[0] < power < found.interval()[1]
    with pytest.raises(ValueError, match="same flux"):
        events.dose_or_time(seconds, np.full(180, 2.0), counts, are_stamped=True)


def hop_data(theta: np.ndarray, count: int, stamped: bool) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(11)
    angles = np.array([0.0, 2.0, 4.0]) * np.pi / 3
    neighbours = hop.BOND_NM * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    aim = rng.uniform(0.3, 1.5, count)[:, None] * neighbours[rng.integers(0, 3, count)]
    beam = aim + rng.normal(scale=0.03, size=(count, 2))
    design = {
        "beam_nm": beam,
        "neighbours_nm": np.broadcast_to(neighbours, (count, 3, 2)),
        "seconds": np.full(count, 2.0),
    }
    rates = HopModel().rates_per_s(theta[None], design)[0]
    instants = rng.exponential(1.0 / rates)
    first, when = instants.argmin(-1), instants.min(-1)
    happened = when < 2.0
    if stamped:
        design["seconds"] = np.where(happened, when, 2.0)
    outcome = {"neighbour": np.where(happened, first, -1), "stamped": np.full(count, stamped)}
    return design, outcome


@pytest.mark.parametrize("stamped", [True, False])
def test_the_hop_law_is_learned_with_its_aim(stamped: bool) -> None:
    true = np.array([0.5, 0.75, 0.3, 0.03, -0.02])
    design, outcome = hop_data(true, 400, stamped)
    found = Particles(hop.HOP, 1000, seed=2, moves=4)
    for part in np.array_split(np.arange(400), 8):
        found = found.updated(HopModel(), *({k: v[part] for k, v in d.items()} for d in (design, outcome)))
    low, high = found.interval(0.99).T
    assert np.all((low < true) & (true < high)), (found.mean(), low, high)
    np.testing.assert_allclose(found.mean()[3:], true[3:], atol=0.012)
    assert (high - low)[0] < 0.6


def test_hop_likelihoods_of_all_outcomes_sum_to_one() -> None:
    theta = np.array([[0.5, 0.75, 0.3, 0.03, -0.02]])
    design, _ = hop_data(theta[0], 5, False)
    total = np.zeros(1)
    for to in (-1, 0, 1, 2):
        one = {name: value[:1] for name, value in design.items()}
        total += np.exp(
            HopModel().log_likelihood(theta, one, {"neighbour": np.array([to]), "stamped": np.array([False])})
        )
    assert total == pytest.approx(1.0)


def test_the_aim_is_learned_from_brightness() -> None:
    rng = np.random.default_rng(1)
    true, model = np.array([[0.03, -0.045]]), aim.Hump()
    angle = 2.4 * np.arange(12)
    aims = 0.03 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    level = model.mean(true, {"aim_nm": aims})[0] + rng.normal(scale=0.05, size=12)
    level[5] = 1.4
    found = Grid(aim.OFFSET, 61).updated(model, {"aim_nm": aims}, {"level": level})
    np.testing.assert_allclose(found.mean(), true[0], atol=0.012)
    low, high = found.interval(0.99).T
    assert np.all((low < true[0]) & (true[0] < high))
    assert (high - low).max() < 0.08

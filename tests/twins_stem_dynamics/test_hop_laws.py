"""Laws of hops: the published constants, one law in several forms, and what a randomised family draws."""

import numpy as np
import pytest

from physics_priors.beam.hop import HopLaw
from physics_priors.hops.laws import FluxHops, GaussianHops, TabulatedHops, random_gaussians

BOND = 0.142
WAYS = BOND * np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
PLACES = BOND * np.random.default_rng(0).uniform(-1.2, 1.2, (200, 2))


def test_check_13_the_default_is_the_published_law_at_50_pA() -> None:
    law, published = GaussianHops(), HopLaw()
    np.testing.assert_allclose(law.rates_per_s(PLACES, WAYS), published.rates_per_s(PLACES, WAYS), rtol=1e-9)
    best = law.rates_per_s(0.85 * WAYS[0], WAYS)
    assert best[0] == pytest.approx(0.2310, abs=5e-5)
    assert -np.expm1(-1.5 * best.sum()) == pytest.approx(0.2929, abs=2e-4)
    np.testing.assert_allclose(law.rates_per_s(np.zeros(2), WAYS), 0.00623, atol=1e-5)
    assert law.rates_per_s(0.5 * WAYS[0], WAYS)[0] == pytest.approx(0.1252, abs=1e-4)
    np.testing.assert_allclose(law.rates_per_s(PLACES, WAYS, 100.0), 2 * law.rates_per_s(PLACES, WAYS))


def test_a_learned_table_holds_any_law() -> None:
    law, step = GaussianHops(((0.3, 0.8, 0.1, 0.3),)), 0.02
    axis = -2.0 + step * np.arange(201)
    along, across = np.meshgrid(axis, axis, indexing="ij")
    beams = BOND * np.stack([along, across], -1).reshape(-1, 2)
    rates = law.rates_per_s(beams, WAYS[:1])[:, 0].reshape(along.shape)
    table = TabulatedHops(rates, -2.0, step)
    np.testing.assert_allclose(table.rates_per_s(PLACES, WAYS), law.rates_per_s(PLACES, WAYS), atol=5e-4)
    assert (table.rates_per_s(np.array([5.0, 5.0]), WAYS) == 0).all()


def test_a_cross_section_of_a_tenth_of_a_barn_is_the_published_rate() -> None:
    rate = FluxHops(0.1, 0.11).rates_per_s(WAYS[0], WAYS)[0]
    assert rate == pytest.approx(0.2276, rel=5e-3)


def test_random_laws_stay_in_their_family() -> None:
    rng = np.random.default_rng(3)
    laws = [random_gaussians(rng.uniform(size=14)) for _ in range(200)]
    counts = [len(law.parts) for law in laws]
    rates = np.array([part[0] for law in laws for part in law.parts])
    assert set(counts) == {1, 2, 3}
    assert rates.min() >= 0.01
    assert rates.max() <= 1.0
    assert rates.mean() == pytest.approx(0.505, abs=0.06)

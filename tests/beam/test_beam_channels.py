"""Channels of damage that are no plain cross section: what they do at equal doses, and at their limits."""

import numpy as np
import pytest

from physics_priors.beam import charging, contamination, etching, healing, radiolysis


def test_fading_is_exponential_and_latent_with_more_stages() -> None:
    assert float(radiolysis.left_fraction(20.0, 20.0)) == pytest.approx(np.exp(-1))
    assert float(radiolysis.left_fraction(0.1, 20.0, stages=2.0)) > float(radiolysis.left_fraction(0.1, 20.0))
    slope = np.log(1 - radiolysis.left_fraction([1e-3, 2e-3], 1.0, stages=3.0))
    assert np.diff(slope)[0] / np.log(2) == pytest.approx(3.0, rel=1e-2)


def test_faster_electrons_leave_more() -> None:
    ratio = radiolysis.characteristic_e_A2("aromatic", 300.0) / radiolysis.characteristic_e_A2("aromatic", 60.0)
    assert float(ratio) == pytest.approx((0.776525 / 0.446225) ** 2, rel=1e-4)
    with pytest.raises(KeyError, match="aliphatic"):
        radiolysis.characteristic_e_A2("butter")


def test_etching_goes_with_dose_at_low_flux_and_with_time_at_high_flux() -> None:
    gas, barn = 0.5, 1000.0
    low, high = np.array([1e2, 2e2]), np.array([1e12, 2e12])
    assert np.divide(*etching.etch_rate_per_s(gas, barn, low)[::-1]) == pytest.approx(2.0, rel=1e-3)
    np.testing.assert_allclose(etching.etch_rate_per_s(gas, barn, high), gas, rtol=1e-2)
    assert etching.etch_rate_per_s(0.0, barn, np.zeros(2)).tolist() == [0.0, 0.0]


def test_molecules_arrive_as_kinetic_theory_says() -> None:
    """1e-6 Pa of oxygen brings about 2.7e16 molecules to a square metre in a second."""
    assert float(etching.arrival_per_s(1e-6)) / 0.05 * 1e18 == pytest.approx(2.7e16, rel=0.02)


def test_healing_makes_ten_exposures_kinder_than_one() -> None:
    one = healing.vacant_fraction(0.1, 0.01, 10.0)
    ten: np.ndarray = np.zeros(())
    for _ in range(10):
        ten = healing.vacant_fraction(0.1, 0.01, 1.0, ten)
        ten = healing.vacant_fraction(0.0, 0.01, 20.0, ten)
    assert float(ten) < 0.6 * float(one)
    assert float(healing.vacant_fraction(0.1, 0.0, 10.0)) == pytest.approx(1 - np.exp(-1.0))
    assert float(healing.vacant_fraction(0.3, 0.1, 1e6)) == pytest.approx(0.75)


def test_charge_rises_to_current_times_resistance_and_leaks() -> None:
    full = charging.potential_V(0.0, 50.0, 1e4, 0.02, 3.0)
    assert float(full) == pytest.approx(1.0)
    assert float(charging.potential_V(full, 0.0, 3.0, 0.02, 3.0)) == pytest.approx(np.exp(-1))


def test_contamination_saturates() -> None:
    thin, thick = contamination.thickness_nm([1e3, 1e12], 1e6, 2.0)
    assert thin == pytest.approx(2.0 * 1e-3, rel=1e-3)
    assert thick == pytest.approx(2.0)
    assert float(contamination.background_fraction(2.0)) > float(contamination.background_fraction(0.0)) == 0.0

"""Cross sections and rates of the beam against numbers computed elsewhere, with formulas and not with this code."""

import numpy as np
import pytest
from scipy.integrate import quad

from physics_priors.beam import dose, flux, hop, knock_on, sulphur, vibration
from physics_priors.counts import rose_dose_e_A2
from physics_priors.electron import largest_transfer_eV, threshold_keV
from physics_priors.optics.probe import gaussian_rate_per_barn

CARBON = (6, 12.0, 21.14)


def test_check_3_largest_transfer() -> None:
    found = largest_transfer_eV([60, 80, 100, 120], 12.0)
    np.testing.assert_allclose(found, [11.616, 15.774, 20.075, 24.520], rtol=2e-4)


def test_check_4_thresholds() -> None:
    found = threshold_keV([21.14, 21.14, 6.9155], [12.0, 13.00335, 31.972071])
    np.testing.assert_allclose(found, [104.85, 112.82, 92.41], rtol=5e-4)


def test_check_5_static_carbon_and_its_integral() -> None:
    found = knock_on.mckinley_feshbach_barn([120, 200], *CARBON)
    np.testing.assert_allclose(found, [5.433, 14.517], rtol=1e-3)
    top = float(largest_transfer_eV(120, 12.0))
    integral = quad(lambda t: float(knock_on.differential_barn_eV(120, 6, 12.0, t)), 21.14, top, epsabs=0)[0]
    assert found[0] == pytest.approx(integral, rel=1e-7)


def test_check_6_and_7_vibrating_carbon() -> None:
    lighter = vibration.CARBON_12.barn([90, 95, 100, 105, 110, 120])
    np.testing.assert_allclose(lighter, [5.41e-3, 0.0601, 0.345, 1.142, 2.481, 5.500], rtol=0.01)
    np.testing.assert_allclose(vibration.CARBON_13.barn([100, 110, 120]), [0.0202, 0.532, 2.529], rtol=0.01)
    ratio = vibration.CARBON_12.barn(100.0) / vibration.CARBON_13.barn(100.0)
    assert float(ratio) == pytest.approx(17.1, rel=0.02)


def test_a_cold_atom_is_one_at_rest() -> None:
    slow = vibration.vibrating_barn(120.0, 6, 12.0, 21.14, 1e-3)
    assert float(slow) == pytest.approx(float(knock_on.mckinley_feshbach_barn(120.0, *CARBON)), rel=1e-3)


def test_check_8_nothing_below_threshold() -> None:
    assert knock_on.mckinley_feshbach_barn([60, 80, 100], *CARBON).tolist() == [0.0, 0.0, 0.0]


def test_check_9_debye_and_classical_velocity() -> None:
    assert float(vibration.debye_velocity2_m2_s2(1287, 300, 12.0)) == pytest.approx(3.676e5, rel=1e-3)
    assert float(vibration.debye_velocity2_m2_s2(1000, 300, 12.0)) == pytest.approx(3.11e5, rel=2e-3)
    assert float(vibration.classical_velocity2_m2_s2(300, 12.0)) == pytest.approx(2.079e5, rel=1e-3)
    hot = vibration.debye_velocity2_m2_s2(100.0, 3000.0, 12.0)
    assert float(hot) == pytest.approx(float(vibration.classical_velocity2_m2_s2(3000.0, 12.0)), rel=1e-3)


def test_check_13_the_hop_law() -> None:
    law, bond = hop.HopLaw(), hop.BOND_NM
    angles = np.array([0.0, 2.0, 4.0]) * np.pi / 3
    neighbours = bond * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    best = law.rates_per_s(0.85 * neighbours[0], neighbours)
    assert best[0] == pytest.approx(0.2310, rel=5e-4)
    assert hop.hop_probability(best, 1.5).sum() == pytest.approx(0.2929, rel=5e-4)
    on_carbon = law.rates_per_s(neighbours[0], neighbours)
    assert on_carbon.sum() == pytest.approx(0.2065, rel=5e-4)
    assert on_carbon[0] / on_carbon.sum() > 0.9999
    np.testing.assert_allclose(law.rates_per_s(np.zeros(2), neighbours), 0.00623, rtol=1e-3)
    middle = law.rates_per_s(0.5 * neighbours[0], neighbours)
    assert middle[0] == pytest.approx(0.1252, rel=5e-4)
    assert middle[0] / middle.sum() == pytest.approx(0.997, abs=5e-4)
    assert law.rates_per_s(-neighbours[0], neighbours).sum() == pytest.approx(0.0059, rel=5e-3)


def test_the_effective_displacement_energy_of_a_hop() -> None:
    found = hop.hop_barn(60.0, [14.39, 13.85, 13.59, 13.15, 12.58])
    np.testing.assert_allclose(found, [0.01, 0.05, 0.1, 0.3, 1.0], rtol=0.02)
    np.testing.assert_allclose(hop.hop_barn([50, 55, 65, 70]), [5e-5, 4.0e-3, 0.905, 3.66], rtol=0.05)


def test_check_14_sulphur_of_mos2_at_60_keV() -> None:
    barn = sulphur.sputtering_barn(list(sulphur.MEASURED_KEV))
    np.testing.assert_allclose(sulphur.lost_fraction(barn, 1e6), [0.065, 0.110, 0.086, 0.0411, 0.052], atol=6e-4)
    fraction = float(sulphur.lost_fraction(sulphur.sputtering_barn(60.0), 1e6))
    assert fraction == pytest.approx(0.0411, abs=5e-5)
    gone = np.random.default_rng(1).exponential(1 / (4.2e-8 * 1e6), 10_000) < 1.0
    assert abs(gone.mean() - fraction) < 3 * np.sqrt(fraction * (1 - fraction) / len(gone))


def test_check_15_elastic_sulphur() -> None:
    np.testing.assert_allclose(sulphur.elastic_barn([80.0, 90.0, 100.0]), [1.21, 11.2, 36.1], rtol=0.01)


def test_both_sides_share_the_measured_mean_and_what_is_beyond_80_keV_joins() -> None:
    loss = sulphur.SulphurLoss("W", table_z=0.5, support=0.4, top_over_bottom=0.3)
    assert float(loss.top_barn(60.0) / loss.bottom_barn(60.0)) == pytest.approx(0.3)
    mean = (loss.top_barn(60.0) + loss.bottom_barn(60.0)) / 2
    assert float(mean) == pytest.approx(0.4 * (4.2 + 0.5 * 0.4))
    just = sulphur.sputtering_barn([80.0, 80.001])
    assert just[1] - just[0] == pytest.approx(0.0, abs=2e-3)
    grown = sulphur.sputtering_barn(100.0) - sulphur.sputtering_barn(80.0)
    assert float(grown) == pytest.approx(36.1 - 1.21, rel=0.01)


def test_check_16_heating() -> None:
    assert float(dose.heating_K(50.0, dose.MATERIALS["graphene"])) == pytest.approx(2.2e-5, rel=0.02)
    assert float(dose.heating_K(50.0, dose.MATERIALS["amorphous carbon"])) == pytest.approx(0.026, rel=0.02)
    assert max(float(dose.heating_K(100.0, material)) for material in dose.MATERIALS.values()) < 1.0


def test_check_17_rose_and_the_resolution_that_a_dose_allows() -> None:
    assert rose_dose_e_A2(1.4, 1.0, 0.01) == pytest.approx(1276, rel=1e-3)
    assert float(dose.dose_limited_resolution_A(0.1, 100.0, 1.0)) == pytest.approx(5.0)


def test_check_19_38_events() -> None:
    assert float(dose.relative_rate_error(38)) == pytest.approx(0.162, abs=5e-4)


def test_check_67_diffusion_and_hop_rate() -> None:
    np.testing.assert_allclose(sulphur.hop_rate_per_s([3e-4, 6e-4]), [0.01209, 0.02419], rtol=1e-3)


def test_focused_flux_and_its_tails() -> None:
    found = [float(flux.Probe(50.0, width).rate_per_s(1.0)) for width in (0.08, 0.11, 0.14)]
    np.testing.assert_allclose(found, [4.30, 2.28, 1.41], rtol=5e-3)
    assert found[1] == pytest.approx(gaussian_rate_per_barn(50.0, 0.11), rel=1e-9)
    assert float(flux.Probe(50.0, 0.11).rate_per_s(4.2)) == pytest.approx(9.6, rel=0.01)
    probe = flux.Probe(50.0, 0.11, tail_fraction=0.2, tail_fwhm_nm=0.4)
    r = np.linspace(0.0, 3.0, 200_001)
    total = np.trapezoid(2 * np.pi * r * probe.flux_e_nm2_s(r), r)
    assert total == pytest.approx(50.0 * 6.241509e6, rel=1e-6)
    outside = np.trapezoid(np.where(r > 0.142, 2 * np.pi * r * probe.flux_e_nm2_s(r), 0.0), r) / total
    assert float(probe.beyond(0.142)) == pytest.approx(outside, abs=1e-3)
    assert float(flux.Probe(50.0, 0.1115).beyond(0.142)) == pytest.approx(0.011, abs=5e-4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: knock_on.mckinley_feshbach_barn(60.0, 74, 183.84, 7.0), "Mott"),
        (lambda: knock_on.mckinley_feshbach_barn(60.0, 6, 12.0, -1.0), "displacement_eV"),
        (lambda: sulphur.sputtering_barn(10.0), "outside"),
        (lambda: sulphur.SulphurLoss("Nb"), "Mo or W"),
        (lambda: sulphur.lost_fraction(4.2, -1.0), "fluence_e_A2"),
        (lambda: flux.Probe(50.0, 0.11, tail_fraction=1.2), "tail_fraction"),
        (lambda: vibration.vibrating_barn(0.1, 6, 12.0, 21.14, 3e5), "outside"),
    ],
)
def test_wrong_input_is_told(wrong, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()

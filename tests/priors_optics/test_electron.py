import numpy as np
import pytest

from physics_priors import electron

ENERGIES = np.array([60.0, 80.0, 100.0, 200.0, 300.0])


def test_wavelength() -> None:  # check 1
    expected = [4.86606, 4.17572, 3.70144, 2.50793, 1.96875]
    np.testing.assert_allclose(electron.wavelength_pm(ENERGIES), expected, rtol=1e-5)


def test_speed() -> None:  # check 2
    np.testing.assert_allclose(
        electron.beta([60.0, 100.0, 200.0, 300.0]), [0.446225, 0.548221, 0.695314, 0.776525], atol=2e-6
    )


def test_interaction_constant() -> None:
    expected = [1.13569, 1.00871, 0.92440, 0.72884, 0.65262]
    np.testing.assert_allclose(electron.interaction_mrad_V_A(ENERGIES), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("mass_u", "expected"),
    [
        (12.0, [11.616, 15.774, 20.075, 24.520]),  # check 3
        (13.003355, [10.719, 14.557, 18.526, 22.628]),
        (27.976927, [4.982, 6.766, 8.611, 10.517]),
        (31.972071, [4.360, 5.920, 7.535, 9.203]),
        (95.95, [1.453, 1.973, 2.511, 3.067]),
        (183.84, [0.758, 1.030, 1.310, 1.601]),
    ],
)
def test_largest_transfer(mass_u: float, expected: list[float]) -> None:
    got = electron.largest_transfer_eV([60.0, 80.0, 100.0, 120.0], mass_u)
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=5e-4)


def test_threshold() -> None:  # check 4
    got = electron.threshold_keV([21.14, 21.14, 6.9155], [12.0, 13.003355, 31.972071])
    np.testing.assert_allclose(got, [104.85, 112.82, 92.41], rtol=5e-4)


def test_threshold_inverts_the_largest_transfer() -> None:
    np.testing.assert_allclose(electron.largest_transfer_eV(electron.threshold_keV(17.0, 12.0), 12.0), 17.0)


def test_a_moving_atom_gets_more_and_one_at_rest_the_same() -> None:
    rest = electron.largest_transfer_moving_eV(100.0, 12.0, 0.0)
    assert rest == pytest.approx(float(electron.largest_transfer_eV(100.0, 12.0)), rel=1e-12)
    assert electron.largest_transfer_moving_eV(100.0, 12.0, 500.0) > rest


def test_transfer_by_angle() -> None:
    assert electron.transfer_eV(20.0, np.pi) == pytest.approx(20.0)
    assert electron.transfer_eV(20.0, np.pi / 2) == pytest.approx(10.0)


def test_dose_units() -> None:  # checks 10 and 11
    assert pytest.approx(6.2415e6, rel=1e-5) == electron.ELECTRONS_PER_PA_S
    assert pytest.approx(624.15, rel=1e-5) == electron.E_A2_PER_C_CM2
    seconds = 512 * 512 * 8e-6
    assert seconds == pytest.approx(2.0972, rel=1e-4)
    assert electron.dose_e_A2(50.0, seconds, 16.0) == pytest.approx(4.090e5, rel=1e-3)


@pytest.mark.parametrize("energy_keV", [0.0, -60.0, 1e6, float("nan")])
def test_an_impossible_beam_energy_is_refused(energy_keV: float) -> None:
    with pytest.raises(ValueError, match="beam energy"):
        electron.wavelength_pm(energy_keV)


def test_impossible_atoms_are_refused() -> None:
    with pytest.raises(ValueError, match="mass_u"):
        electron.largest_transfer_eV(60.0, 0.0)
    with pytest.raises(ValueError, match="displacement_eV"):
        electron.threshold_keV(-1.0, 12.0)

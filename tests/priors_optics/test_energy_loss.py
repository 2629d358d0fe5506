import numpy as np
import pytest

from physics_priors import contrast, counts
from physics_priors import energy_loss as eels


def test_mean_free_path() -> None:  # check 26
    assert eels.mean_free_path_nm(100.0, 0.010, 6) == pytest.approx(114.0, rel=2e-3)
    assert eels.mean_free_path_nm(200.0, 0.010, 14) == pytest.approx(125.3, rel=2e-3)
    with pytest.raises(ValueError, match="too small"):
        eels.mean_free_path_nm(60.0, 1e-6, 6)


@pytest.mark.parametrize(
    ("electrons", "cell_nm3", "expected"),
    [(32, 0.54310**3, 16.60), (12, 0.40495**3, 15.78), (32, 0.35668**3, 31.18)],
)
def test_plasmon(electrons: int, cell_nm3: float, expected: float) -> None:  # check 27: Si, Al, diamond
    assert eels.plasmon_energy_eV(electrons / cell_nm3) == pytest.approx(expected, rel=1e-3)


def test_characteristic_angle() -> None:  # check 28
    got = [float(eels.characteristic_angle_rad(284.0, energy)) * 1e3 for energy in (60.0, 100.0)]
    np.testing.assert_allclose(got, [2.498, 1.547], rtol=5e-4)


@pytest.mark.parametrize(("loss", "expected_A"), [(284.0, 2.4), (165.0, 3.5), (16.7, 19.0), (1839.0, 1.0)])
def test_delocalisation(loss: float, expected_A: float) -> None:
    assert 10 * eels.delocalisation_nm(loss, 60.0, 0.035) == pytest.approx(expected_A, rel=0.05)


def test_plasmon_peaks_at_its_energy_and_losses_are_positive() -> None:
    loss = np.linspace(-5, 60, 6501)
    shape = eels.plasmon_loss(loss, 16.6, 3.0)
    assert loss[np.argmax(shape)] == pytest.approx(16.6, abs=0.2)
    assert np.all(shape[loss <= 0] == 0)


def test_plural_scattering_is_poisson() -> None:
    chances = eels.plural(0.7, 30)
    assert chances.sum() == pytest.approx(1.0)
    assert chances @ np.arange(31) == pytest.approx(0.7)


def test_an_edge_begins_at_its_onset_and_decays() -> None:
    edge = eels.EDGES["C K"]
    shape = eels.edge_shape(edge, np.array([283.9, 284.0, 285.4, 400.0, 800.0]))
    assert shape[0] == 0
    assert shape[1] > 1
    assert shape[2] > shape[3] > shape[4] > 0
    assert shape[3] / shape[4] == pytest.approx(2.0**edge.decay, rel=0.02)


def test_brightness_by_element() -> None:  # check 23, the ratios
    bright = {n: float(contrast.relative(n)) for n in (6, 14, 16, 42, 74, 75)}
    assert bright[14] / bright[6] == pytest.approx(4.013, rel=1e-3)
    assert bright[42] / (2 * bright[16]) == pytest.approx(2.434, rel=1e-3)
    assert bright[74] / (2 * bright[16]) == pytest.approx(6.162, rel=1e-3)
    assert bright[75] / bright[42] == pytest.approx(2.588, rel=1e-3)
    assert contrast.relative(0) == 0
    assert contrast.cross_section_nm2(6, 5e-5) == pytest.approx(5e-5)


@pytest.mark.parametrize("species", [119, -1, 6.0])
def test_an_unknown_element_is_refused(species: float) -> None:
    with pytest.raises(ValueError, match="unknown element"):
        contrast.relative(species)


def test_anscombe_makes_noise_even() -> None:  # check 18
    drawn = np.random.default_rng(0).poisson(10.0, 400_000)
    assert counts.anscombe(drawn).var() == pytest.approx(1.0, abs=0.01)
    assert counts.from_anscombe(counts.anscombe(drawn).mean()) == pytest.approx(10.0, rel=5e-3)


def test_rose() -> None:  # check 17
    assert counts.rose_dose_e_A2(1.4, 1.0, 0.01) == pytest.approx(1276, rel=1e-3)

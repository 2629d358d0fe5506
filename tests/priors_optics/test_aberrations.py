import numpy as np
import pytest

from physics_priors.optics import aberrations as ab
from physics_priors.optics.probe import (
    Column,
    fraction_beyond,
    gaussian_rate_per_barn,
    intensity,
    radius_nm,
    rate_per_barn,
    transfer,
    width_nm,
)
from physics_priors.optics.pupil import (
    balancing_defocus_nm,
    cutoff_1_nm,
    frequencies,
    geometric_source_nm,
    nyquist_pixel_nm,
    scherzer,
)
from physics_priors.optics.quality import rms_basis, rms_phase_rad, strehl

NONE = np.zeros(ab.COUNT)
LAMBDA = 0.00486606
RNG = np.random.default_rng(3)


def some(scale: float = 1.0) -> np.ndarray:
    size = np.array([5, 3, 50, 50, 2e3, 1e3, 1e3, 2e4, 2e4, 2e4, 1e6, 5e5, 5e5, 5e5])
    drawn = scale * size * (RNG.normal(size=14) + 1j * RNG.normal(size=14))
    return np.where(ab.ROUND, drawn.real + 0j, drawn)


def written_out(c: dict[str, complex], theta: float, phi: float) -> float:
    """The formula of the reference sheet, with amplitudes and azimuths."""

    def size(name: str) -> float:
        return abs(c[name])

    def turn(name: str, fold: int) -> float:
        return float(np.cos(fold * (phi - np.angle(c[name]) / fold)))

    second = 0.5 * theta**2 * (c["C1"].real + size("A1") * turn("A1", 2))
    third = theta**3 * (size("A2") * turn("A2", 3) / 3 + size("B2") * turn("B2", 1))
    fourth = theta**4 * (c["C3"].real / 4 + size("S3") * turn("S3", 2) + size("A3") * turn("A3", 4) / 4)
    return float(2 * np.pi / LAMBDA * (second + third + fourth + theta**6 * c["C5"].real / 6))


def test_the_phase_is_the_formula_of_the_sheet() -> None:
    c = {n: complex(*RNG.normal(size=2)) for n in ("A1", "A2", "B2", "S3", "A3")} | {
        n: complex(RNG.normal()) for n in ("C1", "C3", "C5")
    }
    values = ab.aberrations({n: 100 * v for n, v in c.items()})
    for theta, phi in ((0.01, 0.3), (0.03, 2.0), (0.05, -1.1)):
        k = theta / LAMBDA * np.exp(1j * phi)
        got = ab.phase_rad(values, np.array(k.real), np.array(k.imag), LAMBDA)
        assert got == pytest.approx(written_out({n: 100 * v for n, v in c.items()}, theta, phi), rel=1e-12)


def test_an_aberration_repeats_as_often_as_its_symmetry_says() -> None:
    phi = np.linspace(0, 2 * np.pi, 7)
    for name, fold in zip(ab.NAMES, ab.SYMMETRY, strict=True):
        value = ab.aberrations({name: 1.0 if fold == 0 else 1.0 - 0.4j})
        turned = phi + (1.234 if fold == 0 else 2 * np.pi / fold)
        here, there = (ab.phase_rad(value, 4 * np.cos(angle), 4 * np.sin(angle), LAMBDA) for angle in (phi, turned))
        np.testing.assert_allclose(here, there, atol=1e-12 * np.abs(here).max() + 1e-15)


def test_a_polar_value_has_its_maximum_at_its_azimuth() -> None:
    phi = np.linspace(-np.pi, np.pi, 3601)
    for name in ("A1", "B2", "A2", "S3", "A5"):
        value = ab.aberrations({name: complex(ab.polar(10.0, 0.4, name))})
        chi = ab.phase_rad(value, 4 * np.cos(phi), 4 * np.sin(phi), LAMBDA)
        assert np.cos(ab.SYMMETRY[ab.INDEX[name]] * (phi[np.argmax(chi)] - 0.4)) == pytest.approx(1.0, abs=1e-4)


def test_slopes_are_the_gradient_of_the_phase() -> None:
    values, step = some(), 1e-5
    kx, ky = RNG.normal(size=(2, 20)) * 3

    def chi(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ab.phase_rad(values, x, y, LAMBDA) / (2 * np.pi)

    dx = (chi(kx + step, ky) - chi(kx - step, ky)) / (2 * step)
    dy = (chi(kx, ky + step) - chi(kx, ky - step)) / (2 * step)
    np.testing.assert_allclose(ab.slopes_nm(values, kx, ky, LAMBDA), dx + 1j * dy, rtol=1e-6, atol=1e-6)


def test_a_batch_of_aberrations_is_each_of_them() -> None:
    batch = np.stack([some(), some()])
    kx, ky = frequencies((16, 16), (2.0, 2.0))
    both = ab.phase_rad(batch, kx, ky, LAMBDA)
    for row in range(2):
        np.testing.assert_allclose(both[row], ab.phase_rad(batch[row], kx, ky, LAMBDA))


@pytest.mark.parametrize(
    ("values", "said"),
    [({"C2": 1.0}, "unknown aberration"), ({"C1": 1j}, "round"), ({"A1": float("nan")}, "finite")],
)
def test_impossible_aberrations_are_refused(values: dict[str, complex], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ab.aberrations(values)


@pytest.mark.parametrize(
    ("energy", "mrad", "source", "expected"),
    [
        (60.0, 30.0, 0.0, 0.0835),  # check 20
        (100.0, 31.0, 0.0, 0.0615),
        (200.0, 25.0, 0.0, 0.0516),
        (60.0, 30.0, 0.08, 0.1115),  # check 21
    ],
)
def test_probe_width(energy: float, mrad: float, source: float, expected: float) -> None:
    bright = intensity(Column(energy, mrad, source), NONE, (1000, 1000), (3.0, 3.0))
    assert width_nm(bright, 0.003) == pytest.approx(expected, rel=5e-3)
    assert bright.sum() == pytest.approx(1.0, abs=1e-12)


def test_uncorrected_probe() -> None:  # check 22
    alpha, focus = scherzer(200.0, 1e6)
    assert alpha == pytest.approx(10.01e-3, rel=1e-3)
    assert focus == pytest.approx(-50.1, rel=1e-3)
    values = ab.aberrations({"C1": focus, "C3": 1e6})
    bright = intensity(Column(200.0, 1e3 * alpha, 0.0), values, (1200, 1200), (4.8, 4.8))
    assert width_nm(bright, 0.004) == pytest.approx(0.1288, rel=1e-2)


def test_nyquist_and_cutoff() -> None:  # check 25
    assert nyquist_pixel_nm(60.0, 0.030) == pytest.approx(0.04055, rel=1e-3)
    assert nyquist_pixel_nm(300.0, 0.030) == pytest.approx(0.01641, rel=1e-3)
    assert cutoff_1_nm(60.0, 0.030) == pytest.approx(2 * 0.030 / 0.00486606, rel=1e-5)


def test_gaussian_probe_rate() -> None:  # check 12
    assert gaussian_rate_per_barn(50.0, 0.11) == pytest.approx(2.276, rel=5e-3)


def test_physical_probe_rate_and_tails() -> None:  # the second golden number of check 12, and 14.9
    pixel = 0.01
    bright = intensity(Column(60.0, 30.0, 0.08), NONE, (600, 600), (6.0, 6.0))
    peak = rate_per_barn(bright, pixel, 50.0).max()
    assert peak / gaussian_rate_per_barn(50.0, 0.1115) == pytest.approx(0.86, abs=0.01)
    assert peak == pytest.approx(1.90, abs=0.02)
    assert fraction_beyond(bright, pixel, 0.142) == pytest.approx(0.13, abs=0.01)


def test_transfer_is_one_at_zero_and_none_beyond_the_cutoff() -> None:
    column = Column(60.0, 30.0, 0.0)
    shape, extent = (256, 256), (5.0, 5.0)
    kx, ky = (k[:, :129] for k in frequencies(shape, extent))
    passes = transfer(column, some(), shape, extent)
    assert passes[0, 0] == pytest.approx(1.0)
    assert np.abs(passes[np.hypot(kx, ky) > column.cutoff_1_nm + 0.5]).max() < 1e-12


def test_a_grid_that_cannot_hold_the_probe_is_refused() -> None:
    with pytest.raises(ValueError, match="does not resolve"):
        intensity(Column(), NONE, (32, 32), (4.0, 4.0))


def test_the_best_focus_is_not_zero_defocus() -> None:  # 14.8
    column = Column(60.0, 30.0)
    best = balancing_defocus_nm(5000.0, 0.030)
    assert best == pytest.approx(-2.25)
    at_best = strehl(column, ab.aberrations({"C1": best, "C3": 5000.0}))
    assert at_best == pytest.approx(0.991, abs=5e-4)
    assert strehl(column, ab.aberrations({"C3": 5000.0})) == pytest.approx(0.858, abs=5e-4)


def test_strehl_is_the_peak_of_the_probe() -> None:
    column = Column(60.0, 30.0, 0.0)
    values = some(0.15)
    perfect, real = (intensity(column, v, (600, 600), (6.0, 6.0)).max() for v in (NONE, values))
    got = float(strehl(column, values))
    assert 0.05 < got < 0.95
    assert real / perfect == pytest.approx(got, abs=0.02)


def test_small_phases_follow_marechal() -> None:
    column, values = Column(), some(0.01)
    assert strehl(column, values) == pytest.approx(np.exp(-(rms_phase_rad(column, values) ** 2)), rel=1e-3)
    parts = np.concatenate([values.real, values.imag])
    assert np.linalg.norm(rms_basis(column) @ parts) == pytest.approx(float(rms_phase_rad(column, values)))


def test_defocus_spreads_the_probe_as_rays_say() -> None:
    column = Column()
    assert radius_nm(column, ab.aberrations({"C1": 100.0})) == pytest.approx(3.0, rel=1e-6)


def test_source_of_a_cold_emitter() -> None:
    assert 0.04 < geometric_source_nm(50.0, 0.030, 60.0, 1e8) < 0.07


def test_a_column_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="convergence_mrad"):
        Column(convergence_mrad=-1.0)

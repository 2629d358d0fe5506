"""The cantilever as an oscillator: checks 59 to 62 and 66b of the physics sheet, and fits that must be right."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from physics_priors.oscillator import contact, cramer_rao, drive, thermal
from physics_priors.oscillator.fit import fit
from physics_priors.oscillator.magnitude import fit_magnitudes
from physics_priors.oscillator.response import (
    from_positive_phase,
    from_two,
    peak_Hz,
    response,
    ring_down_s,
    width_Hz,
)

F0, Q = 335e3, 150.0
BINS = F0 + (np.arange(100) - 49.5) * 1e3
"""100 bins over 100 kHz around the resonance."""


def noisy(rows: int, noise: float, seed: int = 0) -> np.ndarray:
    """Spectra [rows, 100] of A = 1, phase 0.3, with `noise` times the peak in each quadrature."""
    rng = np.random.default_rng(seed)
    clean = response(BINS, 1.0, F0, Q, 0.3)
    return clean + noise * Q * (rng.normal(size=(rows, 100)) + 1j * rng.normal(size=(rows, 100)))


def test_check_59_peak_shift_width_and_ring_down():
    at_resonance = response(F0, 2.0, F0, Q, 0.4)
    assert abs(at_resonance) == pytest.approx(2.0 * Q, rel=1e-12)
    assert np.angle(at_resonance) == pytest.approx(0.4 - np.pi / 2, abs=1e-12)
    assert peak_Hz(F0, Q) - F0 == pytest.approx(-3.72, abs=0.01)
    assert width_Hz(F0, Q) == pytest.approx(2233.3, abs=0.1)
    assert ring_down_s(F0, Q) == pytest.approx(0.14253e-3, rel=1e-4)
    dense = np.linspace(F0 - 5e3, F0 + 5e3, 200_001)
    size = np.abs(response(dense, 1.0, F0, Q))
    assert dense[size.argmax()] == pytest.approx(peak_Hz(F0, Q), abs=0.1)
    above = dense[size >= size.max() / np.sqrt(2)]
    assert above[-1] - above[0] == pytest.approx(width_Hz(F0, Q), rel=1e-3)


def test_check_60_two_frequencies_give_everything():
    rng = np.random.default_rng(0)
    f0, q = rng.uniform(250e3, 400e3, 200), rng.uniform(20, 500, 200)
    drive_ = rng.uniform(0.1, 3, 200) * np.exp(1j * rng.uniform(-3, 3, 200))
    pair = f0[:, None] + np.array([-0.6, 0.5]) * (f0 / q)[:, None]
    values = response(pair, np.abs(drive_)[:, None], f0[:, None], q[:, None], np.angle(drive_)[:, None])
    found = from_two(pair, values)
    for mine, true in zip(found, (f0, q, drive_), strict=True):
        assert np.abs(mine / true - 1).max() < 1e-9


def test_two_values_that_no_oscillator_has_give_nan():
    assert np.isnan(from_two(np.array([F0, F0 + 1]), np.array([1.0 + 0j, 1.0 + 0j]))[0])


def test_check_61_complex_fit_reaches_the_bound_without_bias():
    found = fit(BINS, noisy(20_000, 0.02))
    bound = cramer_rao.deviations(BINS, 1.0, F0, Q, 0.3, 0.02 * Q)
    assert bound / [1, 1, Q, 1] == pytest.approx([0.0153, 24.2, 0.0216, 0.0153], rel=0.02)
    estimates = np.stack([found.amplitude, found.resonance_Hz, found.quality, found.phase_rad])
    assert (estimates.std(axis=1) <= 1.1 * bound).all()
    assert (np.abs(estimates.mean(axis=1) - [1.0, F0, Q, 0.3]) <= 0.05 * bound).all()
    assert found.converged.all()
    assert found.noise.mean() == pytest.approx(0.02 * Q, rel=0.01)
    assert np.median(found.deviations(BINS), axis=0) == pytest.approx(bound, rel=0.05)


def test_fit_is_the_least_squares_solution():
    def rest(theta, y):
        r = response(BINS, theta[0], F0 * theta[1], Q * theta[2], theta[3]) - y
        return np.concatenate([r.real, r.imag])

    spectra = noisy(5, 0.05, seed=3)
    found = fit(BINS, spectra)
    for row, y in enumerate(spectra):
        peer = least_squares(rest, [1.0, 1.0, 1.0, 0.3], args=(y,), xtol=1e-14, ftol=1e-14, gtol=1e-14).x
        mine = found.amplitude[row], found.resonance_Hz[row] / F0, found.quality[row] / Q, found.phase_rad[row]
        assert mine == pytest.approx(peer, rel=1e-4)


def test_fit_does_not_depend_on_the_batch_and_takes_any_shape():
    spectra = noisy(12, 0.03).reshape(3, 4, 100)
    whole, alone = fit(BINS, spectra), fit(BINS, spectra[1, 2])
    assert whole.resonance_Hz.shape == (3, 4)
    assert whole.resonance_Hz[1, 2] == alone.resonance_Hz
    assert np.abs(whole.spectra(BINS) - spectra).std() < 1.2 * 0.03 * Q * np.sqrt(2)


def test_what_is_no_oscillator_is_flagged():
    spectra = noisy(4, 0.02)
    spectra[0, 7] = np.nan
    spectra[1] = 0.0
    spectra[2] = np.exp(1j * np.arange(100.0) ** 2)
    found = fit(BINS, spectra)
    assert not found.converged[:2].any()
    assert np.isnan(found.resonance_Hz[:2]).all()
    assert found.r2[2] < 0.3
    assert found.converged[3]
    outside = fit(BINS, response(BINS, 1.0, F0 + 120e3, Q)[None])
    assert not outside.converged[0]


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="do not end in"):
        fit(BINS, np.zeros((3, 99), complex))
    with pytest.raises(ValueError, match="must rise"):
        fit(BINS[::-1], np.zeros((3, 100), complex))


def test_the_other_sign_convention_is_turned_into_ours():
    bglib = 0.7 * F0**2 / (BINS**2 - 1j * BINS * F0 / Q - F0**2)
    found = fit(BINS, from_positive_phase(bglib)[None])
    assert found.phase_rad[0] == pytest.approx(0.0, abs=1e-9)
    assert found.amplitude[0] == pytest.approx(0.7)


def test_magnitude_fit_finds_oscillator_and_background():
    background = 3.0 - 6.0j
    clean = np.abs(response(BINS, 1.0, F0, Q) + background)
    rng = np.random.default_rng(1)
    rows = clean + 0.5 * rng.normal(size=(50, 100))
    with_it, without = fit_magnitudes(BINS, rows, background=True), fit_magnitudes(BINS, rows)
    assert with_it.converged.all()
    assert with_it.resonance_Hz.mean() == pytest.approx(F0, abs=5.0)
    assert with_it.quality.mean() == pytest.approx(Q, rel=0.02)
    assert np.abs(with_it.background).mean() == pytest.approx(abs(background), rel=0.05)
    assert np.median(with_it.noise) == pytest.approx(0.5, rel=0.1)
    assert np.median(without.r2) < np.median(with_it.r2)
    assert np.allclose(with_it.magnitudes(BINS).mean(axis=0), clean, atol=0.6)


def test_check_62_thermal_amplitudes_and_their_spectrum():
    assert thermal.rms_pm([1.0, 3.0, 40.0]) == pytest.approx([64.4, 37.2, 10.2], abs=0.05)
    f = np.linspace(0.0, 5e6, 2_000_001)
    power = np.trapezoid(thermal.density_pm2_Hz(f, F0, Q, 3.0), f)
    assert np.sqrt(power) == pytest.approx(thermal.rms_pm(3.0), rel=1e-3)


def test_contact_resonance_follows_the_beam_equation():
    assert contact.resonance_Hz(75e3, 0.0) == pytest.approx(75e3)
    pinned = 75e3 * (contact.PINNED[0] / contact.FREE[0]) ** 2
    assert contact.resonance_Hz(75e3, 1e9) == pytest.approx(pinned, rel=1e-5)
    waves = np.linspace(1.9, 3.9, 50)
    exact = (waves / contact.FREE[0]) ** 2
    assert contact.resonance_Hz(1.0, contact.stiffness_ratio(waves)) == pytest.approx(exact, rel=1e-5)
    small = contact.resonance_Hz(1.0, 1e-3)
    assert small == pytest.approx(np.sqrt(1.0 + 4 * 3e-3 / contact.FREE[0] ** 4), rel=1e-6)


def test_check_66b_flat_band_has_a_low_crest_and_stays_in_its_band():
    waves = {kind: drive.flat_band(300e3, 100, 1e-3, 10e6, kind) for kind in ("quadratic", "random", "zero")}
    crest = {kind: drive.crest_factor(wave) for kind, wave in waves.items()}
    assert crest["quadratic"] <= 2.0
    assert crest["quadratic"] == pytest.approx(1.90, abs=0.01)
    assert crest["zero"] == pytest.approx(14.1, abs=0.1)
    assert crest["quadratic"] < crest["random"] < crest["zero"]
    assert drive.energy_in_band(waves["quadratic"], 10e6, 300e3, 400e3) >= 0.99
    lines = 2 * np.abs(np.fft.rfft(waves["quadratic"]))[300:400] / 10_000
    assert lines == pytest.approx(np.full(100, drive.line_amplitude(100, crest["quadratic"])), rel=1e-9)


def test_a_band_above_half_the_sampling_rate_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        drive.flat_band(4.95e6, 100, 1e-3, 10e6)

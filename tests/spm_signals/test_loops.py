"""Loop functions, relaxation and Preisach densities: checks 64 to 66 of the physics sheet."""

import numpy as np
import pytest

from physics_priors.loops import preisach, relaxation
from physics_priors.loops.fit import fit
from physics_priors.loops.shape import loop, read, rising

HALF = np.linspace(-10.0, 10.0, 64)
BIAS = np.concatenate([HALF, HALF[::-1]])
THETA = np.array([-1.0, 2.0, 3.0, -3.0, 0.0, 1.0, 1.0, 1.0, 1.0])


def noisy(rows: int, noise: float, theta: np.ndarray = THETA, seed: int = 0) -> np.ndarray:
    """Loops [rows, 128] with noise in units of the loop's height."""
    rng = np.random.default_rng(seed)
    return loop(BIAS, theta) + noise * abs(theta[1]) * rng.normal(size=(rows, len(BIAS)))


def test_check_64_ends_crossings_and_area():
    response = loop(BIAS, THETA)
    assert response[[0, 63, 64, 127]] == pytest.approx([-1, 1, 1, -1])
    found = read(THETA)
    assert (found.rise_V, found.fall_V, found.imprint_V) == pytest.approx((3.0, -3.0, 0.0))
    assert found.work == pytest.approx(12.0)
    dense = np.concatenate([np.linspace(-10, 10, 20_001), np.linspace(10, -10, 20_001)])
    area = -np.trapezoid(loop(dense, THETA), dense)
    assert area == pytest.approx(12.0, rel=1e-3)
    at = {
        side: np.interp(0.0, loop(BIAS, THETA)[rising(BIAS) == side][:: 1 if side else -1], HALF)
        for side in (True, False)
    }
    assert at[True] == pytest.approx(3.0, abs=0.02)
    assert at[False] == pytest.approx(-3.0, abs=0.02)


def test_uneven_widths_move_crossings_and_nucleation():
    theta = np.array([-1.0, 2.0, 3.0, -3.0, 0.1, 0.5, 2.0, 1.0, 1.0])
    found = read(theta)
    straight = loop(np.array([0.0, float(found.rise_V)]), theta)[1] - 0.1 * found.rise_V
    assert straight == pytest.approx(0.0, abs=1e-9)
    below = loop(np.array([-9.0, float(found.nucleation_up_V)]), theta)[1] - 0.1 * found.nucleation_up_V
    assert below == pytest.approx(-1 + 2 * 0.03, abs=1e-9)


def test_check_64_refits_shared_widths_know_the_centres_ten_times_better():
    loops = noisy(1000, 0.05)
    free, shared = fit(BIAS, loops, "free"), fit(BIAS, loops, "shared")
    assert free.theta[:, [2, 3]].std(axis=0) == pytest.approx([0.38, 0.38], abs=0.05)
    assert shared.theta[:, [2, 3]].std(axis=0) == pytest.approx([0.043, 0.043], abs=0.006)
    for found in (free, shared):
        assert (np.abs(found.theta[:, [2, 3]].mean(axis=0) - [3.0, -3.0]) < 0.05).all()
        assert found.converged.mean() > 0.97
    assert np.median(shared.deviations[:, 2]) == pytest.approx(shared.theta[:, 2].std(), rel=0.1)
    assert np.median(shared.noise) == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_fit_recovers_slope_offset_and_polarity(sign: float):
    theta = np.array([0.3, sign * 4e-5, 2.5, -1.0, 1e-6, 0.8, 0.8, 0.8, 0.8])
    theta[0] = -1e-5
    found = fit(BIAS, noisy(20, 0.01, theta), "sloped")
    assert found.theta.mean(axis=0) == pytest.approx(theta, rel=0.03, abs=2e-7)
    assert found.r2.min() > 0.98
    assert np.abs(found.responses(BIAS) - loop(BIAS, theta)).max() < 0.05 * 4e-5


def test_what_is_not_finite_is_flagged_and_constants_explain_nothing():
    loops = noisy(3, 0.02)
    loops[0, 5] = np.nan
    loops[1] = np.random.default_rng(0).normal(size=128)
    found = fit(BIAS, loops)
    assert not found.converged[0]
    assert np.isnan(found.theta[0]).all()
    assert found.r2[1] < 0.3
    assert found.r2[2] > 0.99


def test_a_bias_without_both_branches_is_refused():
    with pytest.raises(ValueError, match="both branches"):
        fit(HALF, np.zeros((2, 64)))


@pytest.mark.parametrize("start", ["up", "down"])
@pytest.mark.parametrize("smooth", [0, 2])
def test_check_65_forc_density(start: preisach.Start, smooth: int):
    rng = np.random.default_rng(0)
    units = rng.normal(2.0, 0.3, 200_000), rng.normal(0.3, 0.2, 200_000)
    grid = np.linspace(-5.0, 5.0, 81)
    curves = preisach.curves(*units, grid, grid, start)
    total, coercive, bias = preisach.density(grid, grid, curves, start, smooth).moments()
    assert (total, coercive, bias) == pytest.approx((1.0, 2.0, 0.3), rel=0.01)
    if start == "up":
        holes = np.where(grid[None, :] < grid[:, None], np.nan, curves)
        assert np.array_equal(preisach.extended(grid, grid, holes), curves)


def test_forc_curves_are_what_single_units_do():
    reversal, field = np.array([-2.0, 0.0, 2.0]), np.array([-3.0, -1.0, 1.0, 3.0])
    one = preisach.curves(np.array([1.5]), np.array([0.5]), reversal, field)
    assert one.tolist() == [[-1, -1, -1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]


def test_forc_from_a_waveform_finds_the_units():
    rng = np.random.default_rng(1)
    coercive, bias = rng.normal(3.0, 0.4, 4000), rng.normal(0.5, 0.3, 4000)
    up_at, down_at = bias + coercive, bias - coercive
    tops = np.linspace(-7.5, 8.0, 32)
    legs = [np.concatenate([np.linspace(-8, top, 40), np.linspace(top, -8, 40)]) for top in tops]
    volts = np.concatenate(legs)
    state, response = np.full(4000, -1.0), np.empty(len(volts))
    for i, v in enumerate(volts):
        state = np.where(v >= up_at, 1.0, np.where(v <= down_at, -1.0, state))
        response[i] = 5.0 + 2.0 * state.mean()
    reversal, field, curves = preisach.from_waveform(volts, response)
    total, mean_coercive, mean_bias = preisach.density(reversal, field, curves, "down").moments()
    assert total == pytest.approx(1.0, abs=0.02)
    assert mean_coercive == pytest.approx(3.0, abs=0.15)
    assert mean_bias == pytest.approx(0.5, abs=0.15)


def test_check_66_mean_time_and_the_fit_of_relaxation():
    assert relaxation.mean_time_s(0.7, 0.5) == pytest.approx(1.4)
    assert relaxation.mean_time_s(0.7, 1.0) == pytest.approx(0.7)
    time = np.geomspace(0.02, 10.0, 60)
    clean = relaxation.stretched(time, 2.0, 0.5, 0.6, -0.3)
    rng = np.random.default_rng(0)
    found = relaxation.fit(time, clean + 0.01 * rng.normal(size=(100, 60)))
    assert found.tau_s.mean() == pytest.approx(0.5, rel=0.03)
    assert found.beta.mean() == pytest.approx(0.6, rel=0.02)
    assert found.rest.mean() == pytest.approx(-0.3, abs=0.02)
    assert found.noise.mean() == pytest.approx(0.01, rel=0.05)
    exact = relaxation.fit(time, clean[None])
    assert (exact.tau_s[0], exact.beta[0], exact.amplitude[0]) == pytest.approx((0.5, 0.6, 2.0), rel=1e-3)
    area = np.trapezoid(np.exp(-((np.linspace(0, 200, 2_000_001) / 0.5) ** 0.6)), dx=1e-4)
    assert exact.mean_s[0] == pytest.approx(area, rel=2e-3)

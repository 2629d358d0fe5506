"""The prior for real loops: against a plain ensemble of units, its rate, its likelihood, what a posterior can tell."""

import numpy as np
import pytest

from physics_priors.lgd import loops, profiles, surfaces
from physics_priors.lgd.materials import LEAD_TITANATE
from physics_priors.posterior import Particles

DWELL_S = 2e-3
TYPICAL = loops.PRIOR.ordered({"coercive_V": 3.0, "imprint_V": 0.4, "initially_up": 0.3})[None]


def _units(theta: np.ndarray, waveform: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """The part up after each pulse and reading at 0 V of units drawn one by one: what the staircase stands for."""
    shell = np.repeat(np.arange(loops.SHELLS), count // loops.SHELLS)
    share = theta[6] + (1 - theta[6]) * (shell + 0.5) / loops.SHELLS
    hold = theta[0] * (1 - theta[5] * loops.log_dwell(DWELL_S))
    u = (theta[1] + hold + theta[2] * rng.normal(size=count)) / share
    d = (theta[1] - hold + theta[2] * rng.normal(size=count)) / share
    rank = np.empty(count)
    for k in range(loops.SHELLS):
        rank[shell == k] = np.argsort(np.argsort(d[shell == k])) / (shell == k).sum()
    up, seen = rank < theta[7], []
    for bias in waveform:
        for V in (bias, 0.0):
            up = np.where(u < V, True, up)
            up = np.where(d > V, False, up)
        seen.append(up.mean())
    return np.array(seen)


def test_the_staircase_is_an_ensemble_of_units() -> None:
    rng = np.random.default_rng(0)
    waveform = rng.uniform(-6, 6, size=40)
    _, up = loops.Ensembles.fresh(TYPICAL).drive(TYPICAL, waveform, DWELL_S)
    np.testing.assert_allclose(up[0], _units(TYPICAL[0], waveform, rng, 40_000), atol=0.01)


def test_ensembles_remember_and_looking_ahead_changes_nothing() -> None:
    theta = loops.PRIOR.sample(np.random.default_rng(1).uniform(0.05, 0.95, size=(20, 8)))
    waveform = np.random.default_rng(2).uniform(-9, 9, size=30)
    memory = loops.Ensembles.fresh(theta)
    _, first = memory.drive(theta, waveform[:17], DWELL_S)
    foreseen = memory.ahead(theta, np.stack([waveform[17:], -waveform[17:]]), DWELL_S)
    _, second = memory.drive(theta, waveform[17:], DWELL_S)
    whole = loops.off_field(theta, waveform, DWELL_S)
    np.testing.assert_array_equal(loops.piezoresponse_pm(theta, np.concatenate([first, second], 1)), whole)
    np.testing.assert_array_equal(foreseen[0], second)
    np.testing.assert_array_equal(loops.off_field(theta[3:4], waveform, DWELL_S)[0], whole[3])


def test_many_small_reversals_forget_the_smallest() -> None:
    waveform = 8.0 * np.linspace(1, 0.2, 120) * (-1.0) ** np.arange(120)
    up = loops.Ensembles.fresh(TYPICAL).drive(TYPICAL, waveform, DWELL_S)[1]
    assert np.all((up >= 0) & (up <= 1))


def test_a_saturated_loop_has_the_switching_voltages_it_should() -> None:
    waveform = loops.staircase(-10, 10, 800, 2)
    loop = loops.off_field(TYPICAL, waveform, DWELL_S)[0, 800:]
    middle = TYPICAL[0, 4]
    bias = waveform[800:]
    rises = bias[1:][(loop[:-1] < middle) & (loop[1:] >= middle)]
    falls = bias[1:][(loop[:-1] > middle) & (loop[1:] <= middle)]
    up, down = loops.switching_V(TYPICAL, DWELL_S)
    assert rises == pytest.approx(up, abs=0.06)
    assert falls == pytest.approx(down, abs=0.06)
    coercive, imprint = loops.targets_V(TYPICAL, DWELL_S)[0]
    assert (coercive + imprint, imprint - coercive) == pytest.approx((up[0], down[0]))


def test_faster_pulses_switch_at_higher_voltages() -> None:
    slow, fast = loops.switching_V(TYPICAL, 1.0)[0], loops.switching_V(TYPICAL, 1e-4)[0]
    k = TYPICAL[0, 5]
    assert fast > slow
    share = 3.0 * k * np.log(1e4)
    assert fast - slow == pytest.approx(share / (0.5 * (1 + TYPICAL[0, 6])), rel=0.05)
    with pytest.raises(ValueError, match="dwell_s"):
        loops.log_dwell(0.0)


def test_branches_on_the_field_are_those_of_landau() -> None:
    landau = LEAD_TITANATE.landau(298.15)
    assert float(loops.branch(landau, 0.0)) == pytest.approx(1.0, abs=1e-4)
    assert float(loops.branch(landau, -1.0)) == pytest.approx(0.5233 / 0.7570, abs=2e-3)
    field = loops.intrinsic(landau)[0]
    P = float(loops.branch(landau, 0.7)) * landau.spontaneous()
    assert landau.slope((0, 0, P))[2] == pytest.approx(0.7 * field, rel=1e-3)
    waveform = loops.staircase(-10, 10, 64, 2)
    on = loops.on_field(TYPICAL, waveform, DWELL_S, landau)[0, 64:]
    off = loops.off_field(TYPICAL, waveform, DWELL_S)[0, 64:]
    assert on.max() > off.max() * 1.1
    tilted = loops.on_field(TYPICAL, waveform, DWELL_S, landau, slope_pm_V=2.0)[0, 64:]
    np.testing.assert_allclose(tilted - on, 2.0 * waveform[64:])


def test_the_density_holds_every_unit() -> None:
    axis = np.linspace(-8, 8, 321)
    density = loops.preisach_density(TYPICAL, axis, axis, DWELL_S)[0]
    assert density.sum() * 0.05**2 == pytest.approx(1.0, abs=1e-3)
    mean = (density.sum(1) * axis).sum() / density.sum()
    assert mean == pytest.approx(loops.targets_V(TYPICAL, DWELL_S)[0, 0], rel=0.03)


def test_a_posterior_from_a_loop_covers_its_truth_and_tells_what_it_cannot_tell_apart() -> None:
    waveform, noise_pm, inside = loops.staircase(-10, 10, 32, 2), 6.0, []
    names = loops.PRIOR.names
    for seed in range(6):
        rng = np.random.default_rng(seed)
        truth = loops.PRIOR.sample(rng.uniform(0.1, 0.9, size=(1, 8)))
        seen = loops.off_field(truth, waveform, DWELL_S)[0] + noise_pm * rng.normal(size=64)
        model = loops.LoopModel(waveform, DWELL_S, noise_pm)
        posterior = Particles(loops.PRIOR, 300, seed)
        for part in np.split(np.arange(64), 8):
            posterior = posterior.updated(model, {"pulse": part}, {"piezoresponse_pm": seen[part]})
        found, known = loops.targets_V(posterior.theta, DWELL_S), loops.targets_V(truth, DWELL_S)[0]
        mean = posterior.weight @ found
        sd = np.sqrt(posterior.weight @ (found - mean) ** 2)
        inside.append(np.abs(mean - known) < 2.5 * sd)
        assert np.all(sd < 0.3)
        matrix = loops.correlations(posterior.theta, posterior.weight)
        assert np.allclose(np.diag(matrix), 1.0)
        assert matrix[names.index("coercive_V"), names.index("least_share")] > 0.3
    assert np.mean(inside) > 0.75


def test_missing_readings_say_nothing() -> None:
    model = loops.LoopModel(np.array([5.0, -5.0]), DWELL_S, 6.0)
    theta = loops.PRIOR.sample(np.random.default_rng(0).uniform(size=(5, 8)))
    one = model.log_likelihood(theta, {"pulse": [0]}, {"piezoresponse_pm": [10.0]})
    both = model.log_likelihood(theta, {"pulse": [0, 1]}, {"piezoresponse_pm": [10.0, np.nan]})
    np.testing.assert_allclose(one, both)


def test_a_profile_gives_its_lengths_and_their_correlation() -> None:
    z = np.linspace(0, 11, 20)
    rng = np.random.default_rng(0)
    eta = surfaces.exact_profile(z, 0.787, 1.556, 1.1) * (1 + 0.02 * rng.normal(size=20))
    model = profiles.ProfileModel(0.02, relative=True)
    posterior = Particles(profiles.PRIOR, 400, moves=10)
    posterior = posterior.updated(model, {"z": z[:4]}, {"eta": eta[:4]}).updated(model, {"z": z[4:]}, {"eta": eta[4:]})
    for interval, known in zip(posterior.interval(0.99), (0.787, 1.556, 1.1), strict=True):
        assert interval[0] < known < interval[1]
    assert abs(loops.correlations(posterior.theta, posterior.weight)[1, 2]) > 0.2


@pytest.mark.parametrize("seed", [2, 6])
def test_readings_that_surprise_all_particles_do_not_strand_the_posterior(seed: int) -> None:
    """A spot in the prior's outskirts: without `annealing` the estimate is many standard deviations off here."""
    rng, waveform = np.random.default_rng(seed), loops.staircase(-10, 10, 64, 1)
    outer = {"coercive_V": 1.5, "imprint_V": 0.0, "width_V": 0.2, "amplitude_pm": 75.0, "offset_pm": 12.0}
    truth = loops.PRIOR.ordered({**outer, "initially_up": rng.uniform()})[None]
    seen = loops.off_field(truth, waveform, 1e-3)[0] + 6.0 * rng.normal(size=64)
    posterior, model = Particles(loops.PRIOR, 300, seed, 8), loops.LoopModel(waveform, 1e-3, 6.0)
    for begin in range(0, 64, 8):
        posterior = loops.taken_in(posterior, model, begin, seen[begin : begin + 8])
    mean, sd = loops.told_V(posterior.theta, posterior.weight, 1e-3)
    assert np.all(np.abs(mean - loops.targets_V(truth, 1e-3)[0]) < 3 * sd)
    assert np.all(sd < 0.2)

"""Failed curves are told from good ones: on noise, spikes and loops of any unit, on the twin, and on recorded data."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.outliers import Outliers, despike
from environments.robust import masked_median, masked_scale, running_median
from instruments import keys
from instruments.batch import RequestBatch
from instruments.twins.ferroelectric_film import FerroelectricFilm

RULE = Outliers()


def accepted(curves: np.ndarray) -> np.ndarray:
    return RULE.accept(RULE.traits(curves)[None], np.ones((1, len(curves)), bool))[0]


@given(scale=st.floats(1e-9, 1e9), seed=st.integers(0, 50), samples=st.integers(16, 300))
def test_pure_noise_is_never_a_failure_by_itself_in_any_unit(scale, seed, samples) -> None:
    noise = scale * np.random.default_rng(seed).standard_normal((1, samples))
    assert RULE.alone(RULE.traits(noise)).all()


@given(height=st.floats(50, 1e6), place=st.integers(0, 127), scale=st.floats(1e-9, 1e9))
def test_a_lone_spike_fails_at_any_place_and_scale(two_step_loop, height, place, scale) -> None:
    _, loop = two_step_loop
    curve = loop + 0.02 * np.random.default_rng(0).standard_normal(len(loop))
    curve[place] += height
    assert not RULE.alone(RULE.traits(scale * curve[None])).any()


def test_sharp_switching_without_any_noise_passes(two_step_loop) -> None:
    assert accepted(two_step_loop[1][None]).all()


def test_a_smooth_curve_a_thousand_times_larger_than_the_others_passes(two_step_loop) -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal((31, 128))
    curves = two_step_loop[1] * np.r_[np.ones(30), 1000.0][:, None] + noise
    assert accepted(curves).all()


def test_garbage_is_unmasked_once_there_are_others_to_compare_with(two_step_loop) -> None:
    rng = np.random.default_rng(3)
    good = two_step_loop[1] + 0.05 * rng.standard_normal((6, 128))
    curves = np.concatenate([50.0 * rng.uniform(-1, 1, (1, 128)), good])
    traits = RULE.traits(curves)[None]
    said = [bool(RULE.accept(traits, np.arange(7)[None] < n)[0, 0]) for n in range(1, 8)]
    assert said[0]
    assert not said[-1]
    assert RULE.accept(traits, np.ones((1, 7), bool))[0, 1:].all()


def test_curves_not_yet_measured_have_no_say(two_step_loop) -> None:
    rng = np.random.default_rng(3)
    curves = two_step_loop[1] + 0.05 * rng.standard_normal((20, 128))
    wild = curves.copy()
    wild[10:] = 1e6 * rng.standard_normal((10, 128))
    known = np.arange(20)[None] < 10
    first, second = (RULE.accept(RULE.traits(c)[None], known) for c in (curves, wild))
    assert np.array_equal(first, second)
    assert not second[0, 10:].any()


def test_missing_samples_are_not_judged_and_few_samples_pass() -> None:
    curve = np.sin(np.linspace(0, 6, 64))
    gap = curve.copy()
    gap[40:] = np.nan
    traits = RULE.traits(np.stack([gap, curve, np.full(64, np.nan)]))
    assert np.isfinite(traits).all()
    assert np.array_equal(traits[0], RULE.traits(curve[None, :40])[0])
    assert RULE.alone(RULE.traits(np.array([[0.0, 1e9, 0.0, 1.0]]))).all()


def test_sparse_counts_are_no_spikes() -> None:
    counts = (np.random.default_rng(0).uniform(size=(40, 200)) < 0.2).astype(float)
    assert RULE.alone(RULE.traits(counts)).all()


def test_despike_replaces_spikes_only(two_step_loop) -> None:
    clean = two_step_loop[1] + 0.01 * np.random.default_rng(0).standard_normal(128)
    spiky = clean.copy()
    spiky[[20, 90]] = 77.0
    repaired = despike(np.stack([spiky, clean]), RULE)
    assert np.abs(repaired[0, [20, 90]] - clean[[20, 90]]).max() < 0.1
    assert np.array_equal(np.delete(repaired[0], [20, 90]), np.delete(clean, [20, 90]))


def test_windows_are_odd() -> None:
    with pytest.raises(ValueError, match="odd"):
        Outliers(window=4)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), st.integers(0, 5))
def test_masked_statistics_are_those_of_the_unmasked_and_ignore_padding(values, padding) -> None:
    row = np.array(values)
    wide = np.concatenate([row, np.full(padding, 1e9)])[None]
    mask = np.arange(wide.shape[1])[None] < len(row)
    assert masked_median(wide, mask)[0] == pytest.approx(np.median(row))
    narrow = masked_scale(row[None], np.ones((1, len(row)), bool))
    assert np.array_equal(masked_scale(wide, mask), narrow)
    assert np.isnan(masked_median(wide, np.zeros_like(mask))).all()


def test_the_running_median_is_that_of_its_windows() -> None:
    y = np.random.default_rng(0).standard_normal((2, 30))
    slow = np.stack([[np.median(row[i - 2 : i + 3]) for i in range(2, 28)] for row in y])
    assert np.array_equal(running_median(y, 5)[:, 2:-2], slow)


def test_on_the_twin_failures_are_found_and_loops_kept() -> None:
    places = np.random.default_rng(0).uniform(-900, 900, (400, 2))
    shared = {"low_V": -8.0, "high_V": 8.0, "points": 64, "dwell_s": 0.01, "cycles": 1}
    curves = {}
    for rate in (0.0, 0.25):
        core, root = FerroelectricFilm(failure_rate=rate, grid=32, drift_nm_s=0.0), np.repeat(keys.keys(7), 400)
        batch = RequestBatch("BiasSpectroscopy", 400, {"position_nm": places}, shared)
        world = core.begin(root, {})
        curves[rate] = core.perform(world, batch, keys.fold(root, np.arange(400)))[1].values["piezoresponse"]
    failed = np.any(curves[0.0] != curves[0.25], axis=1)
    assert 60 < failed.sum() < 140
    ok = accepted(curves[0.25])
    assert not ok[failed].any()
    assert ok[~failed].mean() > 0.99


@pytest.fixture(scope="module")
def beps(data_folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The recorded loops [2500, 64] and which of them are failed fits by the recording's own description."""
    path = data_folder / "beps-loops-pto" / "BEPS_PTO_50x50.h5"
    if not path.exists():
        pytest.skip("no beps-loops-pto among the recorded data")
    with h5py.File(path) as file:
        loops = file["Channel_000/generic/generic"][()].reshape(-1, 64)
    return loops, np.abs(loops).max(-1) > 1e-3


@pytest.mark.parametrize("measured", [10, 30, 60, 2500])
def test_on_recorded_loops_failed_fits_are_found_and_large_loops_kept(beps, measured) -> None:
    loops, failed = beps
    traits = RULE.traits(loops)
    rng, counts = np.random.default_rng(0), np.zeros(4)
    for _ in range(1 if measured == 2500 else 200):
        i = rng.choice(2500, measured, replace=False)
        ok = RULE.accept(traits[i][None], np.ones((1, measured), bool))[0]
        counts += [(ok & failed[i]).sum(), failed[i].sum(), (ok & ~failed[i]).sum(), (~failed[i]).sum()]
    kept_bad, bad, kept_good, good = counts
    assert kept_bad <= 0.003 * bad
    assert kept_good > 0.78 * good


def test_the_twenty_largest_good_loops_are_kept(beps) -> None:
    from environments.scalarisers import LoopArea
    from instruments.twins.hysteresis import staircase

    loops, failed = beps
    area = np.where(failed, 0.0, LoopArea()(loops, np.array(staircase(-8.5, 8.5, 64))))
    assert accepted(loops)[np.argsort(-area)[:20]].all()


def test_recorded_current_curves_are_kept(data_folder: Path) -> None:
    path = data_folder / "cafm-iv-bfo" / "bfo_iv_final.hf5"
    if not path.exists():
        pytest.skip("no cafm-iv-bfo among the recorded data")
    with h5py.File(path) as file:
        curves = file["Measurement_000/Channel_000/IV_BFO/IV_BFO"][()].reshape(2500, -1)
    assert accepted(curves).mean() > 0.99

"""The statistics, against closed forms, an independent implementation, and their own stated levels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from scipy.stats import trim_mean

from experiments.benchmark.statistics.comparison import (
    acceleration_factor,
    enhancement_factor,
    holm,
    improvement_interval,
    paired_p_value,
    performance_profile,
    probability_of_improvement,
)
from experiments.benchmark.statistics.intervals import (
    bootstrap,
    interquartile_mean,
    lower_bound,
    paired_bootstrap,
    resampled,
)
from experiments.benchmark.statistics.regret import area_under_regret, gap_closed, simple_regret
from experiments.benchmark.statistics.survival import kaplan_meier, time_to_target

CASES = json.loads(Path(__file__).with_name("data").joinpath("independent_statistics.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(np.shape(case["scores"])))
def test_interquartile_mean_and_interval_agree_with_an_independent_implementation(case):
    scores = np.array(case["scores"])
    index = resampled(*scores.shape, 200_000, np.random.default_rng(0))
    found = bootstrap(scores, interquartile_mean, index)
    assert found.value == pytest.approx(case["iqm"], abs=1e-12)
    assert found.low == pytest.approx(case["low"], abs=1e-3)
    assert found.high == pytest.approx(case["high"], abs=1e-3)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(np.shape(case["scores"])))
def test_probability_of_improvement_agrees_with_an_independent_implementation(case):
    found = probability_of_improvement(np.array(case["other"])[None], np.array(case["scores"])[None])
    assert found[0] == pytest.approx(case["probability_of_improvement"], abs=1e-12)


def test_the_quick_interval_of_improvement_is_the_bootstrapped_one():
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 6, (2, 12, 3)).astype(float)
    index = resampled(12, 3, 400, rng)
    slow = paired_bootstrap((a, b), probability_of_improvement, index)
    quick = improvement_interval(a, b, index)
    assert quick.value == slow.value
    assert (quick.low, quick.high) == pytest.approx((slow.low, slow.high), abs=1e-12)


@given(nps.arrays(float, nps.array_shapes(min_dims=2, max_dims=2, min_side=2), elements=st.floats(-1e3, 1e3)))
def test_interquartile_mean_is_scipys_trimmed_mean(scores):
    assert interquartile_mean(scores[None])[0] == pytest.approx(trim_mean(scores.ravel(), 0.25), abs=1e-9)


def test_no_interval_below_ten_seeds():
    scores = np.random.default_rng(0).random((9, 3))
    found = bootstrap(scores, interquartile_mean, resampled(9, 3, 100, np.random.default_rng(0)))
    assert np.isfinite(found.value)
    assert np.isnan([found.low, found.high]).all()
    assert "too few seeds" in str(found)
    assert np.isnan(lower_bound(scores[:, 0]))


def test_bootstrap_draws_seeds_within_each_task():
    scores = np.stack([np.arange(12.0), 100 + np.arange(12.0)], axis=1)
    index = resampled(12, 2, 500, np.random.default_rng(1))
    draws = np.take_along_axis(scores[None], index, axis=1)
    assert (draws[..., 0] < 12).all()
    assert (draws[..., 1] >= 100).all()


def test_a_paired_interval_of_the_same_policy_has_no_width():
    scores = np.random.default_rng(0).random((20, 1))
    index = resampled(20, 1, 1000, np.random.default_rng(0))
    found = paired_bootstrap((scores, scores), enhancement_factor, index)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_regret_and_its_area_in_closed_form():
    regret = simple_regret(np.array([2.0, np.nan, 1.0, 4.0]), best=4.0, worst=0.0)
    np.testing.assert_allclose(regret, [0.5, 0.5, 0.5, 0.0])
    # 1 until 1 s, one half from 1 s to 3 s, 0 to the end of 4 s.
    area = area_under_regret(np.array([0.5, 0.0]), np.array([1.0, 3.0]), 4.0)
    assert area == pytest.approx((1 * 1 + 0.5 * 2) / 4)


def test_spending_beyond_the_budget_does_not_count():
    regret = np.array([0.5, 0.0])
    assert area_under_regret(regret, np.array([1.0, 9.0]), 2.0) == pytest.approx(0.75)
    assert area_under_regret(np.zeros(0), np.zeros(0), 2.0) == 1.0


@given(nps.arrays(float, st.integers(1, 30), elements=st.floats(0, 1)))
def test_regret_never_rises_and_its_area_lies_between_zero_and_one(values):
    regret = simple_regret(values, 1.0, 0.0)
    assert (np.diff(regret) <= 0).all()
    assert 0 <= area_under_regret(regret, np.arange(1.0, len(regret) + 1), float(len(regret))) <= 1


@pytest.mark.parametrize(("best", "worst"), [(0.0, 0.0), (0.0, 1.0), (np.nan, 0.0)])
def test_regret_without_a_range_is_refused(best, worst):
    with pytest.raises(ValueError, match="exceed"):
        simple_regret(np.array([1.0]), best, worst)


def test_gap_closed_is_one_at_the_oracle_and_zero_at_the_baseline():
    closed = gap_closed(np.array([0.1, 0.5, 0.9, 0.3]), np.full(4, 0.5), np.array([0.1, 0.1, 0.1, 0.5]))
    np.testing.assert_allclose(closed, [1.0, 0.0, -1.0, np.nan])


def test_profile_counts_runs_above_thresholds():
    scores = np.array([[0.1, 0.9], [0.5, 0.7]])
    np.testing.assert_allclose(performance_profile(scores, np.array([0.0, 0.3, 0.8, 1.0])), [1.0, 0.75, 0.25, 0.0])


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])


def test_two_identical_policies_are_told_apart_at_the_stated_level_only():
    rng = np.random.default_rng(3)
    p_values = np.array([paired_p_value(rng.standard_t(3, (12, 1)), seed=i, draws=499) for i in range(1000)])
    for level in (0.05, 0.1):
        rejected = (p_values <= level).mean()
        assert abs(rejected - level) < 3 * np.sqrt(level * (1 - level) / 1000)


def test_a_difference_is_found_and_none_is_one():
    rng = np.random.default_rng(0)
    assert paired_p_value(rng.normal(1.0, 1.0, (20, 1))) < 0.01
    assert paired_p_value(np.zeros((20, 2))) == 1.0


def test_tasks_of_one_seed_are_flipped_together():
    one = np.random.default_rng(5).normal(0.5, 1.0, (12, 1))
    assert paired_p_value(np.repeat(one, 8, axis=1)) == pytest.approx(paired_p_value(one))


def test_kaplan_meier_by_hand():
    survived = kaplan_meier(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, True, True]))
    # at 1: 3/4; 2 is censored; at 3: 3/4 * 1/2; at 4: 0.
    fractions = dict(zip(survived.times, survived.fraction, strict=True))
    assert fractions[1.0] == pytest.approx(0.75)
    assert fractions[3.0] == pytest.approx(0.375)
    assert fractions[4.0] == pytest.approx(0.0)
    assert survived.median() == 3.0


def test_a_target_that_few_reach_has_no_median_time():
    survived = kaplan_meier(np.array([5.0, 9.0, 9.0]), np.array([True, False, False]))
    assert survived.median() == np.inf
    with pytest.raises(ValueError, match="no runs"):
        kaplan_meier(np.zeros(0), np.zeros(0, bool))


def test_time_to_target():
    assert time_to_target(np.array([0.5, 0.1]), np.array([3.0, 6.0]), 0.2) == (6.0, True)
    assert time_to_target(np.array([0.5, 0.3]), np.array([3.0, 6.0]), 0.2) == (6.0, False)


def test_factors_by_hand():
    assert enhancement_factor(np.full((1, 10, 1), 3.0), np.full((1, 10, 1), 2.0))[0] == 1.5
    ours, theirs = np.full((1, 4, 1), 5.0), np.full((1, 4, 1), 20.0)
    assert acceleration_factor(ours, theirs)[0] == 4.0
    assert np.isnan(acceleration_factor(np.full((1, 4, 1), np.inf), theirs)[0])


def test_a_one_sided_bound_holds_as_often_as_it_says():
    rng = np.random.default_rng(1)
    below = [lower_bound(rng.normal(0.3, 1.0, 15)) <= 0.3 for _ in range(2000)]
    assert np.mean(below) == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / 2000))

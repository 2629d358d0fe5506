"""From rows to tables: against numbers worked out by hand, and with runs that gave nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.benchmark.scores import collect
from experiments.benchmark.tables import tables

SEEDS = range(10)


def line_of(table, policy):
    (found,) = [line for line in table.lines if line.policy == policy]
    return found


@pytest.fixture
def suite(row):
    """Rows of three policies on ten seeds: one that never finds anything, one half way, one at once."""

    def make(seeds=SEEDS, **fields):
        curves = {"random": [1.0, 1.0, 1.0, 1.0], "half": [1.0, 0.5, 0.5, 0.0], "oracle": [0.0, 0.0, 0.0, 0.0]}
        return [row(policy, seed, curve, **fields) for policy, curve in curves.items() for seed in seeds]

    return make


def scored(rows, target=0.1):
    return collect(rows, "random", target)


def test_areas_by_hand(suite):
    (table,) = tables(scored(suite()))
    # regret 1 before the first step; over 4 steps: random 1, half (1 + 1 + 0.5 + 0.5) / 4, oracle 1 / 4
    assert [line.area["steps"].value for line in table.lines] == pytest.approx([1.0, 0.75, 0.25])
    assert table.gap == pytest.approx(0.75)
    assert line_of(table, "half").gap_closed.value == pytest.approx(1 / 3)
    assert line_of(table, "half").improvement.value == 1.0
    assert line_of(table, "random").gap_closed is None
    assert line_of(table, "random").improvement is None


def test_seconds_are_judged_on_what_all_policies_spent(row):
    slow = [row("random", seed, [0.5, 0.5], pace=10.0) for seed in SEEDS]
    quick = [row("quick", seed, [0.5, 0.0], pace=4.0) for seed in SEEDS]
    scores = scored([*slow, *quick])
    # both are judged on 8 s: the slow one's first measurement comes after that
    assert scores.areas["seconds"]["random"] == pytest.approx(np.ones((10, 1)))
    assert scores.areas["seconds"]["quick"] == pytest.approx(np.full((10, 1), (4 * 1.0 + 4 * 0.5) / 8))


def test_steps_are_judged_on_as_many_as_any_policy_made(row):
    short = [row("random", seed, [0.5]) for seed in SEEDS]
    long = [row("long", seed, [1.0, 1.0, 1.0, 0.0]) for seed in SEEDS]
    scores = scored([*short, *long])
    assert scores.areas["steps"]["random"] == pytest.approx(np.full((10, 1), (1 + 3 * 0.5) / 4))


def test_electrons_have_a_column_only_where_they_were_spent(suite):
    (without,) = tables(scored(suite()))
    (dosed,) = tables(scored(suite(dose=3.0)))
    assert without.units == ["steps", "seconds"]
    assert dosed.units == ["steps", "seconds", "electrons"]
    mixed = tables(scored([*suite(), *suite(dose=3.0, task="stem")]))
    assert [table.units[-1] for table in mixed] == ["seconds", "seconds", "electrons"]


@pytest.mark.parametrize(("status", "failed", "cheated"), [("failed", 1, 0), ("timeout", 1, 0), ("cheated", 0, 1)])
def test_a_run_that_gave_nothing_has_the_worst_score_and_is_counted(row, suite, status, failed, cheated):
    bad = row("half", 3, [0.0, 0.0, 0.0, 0.0] if status == "cheated" else (), status=status)
    rows = [bad if (r.policy, r.seed) == ("half", 3) else r for r in suite()]
    scores = scored(rows)
    assert {unit: scores.areas[unit]["half"][3, 0] for unit in ("steps", "seconds")} == {"steps": 1.0, "seconds": 1.0}
    assert scores.final["half"][3, 0] == 0.0
    line = line_of(tables(scores)[0], "half")
    assert (line.runs, line.failed, line.cheated) == (10, failed, cheated)
    assert line.gap_closed.value == pytest.approx(0.9 / 3)


def test_a_policy_that_always_fails_stands_in_the_table_all_the_same(row, suite):
    rows = [*suite(), *(row("broken", seed, status="failed", error="it broke") for seed in SEEDS)]
    line = line_of(tables(scored(rows))[0], "broken")
    assert line.area["steps"].value == line.area["seconds"].value == 1.0
    assert line.failed == 10
    assert math.isinf(line.median_steps)
    assert math.isnan(line.decide_ms["p50"])


@pytest.mark.parametrize(("seeds", "given"), [(9, False), (10, True)])
def test_no_interval_below_ten_seeds(row, seeds, given):
    draws = np.random.default_rng(0)
    rows = [row(p, s, [draws.random(), 0.0]) for p in ("random", "other") for s in range(seeds)]
    rows += [row("oracle", s, [0.0, 0.0]) for s in range(seeds)]
    (table,) = tables(scored(rows))
    line = line_of(table, "other")
    intervals = [line.gap_closed, line.improvement, line.enhancement, line.acceleration, *line.area.values()]
    assert [math.isfinite(i.low) and math.isfinite(i.high) for i in intervals] == [given] * len(intervals)
    assert all(math.isfinite(i.value) for i in intervals)


def test_median_steps_count_runs_that_never_arrive(row):
    def rows(reaching):
        curves = [[1.0, 0.0, 0.0, 0.0] if seed < reaching else [1.0, 1.0, 1.0, 1.0] for seed in SEEDS]
        return [row("random", seed, curve) for seed, curve in zip(SEEDS, curves, strict=True)]

    assert line_of(tables(scored(rows(5)))[0], "random").median_steps == 2.0
    assert math.isinf(line_of(tables(scored(rows(4)))[0], "random").median_steps)


def test_acceleration_over_a_baseline_that_never_arrives_is_a_lower_bound(suite):
    (table,) = tables(scored(suite()))
    assert line_of(table, "half").acceleration.value == 1.0  # it arrives with the budget's last step, 4 / 4
    assert line_of(table, "oracle").acceleration.value == 4.0
    assert math.isinf(line_of(table, "random").median_steps)


def test_acceleration_and_enhancement_by_hand(row):
    rows = [row("random", seed, [1.0, 1.0, 0.5, 0.5]) for seed in SEEDS]
    rows += [row("quick", seed, [0.5, 0.5, 0.5, 0.0]) for seed in SEEDS]
    line = line_of(tables(scored(rows, target=0.5))[0], "quick")
    assert line.acceleration.value == pytest.approx(3.0)
    assert line.enhancement.value == pytest.approx(2.0)
    assert line.gap_closed is None  # there is no oracle


def test_several_problems_have_a_table_each_after_the_common_one(suite):
    common, first, second = tables(scored([*suite(), *suite(scenario="shifted")]))
    assert (common.problem, first.problem, second.problem) == ("", "film, matched", "film, shifted")
    assert line_of(common, "half").runs == 20
    assert line_of(common, "half").gap_closed.value == pytest.approx(1 / 3)
    assert line_of(common, "half").acceleration is None  # steps of different tasks are not to be mixed


def test_the_same_rows_give_the_same_tables(suite):
    assert tables(scored(suite())) == tables(scored(suite()))

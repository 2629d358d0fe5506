"""What is claimed: better, worse, or nothing where nothing is to be claimed."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.benchmark.claims import claims, gap_closed_at_least
from experiments.benchmark.scores import collect
from experiments.benchmark.statistics.intervals import lower_bound


def found(row, areas, seeds=20, noise=0.05, problems=("film",)):
    """Claims about policies whose regret after one of two steps scatters around the given values."""
    draws = np.random.default_rng(1)
    sample = draws.normal(0.0, noise, (seeds, len(problems)))
    rows = [
        row(policy, s, [max(0.0, level + sample[s, j] + draws.normal(0.0, noise / 2)), 0.0], task=task)
        for policy, level in areas.items()
        for j, task in enumerate(problems)
        for s in range(seeds)
    ]
    return {(c.policy, c.problem): c for c in claims(collect(rows, "random", 0.1))}


def test_better_worse_and_neither_in_words(row):
    said = found(row, {"random": 0.6, "good": 0.3, "bad": 0.9, "same": 0.6, "oracle": 0.1})
    verdicts = {policy: claim.verdict for (policy, _), claim in said.items()}
    assert verdicts == {"good": "better", "bad": "worse", "same": "no significant difference"}
    good = said["good", "film, matched"]
    assert good.difference == pytest.approx(0.15, abs=0.03)  # half of the regret's difference: one step of two
    assert good.gap_closed == pytest.approx(0.6, abs=0.1)
    assert 0.4 < good.at_least < good.gap_closed


def test_identical_runs_are_not_told_apart(row):
    (claim,) = found(row, {"random": 0.5, "twin": 0.5}, noise=0.0).values()
    assert (claim.verdict, claim.p, claim.difference) == ("no significant difference", 1.0, 0.0)
    assert np.isnan(claim.at_least)  # there is no oracle


def test_below_ten_seeds_nothing_is_claimed(row):
    (claim,) = found(row, {"random": 0.9, "good": 0.1, "oracle": 0.0}, seeds=9).values()
    assert claim.verdict == "too few seeds"
    assert np.isnan(claim.at_least)


def test_looking_more_often_needs_more(row):
    one = found(row, {"random": 0.6, "good": 0.57, "oracle": 0.1}, seeds=12)["good", "film, matched"]
    many = {"random": 0.6, "good": 0.57, **{f"p{i}": 0.6 for i in range(9)}, "oracle": 0.1}
    again = found(row, many, seeds=12)["good", "film, matched"]
    assert again.p > one.p


def test_every_policy_is_claimed_on_every_problem(row):
    said = found(row, {"random": 0.6, "a": 0.3, "b": 0.4, "oracle": 0.1}, problems=("film", "stem"))
    assert set(said) == {(p, f"{t}, matched") for p in ("a", "b") for t in ("film", "stem")}


def test_the_bound_of_a_gap_without_scatter_is_the_bound_of_the_difference():
    differences = np.random.default_rng(0).normal(0.3, 0.1, 20)
    bound = gap_closed_at_least(differences, np.full(20, 0.5))
    assert bound == pytest.approx(lower_bound(differences) / 0.5, abs=1e-9)


def test_the_bound_holds_at_its_level():
    draws, held = np.random.default_rng(2), []
    for _ in range(400):
        gaps = draws.normal(0.5, 0.15, 20)
        held.append(gap_closed_at_least(0.4 * gaps + draws.normal(0, 0.1, 20), gaps) <= 0.4)
    assert 0.95 - 3 * 0.011 < np.mean(held) < 0.95 + 3 * 0.011


def test_without_a_gap_there_is_no_fraction_of_it():
    draws = np.random.default_rng(0)
    assert np.isnan(gap_closed_at_least(draws.normal(0.1, 0.1, 20), draws.normal(0.0, 0.1, 20)))

"""What may be claimed: every policy against the baseline, problem by problem, corrected for how often one looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from experiments.benchmark.scores import Array, Scores
from experiments.benchmark.statistics import FEWEST_SEEDS
from experiments.benchmark.statistics.comparison import holm, paired_p_value
from experiments.benchmark.statistics.intervals import lower_bound
from experiments.benchmark.suite import ORACLE

Verdict = Literal["better", "worse", "no significant difference", "too few seeds"]
LEVEL = 0.05


@dataclass(frozen=True)
class Claim:
    """A policy against the baseline on one problem.

    difference is baseline minus policy in mean area under regret against steps (positive is better), p corrected by
    Holm's rule for all claims of the suite, at_least the one-sided 95 % lower bound of the fraction of the gap
    between baseline and oracle that the policy closes (NaN below ten seeds, or where there is no gap).
    """

    policy: str
    problem: str
    difference: float
    p: float
    gap_closed: float
    at_least: float
    verdict: Verdict


def claims(scores: Scores) -> list[Claim]:
    """One claim for each policy and problem."""
    pairs = [(policy, j) for policy in scores.compared for j in range(len(scores.problems))]
    gained = [_differences(scores, policy, j) for policy, j in pairs]
    p_values = holm([paired_p_value(differences[:, None]) for differences in gained])
    found = []
    for (policy, j), differences, p in zip(pairs, gained, p_values, strict=True):
        gaps = _differences(scores, ORACLE, j) if ORACLE in scores.policies else np.full(len(differences), np.nan)
        closed, mean = float(np.mean(differences)), float(np.mean(gaps))
        closed = closed / mean if mean > 0 else float("nan")
        bound = gap_closed_at_least(differences, gaps)
        verdict = verdict_of(float(np.mean(differences)), p, len(differences))
        found.append(Claim(policy, str(scores.problems[j]), float(np.mean(differences)), p, closed, bound, verdict))
    return found


def verdict_of(difference: float, p: float, seeds: int) -> Verdict:
    """A difference in words; below ten seeds there is none, whatever the p-value."""
    if seeds < FEWEST_SEEDS:
        return "too few seeds"
    if p >= LEVEL:
        return "no significant difference"
    return "better" if difference > 0 else "worse"


def gap_closed_at_least(differences: Array, gaps: Array, level: float = 0.95) -> float:
    """One-sided lower bound of mean(differences) / mean(gaps) from pairs [seeds].

    The largest fraction g for which 'differences exceed g times gaps' holds at that level (Fieller 1954), so that
    the gap's own scatter counts; NaN below ten seeds or where the gap cannot be told from zero.
    """
    if len(differences) < FEWEST_SEEDS or not lower_bound(gaps, level) > 0:
        return float("nan")
    high = float(np.mean(differences) / np.mean(gaps))
    low = high - 1.0
    while lower_bound(differences - low * gaps, level) < 0:
        low = high - 2.0 * (high - low)
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if lower_bound(differences - middle * gaps, level) >= 0 else (low, middle)
    return low


def _differences(scores: Scores, policy: str, problem: int) -> Array:
    """Baseline minus policy in area under regret against steps [seeds]."""
    areas = scores.areas["steps"]
    return np.asarray(areas[scores.baseline][:, problem] - areas[policy][:, problem])


def sentences(found: Sequence[Claim], baseline: str) -> list[str]:
    """Every claim as a sentence."""
    return [_sentence(claim, baseline) for claim in found]


def _sentence(claim: Claim, baseline: str) -> str:
    where = f"{claim.policy} against {baseline} on {claim.problem}: {claim.verdict}"
    return f"{where} (p = {claim.p:.2g})" if claim.verdict != "too few seeds" else where

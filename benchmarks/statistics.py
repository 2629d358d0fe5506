"""How fast the statistics are, and how often their intervals hold what they say."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.registry import Measured, figure
from experiments.benchmark.statistics.comparison import holm, improvement_interval, paired_p_value
from experiments.benchmark.statistics.intervals import bootstrap, interquartile_mean, resampled

POLICIES, TASKS, SEEDS, DRAWS = 10, 5, 10, 10_000
COVERED = (10, 20, 50, 100)
SIMULATIONS = 1000
POPULATION = 400_000


@figure("stats.seconds", "s")
def seconds() -> Measured:
    """Intervals of 10 policies on 5 tasks with 10 seeds, by 10,000 bootstrap draws."""
    rng = np.random.default_rng(0)
    policies = [rng.beta(2, 3, (SEEDS, TASKS)) for _ in range(POLICIES)]
    began = time.perf_counter()
    index = resampled(SEEDS, TASKS, DRAWS, rng)
    for scores in policies:
        bootstrap(scores, interquartile_mean, index)
    took = time.perf_counter() - began
    began = time.perf_counter()
    for scores in policies[1:]:
        improvement_interval(scores, policies[0], index)
    holm([paired_p_value(scores - policies[0]) for scores in policies[1:]])
    return Measured(
        value=took,
        reference=_scipy_seconds(policies[0], rng) * POLICIES,
        compared="interquartile mean with stratified bootstrap interval, against scipy.stats.bootstrap of the same",
        limit=1.0,
        details={"comparisons_with_a_baseline_s": time.perf_counter() - began, "draws": DRAWS},
    )


@figure("stats.coverage", "fraction")
def coverage() -> Measured:
    """Coverage of the 95 % interval of the interquartile mean with ten seeds, and with more."""
    covered = {n: _coverage(n) for n in COVERED}
    return Measured(
        value=covered[10],
        reference=0.95,
        compared="fraction of 1000 simulated suites of 3 tasks whose interval holds the true value, against its level",
        details={str(n): value for n, value in covered.items()},
    )


def _scipy_seconds(scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]], rng: np.random.Generator) -> float:
    from scipy.stats import bootstrap as scipy_bootstrap
    from scipy.stats import trim_mean

    def trimmed(
        x: np.ndarray[tuple[int, ...], np.dtype[np.float64]], axis: int
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.asarray(trim_mean(x, 0.25, axis=axis))

    began = time.perf_counter()
    scipy_bootstrap((scores.ravel(),), trimmed, n_resamples=DRAWS, method="percentile", rng=rng)
    return time.perf_counter() - began


def _coverage(seeds: int, tasks: int = 3) -> float:
    """Scores are beta-distributed, differently in each task, as areas under regret are: skewed, between 0 and 1."""
    rng = np.random.default_rng(seeds)
    shapes = ((2.0, 5.0), (1.5, 1.5), (5.0, 2.0))[:tasks]
    population = np.stack([rng.beta(a, b, POPULATION) for a, b in shapes], axis=1)
    true = float(interquartile_mean(population[None])[0])
    index = resampled(seeds, tasks, 1000, rng)
    held = 0
    for _ in range(SIMULATIONS):
        scores = np.stack([rng.beta(a, b, seeds) for a, b in shapes], axis=1)
        found = bootstrap(scores, interquartile_mean, index)
        held += found.low <= true <= found.high
    return held / SIMULATIONS

"""Is the Gaussian process worth more than chance: on the default twin, and on real, dirty data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import Measured, figure
from experiments.benchmark import engine
from experiments.benchmark.cell import Row
from experiments.benchmark.executors import Processes
from experiments.benchmark.plan import plan
from experiments.benchmark.statistics.intervals import (
    Interval,
    bootstrap,
    lower_bound,
    mean,
    paired_bootstrap,
    resampled,
)
from experiments.benchmark.suite import ORACLE, Entry, Suite

DRAWS = 10_000
POLICY, BASELINE = "gaussian_process", "random"


@figure("twin.gap_closed", "fraction")
def twin() -> Measured:
    """Fraction of the gap from random to oracle that the Gaussian process closes on the default twin, 100 seeds."""
    return _gap("loop_discovery", 100, least=0.5)


@figure("beps.gap_closed", "fraction")
def beps() -> Measured:
    """The same on recorded hysteresis loops, a third of which are failed fits, 20 seeds."""
    return _gap("beps_pto", 20, least=None)


def _gap(campaign: str, seeds: int, least: float | None) -> Measured:
    policies = {BASELINE: [f"agent={BASELINE}"], POLICY: []}
    suite = Suite(f"gap-{campaign}", policies, {"task": Entry(campaign)}, BASELINE, seeds=seeds)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        planned = plan(suite)
        rows = engine.run_suite(planned, engine.folder_of(planned, Path(name)), Processes(2)).rows
    areas = {policy: _areas(rows, policy) for policy in (ORACLE, BASELINE, POLICY)}
    index = resampled(seeds, 1, DRAWS, np.random.default_rng(0))
    closed = paired_bootstrap((areas[POLICY], areas[BASELINE], areas[ORACLE]), _closed, index)
    return Measured(
        value=closed.value,
        reference=1.0,
        compared="(random - policy) / (random - oracle) in mean area under regret by steps, paired seeds; oracle is 1",
        limit=least,
        limit_is_least=True,
        details={
            "interval_95": [closed.low, closed.high],
            "area_under_regret": {p: _plain(bootstrap(a, mean, index)) for p, a in areas.items()},
            "random_minus_policy_lower_bound_95": lower_bound((areas[BASELINE] - areas[POLICY])[:, 0]),
            "seeds_won": int(np.sum(areas[POLICY] < areas[BASELINE])),
            "seeds": seeds,
            "not_ok": [f"{row.policy} {row.seed}: {row.error}" for row in rows if row.status != "ok"],
        },
    )


def _closed(policy: Any, baseline: Any, oracle: Any) -> Any:
    ours, theirs, best = (mean(a) for a in (policy, baseline, oracle))
    return (theirs - ours) / (theirs - best)


def _areas(rows: Sequence[Row], policy: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Areas [seeds, 1] in the order of seeds; a run that is not ok counts as the worst there is."""
    found = {
        row.seed: row.areas.get("steps", 1.0) if row.status == "ok" else 1.0 for row in rows if row.policy == policy
    }
    return np.array([[found[seed]] for seed in sorted(found)])


def _plain(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]

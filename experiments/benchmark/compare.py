"""Two runs of a suite compared, before and after a change: is any policy worse than it was?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.benchmark import results
from experiments.benchmark.cell import Row
from experiments.benchmark.claims import LEVEL
from experiments.benchmark.report.screen import aligned
from experiments.benchmark.report.wording import interval, p_value
from experiments.benchmark.scores import Array, area
from experiments.benchmark.statistics import FEWEST_SEEDS
from experiments.benchmark.statistics.comparison import holm, paired_p_value
from experiments.benchmark.statistics.intervals import Interval, mean, paired_bootstrap, resampled
from experiments.config import ConfigError

DRAWS = 10_000
Key = tuple[str, str, str]
"""(policy, task, scenario)"""


@dataclass(frozen=True)
class Difference:
    """A policy on a problem, then and now.

    change is old minus new area under regret (positive is better now), over the seeds that both have, p two-sided
    and corrected by Holm's rule.
    """

    policy: str
    task: str
    scenario: str
    seeds: int
    old: float
    new: float
    change: Interval
    p: float

    @property
    def verdict(self) -> str:
        """In words; below ten seeds there is none."""
        if self.seeds < FEWEST_SEEDS:
            return "too few seeds"
        if self.p >= LEVEL:
            return "no significant difference"
        return "better" if self.change.value > 0 else "REGRESSION"


@dataclass(frozen=True)
class Comparison:
    """All differences, and what only one of the two has."""

    differences: Sequence[Difference]
    only_old: Sequence[Key]
    only_new: Sequence[Key]

    @property
    def regressions(self) -> list[Difference]:
        """Where it is significantly worse now."""
        return [d for d in self.differences if d.verdict == "REGRESSION"]


def compare(old: Path, new: Path) -> Comparison:
    """Compare suite folders or their results.jsonl; raises ConfigError where they have no cell in common."""
    then, now = _by_key(old), _by_key(new)
    shared = [key for key in then if key in now and set(then[key]) & set(now[key])]
    if not shared:
        raise ConfigError(f"{old} and {new} have no policy, task, scenario and seed in common")
    pairs = [_areas(then[key], now[key]) for key in shared]
    p_values = holm([paired_p_value((a - b)[:, None]) for a, b in pairs])
    found = [_difference(key, *pair, p) for key, pair, p in zip(shared, pairs, p_values, strict=True)]
    return Comparison(found, [k for k in then if k not in shared], [k for k in now if k not in shared])


def lines(found: Comparison) -> Iterator[str]:
    """A table of differences, and how many are regressions."""
    head = ["policy", "task", "scenario", "seeds", "old area", "new area", "old - new", "p (Holm)", "verdict"]
    yield from aligned(head, [_cells(d) for d in found.differences])
    for said, keys in (("old", found.only_old), ("new", found.only_new)):
        if keys:
            yield f"only in the {said} one: {'; '.join(', '.join(key) for key in keys)}"
    count = len(found.regressions)
    yield f"{count} significant regression{'' if count == 1 else 's'} in {len(found.differences)} comparisons"


def _by_key(place: Path) -> dict[Key, dict[int, Row]]:
    path = place / "results.jsonl" if place.is_dir() else place
    if not path.is_file():
        raise ConfigError(f"{place} is no benchmark: there is no {path.name if place.is_dir() else 'such file'}")
    found: dict[Key, dict[int, Row]] = {}
    for row in results.read(path).values():
        found.setdefault((row.policy, row.task, row.scenario), {})[row.seed] = row
    return found


def _areas(then: Mapping[int, Row], now: Mapping[int, Row]) -> tuple[Array, Array]:
    """Areas under regret against steps [seeds] of both, over the steps that both made."""
    seeds = sorted(set(then) & set(now))
    made = [[len(r.regret) for r in (then[s], now[s]) if r.status == "ok"] for s in seeds]
    budgets = [float(min(counts, default=1)) for counts in made]
    old, new = ([area(of[s], "steps", b) for s, b in zip(seeds, budgets, strict=True)] for of in (then, now))
    return np.array(old), np.array(new)


def _difference(key: Key, old: Array, new: Array, p: float) -> Difference:
    index = resampled(len(old), 1, DRAWS, np.random.default_rng(0))
    change = paired_bootstrap((old[:, None], new[:, None]), lambda a, b: mean(a) - mean(b), index)
    return Difference(*key, len(old), float(old.mean()), float(new.mean()), change, p)


def _cells(d: Difference) -> list[str]:
    found = [d.policy, d.task, d.scenario, str(d.seeds), f"{d.old:.3f}", f"{d.new:.3f}"]
    return [*found, interval(d.change), p_value(d.p), d.verdict]

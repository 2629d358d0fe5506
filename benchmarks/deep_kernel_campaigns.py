"""What deep kernels gain in whole campaigns: how much sooner than by chance, and than with the plain Gaussian process.

The recordings are one sample each: their seeds change what the policies draw, not what there is to find.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
SEEDS, TARGET, DRAWS = 20, 0.05, 4000
POLICIES = {"random": "random", "plain": "gaussian_process", "deep": "deep_kernel"}


def regrets(campaign: Sequence[str], narrow: bool, seed: int, steps: int) -> dict[str, Floats]:
    """Regret [steps] of each policy on the same sample, 1 at its worst value and 0 at its best."""
    from environments.environment import Environment
    from experiments.benchmark.statistics.regret import simple_regret
    from experiments.benchmark.truth import true_values
    from experiments.config import build, compose

    found = {}
    for policy, agent in POLICIES.items():
        name = f"{agent}_narrow" if narrow and policy != "random" else agent
        settings = compose([*campaign, f"agent={name}", f"seed={seed}"])
        parts = build(settings)
        with tempfile.TemporaryDirectory() as folder:
            truth = true_values(settings, parts, Path(folder))
        chosen, arrived = _walk(Environment(parts.instrument, parts.task), parts.agent, seed, steps)
        values = np.where(arrived, truth[chosen], np.nan)
        found[policy] = simple_regret(values, float(np.nanmax(truth)), float(np.nanmin(truth)))
    return found


def _walk(env: Any, agent: Any, seed: int, steps: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The candidates chosen in an episode, and whether each gave a value."""
    from benchmarks.episodes import begun, episode

    observation, _ = begun(agent, env, seed)
    chosen, arrived = [], []
    for turn in episode(agent, env, observation, steps):
        chosen.append(turn.decision.candidate)
        arrived.append(bool(np.isfinite(turn.value)))
    return np.array(chosen, dtype=np.int64), np.array(arrived)


def compared(rows: Sequence[Mapping[str, Floats]]) -> dict[str, float]:
    """Factors of acceleration with 95 % intervals over paired seeds, and mean areas under regret."""
    from experiments.benchmark.statistics.comparison import acceleration_factor
    from experiments.benchmark.statistics.intervals import resampled

    steps = len(rows[0]["random"])
    times = {policy: np.array([_time(row[policy]) for row in rows]) for policy in POLICIES}
    areas = {policy: np.array([row[policy].mean() for row in rows]) for policy in POLICIES}
    index = resampled(len(rows), 1, DRAWS, np.random.default_rng(0))[:, :, 0]
    numbers: dict[str, float] = {f"area_{policy}": float(area.mean()) for policy, area in areas.items()}
    for ours, baseline in (("deep", "random"), ("plain", "random"), ("deep", "plain")):
        pair = times[ours], np.minimum(times[baseline], float(steps))
        draws = acceleration_factor(*(of[index][:, :, None] for of in pair))
        low, high = np.quantile(np.nan_to_num(draws), [0.025, 0.975])
        value = acceleration_factor(*(of[None, :, None] for of in pair))[0]
        name = f"{ours}_over_{baseline}"
        numbers |= {name: float(np.nan_to_num(value)), f"{name}_low": float(low), f"{name}_high": float(high)}
    apart = areas["deep"] - areas["plain"]
    return numbers | {"area_deep_less_plain_se": float(apart.std(ddof=1) / len(apart) ** 0.5)}


def _time(regret: Floats) -> float:
    """Steps until the regret is within the target; infinite where it never is."""
    within = np.flatnonzero(regret <= TARGET)
    return float(within[0] + 1) if len(within) else float("inf")


def _figure(campaign: Sequence[str], narrow: bool, steps: int) -> Measured:
    numbers = compared([regrets(campaign, narrow, seed, steps) for seed in range(SEEDS)])
    return Measured(
        value=numbers["deep_over_random"],
        reference=numbers["plain_over_random"],
        compared=f"how many times sooner than by chance the median campaign of {steps} steps comes within {TARGET:.0%} "
        "of the range below the best value: deep kernels (value), plain Gaussian process (reference); 0: it does not",
        details=numbers | {"seeds": SEEDS},
    )


@figure("dkl.film_acceleration", "times")
def film() -> Measured:
    """On the twin of a ferroelectric film, whose images tell of its loops."""
    return _figure(["campaign=loop_discovery"], False, 40)


@figure("dkl.eels_acceleration", "times")
def eels() -> Measured:
    """On recorded EELS across an interface with its dark-field image; needs the extra io-em."""
    return _figure(["campaign=eels_interface"], True, 60)


@figure("dkl.beps_acceleration", "times")
def beps() -> Measured:
    """On recorded hysteresis loops, without any image: networks see the position."""
    return _figure(["campaign=beps_pto"], False, 60)

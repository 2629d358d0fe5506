"""Tuning a height loop: how far from random settings to an oracle agents come in forty scans."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from agents.baselines.coordinate_search import CoordinateSearch
from agents.baselines.random_search import RandomSearch
from agents.bayesian.continuous import ContinuousGaussianProcess
from agents.protocol import Agent
from benchmarks.episodes import begun, episode
from benchmarks.registry import Measured, figure
from environments.environment import Environment
from environments.tasks.tune_scan import TuneScan
from instruments.embedded import Embedded
from instruments.twins.spm.scanning_probe import ScanningProbe

Floats = NDArray[np.float64]
SCANS, SEEDS = 40, range(300, 306)
SIDE, CLIMBS, STEPS = 5, 6, 100
_AGENTS: dict[str, Callable[[], Agent]] = {
    "random": RandomSearch,
    "coordinate_search": CoordinateSearch,
    "gaussian_process": ContinuousGaussianProcess,
}


@figure("tune_scan.gap_closed", "fraction")
def gap_closed() -> Measured:
    """Fraction of the gap from random to oracle that the Gaussian process closes in 40 scans, 6 rough samples."""
    best = {name: np.array([best_of(make(), seed) for seed in SEEDS]) for name, make in _AGENTS.items()}
    best["oracle"] = np.maximum(np.array([oracle(seed) for seed in SEEDS]), np.max(list(best.values()), axis=0))
    median = {name: float(np.median(values)) for name, values in best.items()}
    gap = median["oracle"] - median["random"]
    return Measured(
        value=(median["gaussian_process"] - median["random"]) / gap,
        reference=(median["coordinate_search"] - median["random"]) / gap,
        compared="(agent - random) / (oracle - random) in the median best value of 40 scans, Gaussian process against "
        f"coordinate search; the oracle is the best found by them, on a lattice of {SIDE**4} settings, or in {CLIMBS} "
        f"climbs of {STEPS} scans from its best",
        details={"median_kbit_s": median, "per_seed": {name: v.round(3).tolist() for name, v in best.items()}},
    )


def best_of(agent: Agent, seed: int) -> float:
    """The best value of an agent's scans on the sample of a seed."""
    env = Environment(Embedded(ScanningProbe(roughness_nm=8.0)), TuneScan(tries=SCANS))
    seen, _ = begun(agent, env, seed)
    return float(np.nanmax([turn.value for turn in episode(agent, env, seen, SCANS)]))


def oracle(seed: int) -> float:
    """The best value of a search without a budget: a lattice, and climbs from its best places."""
    value, axis, rng = _scans(seed), np.linspace(-1.0, 1.0, SIDE), np.random.default_rng(seed)
    settings = [np.array(point) for point in product(axis, repeat=4)]
    values = [value(point) for point in settings]
    starts = np.argsort(values)[::-1][:CLIMBS]
    return max(_climbed(value, settings[int(i)], values[int(i)], rng) for i in starts)


def _climbed(value: Callable[[Floats], float], at: Floats, best: float, rng: np.random.Generator) -> float:
    """The value where a random walk uphill of shrinking steps ends."""
    for step in np.geomspace(0.3, 0.02, STEPS):
        tried = np.clip(at + rng.normal(0.0, step, 4), -1.0, 1.0)
        if (found := value(tried)) > best:
            at, best = tried, found
    return best


def _scans(seed: int) -> Callable[[Floats], float]:
    """The value of settings on the sample of a seed."""
    env = Environment(Embedded(ScanningProbe(roughness_nm=8.0)), TuneScan(tries=10_000))
    env.reset(seed=seed)
    return lambda action: float(env.step(action)[4].get("value", -np.inf))

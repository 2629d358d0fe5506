"""What a physics prior is worth, and what it costs where it is wrong: plain and physics Gaussian process on the same
worlds, seeds and noise, between an oracle that knows the truth (regret 0) and random choice.

`python -m benchmarks.physics_worth TRIAL SEEDS` measures one trial and prints a JSON line; the figures run all.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.physics_trials import TRIALS, Trial
from benchmarks.physics_worlds import SCENARIOS, Scenario, World
from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
POLICIES = ("random", "plain", "physics")
PARTS = (0.25, 0.5, 1.0)
FIRST_SEED, Z90 = 4000, 1.6449
"""The seeds of figures lie apart from those that anything was tried on: 0 to 99, 1000 to 1009, 6000 to 6099, 7000 to
7079 and 8000 to 8309, and from those that earlier versions were measured on, 2000 to 2099 and 3000 to 3099.
"""


@dataclass(frozen=True)
class Outcome:
    """Regret at the end, in ranges of the truth, and the coverage of 90 % intervals after each part of the budget."""

    regret: float
    coverage: tuple[float, ...]
    prior_share: float


def agent_of(policy: str, trial: Trial, world: World, noise_std: float) -> Any:
    """The agent: the same acquisition, number of points before the first model, and knowledge of the noise."""
    from agents.baselines.random_search import RandomSearch
    from agents.bayesian.gaussian_process import GaussianProcess
    from agents.bayesian.physics_mean import PhysicsGaussianProcess

    if policy == "random":
        return RandomSearch()
    acquisition: Any = "log_expected_improvement" if trial.objective == "maximise" else "integrated_variance"
    if policy == "plain":
        return GaussianProcess(acquisition, "position", seeds=trial.seeds, noise_std=noise_std)
    return PhysicsGaussianProcess(world.law, acquisition=acquisition, seeds=trial.seeds, noise_std=noise_std)


def run(policy: str, trial: Trial, world: World, seed: int) -> Outcome:
    """One campaign of a policy in a world; the noise of a candidate's n-th measurement is the same for all policies."""
    from agents.protocol import Problem, Transition

    noise_std = world.repeated(np.random.default_rng([seed, 9]))
    agent, low, high = agent_of(policy, trial, world, noise_std), world.x.min(0), world.x.max(0)
    agent.begin(Problem(low, high, trial.objective, "value", "", candidates=world.x), seed)
    found = world.measured(np.random.default_rng([seed, 7]).normal(size=(trial.budget, len(world.x))))
    ends = [round(part * trial.budget) for part in PARTS]
    values: list[float] = []
    taken: list[int] = []
    covered: list[float] = []
    share = float("nan")
    for step in range(trial.budget):
        decision = agent.act({})
        taken.append(decision.candidate)
        values.append(float(found[step, decision.candidate]))
        agent.tell(Transition(step + 1, decision, values[-1], np.ones(step + 1, bool), 0.0, {}))
        share = decision.figures.get("prior_share", share)
        if step + 1 in ends and policy != "random":
            covered.append(_coverage(agent, world, taken, seed))
    return Outcome(_regret(agent, policy, trial, world, taken, values), tuple(covered), share)


def _coverage(agent: Any, world: World, taken: list[int], seed: int) -> float:
    """Part of fresh measurements at places not measured that lie in the 90 % interval, noise included."""
    fresh = world.measured(np.random.default_rng([seed, 8]).normal(size=len(world.truth)))
    low, high = _interval(agent)
    usable = np.isfinite(fresh)
    usable[taken] = False
    return float(np.mean((low < fresh)[usable] & (fresh < high)[usable]))


def _interval(agent: Any) -> tuple[Floats, Floats]:
    """90 % intervals of new measurements: Gaussian ones of the plain process, quantiles where it is a mixture."""
    if hasattr(agent, "interval"):
        return agent.interval(0.9)  # type: ignore[no-any-return]
    prediction = agent.predict()
    spread = Z90 * np.hypot(prediction.std, agent.act({}).figures["noise"])
    return prediction.mean - spread, prediction.mean + spread


def _regret(agent: Any, policy: str, trial: Trial, world: World, taken: list[int], values: list[float]) -> float:
    """Of the place recommended, or the map's root mean square error, in ranges of the truth."""
    span = float(np.ptp(world.truth))
    if trial.objective == "maximise":
        chosen = taken[int(np.argmax(values))] if policy == "random" else int(np.argmax(agent.predict().mean))
        return float(world.truth.max() - world.truth[chosen]) / span
    mean = agent.predict().mean if policy != "random" else _nearest(world, taken, values)
    return float(np.sqrt(np.mean(np.square(mean - world.truth)))) / span


def _nearest(world: World, taken: list[int], values: list[float]) -> Floats:
    """The map of random choice: each place has the value of the nearest one measured."""
    scaled = (world.x - world.x.min(0)) / np.ptp(world.x, axis=0)
    away = np.square(scaled[:, None] - scaled[taken][None]).sum(-1)
    return np.asarray(np.array(values)[np.argmin(away, axis=1)], dtype=np.float64)


def in_one_world(name: str, scenario: Scenario, seed: int) -> dict[str, Outcome]:
    """Every policy in the same world, in a process of its own."""
    from agents.bayesian.surrogate import one_thread

    trial = TRIALS[name]
    world = trial.world(scenario, np.random.default_rng([seed, SCENARIOS.index(scenario)]))
    with one_thread():
        return {policy: run(policy, trial, world, seed) for policy in POLICIES}


@cache
def measured(name: str, scenario: Scenario, seeds: range) -> dict[str, Any]:
    """All policies on the same worlds: mean regrets, gaps closed, the ratio with its bound, coverage."""
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), multiprocessing.get_context("spawn")) as pool:
        worlds = list(pool.map(partial(in_one_world, name, scenario), seeds, chunksize=5))
    found = {policy: [outcomes[policy] for outcomes in worlds] for policy in POLICIES}
    regret = {policy: np.array([outcome.regret for outcome in found[policy]]) for policy in POLICIES}
    return {
        "trial": name,
        "scenario": scenario,
        "seeds": len(seeds),
        **{f"regret_{policy}": float(regret[policy].mean()) for policy in POLICIES},
        **{f"closed_{p}": 1.0 - float(regret[p].mean() / regret["random"].mean()) for p in POLICIES[1:]},
        **ratio(regret["physics"], regret["plain"]),
        "won": int(np.sum(regret["physics"] < regret["plain"])),
        "lost": int(np.sum(regret["physics"] > regret["plain"])),
        **{f"coverage_{p}": np.nanmean([o.coverage for o in found[p]], axis=0).round(3).tolist() for p in POLICIES[1:]},
        "prior_share": float(np.mean([outcome.prior_share for outcome in found["physics"]])),
    }


def ratio(physics: Floats, plain: Floats) -> dict[str, float]:
    """Mean regret of physics over plain, with one-sided 95 % bounds from a bootstrap over pairs."""
    rng = np.random.default_rng(5)
    rows = rng.integers(0, len(plain), (4000, len(plain)))
    drawn = physics[rows].mean(1) / np.maximum(plain[rows].mean(1), 1e-12)
    low, high = np.quantile(drawn, [0.05, 0.95])
    return {
        "ratio": float(physics.mean() / max(plain.mean(), 1e-12)),
        "ratio_low": float(low),
        "ratio_high": float(high),
    }


def every_trial(scenario: Scenario) -> dict[str, dict[str, Any]]:
    """All trials in one scenario, with the seeds of figures."""
    return {name: measured(name, scenario, range(FIRST_SEED, FIRST_SEED + TRIALS[name].worlds)) for name in TRIALS}


def worst(scenario: Scenario, what: str, limit: float | None, compared: str) -> Measured:
    """All trials in one scenario, the largest number `what` of them against its limit."""
    found = every_trial(scenario)
    return Measured(
        value=max(row[what] for row in found.values()), reference=1.0, compared=compared, limit=limit, details=found
    )


@figure("physics.matched_ratio", "regret over regret")
def matched_ratio() -> Measured:
    """Regret with a matched physics prior over that of the plain Gaussian process: the worst of all tasks."""
    compared = "mean regret at the end of the budget, the physics Gaussian process over the plain one on the same "
    return worst("matched", "ratio", 0.5, compared + "worlds, seeds and noise, the largest of the tasks")


@figure("physics.shifted_ratio", "regret over regret")
def shifted_ratio() -> Measured:
    """The same where the parameters lie two to three standard deviations off: the worst of all tasks; no limit."""
    compared = "mean regret at the end of the budget, the physics Gaussian process over the plain one, parameters of "
    return worst("shifted", "ratio", None, compared + "the law outside of the bulk of its prior, the largest of all")


@figure("physics.misspecified_bound", "regret over regret")
def misspecified_bound() -> Measured:
    """One-sided 95 % bound of that ratio where the prior is misspecified: the worst of all tasks."""
    compared = "upper one-sided 95 % bound (paired bootstrap) of the ratio of mean regrets, physics over plain, "
    return worst(
        "misspecified", "ratio_high", 1.25, compared + "where the prior lacks the main term, the largest of all"
    )


@figure("physics.coverage", "fraction")
def coverage() -> Measured:
    """How far the coverage of 90 % intervals lies from 0.9, matched prior: the worst of all tasks and budgets."""
    found = {scenario: every_trial(scenario) for scenario in SCENARIOS}
    kept: dict[str, Any] = {
        s: {name: row["coverage_physics"] for name, row in rows.items()} for s, rows in found.items()
    }
    return Measured(
        value=max(abs(part - 0.9) for parts in kept["matched"].values() for part in parts),
        reference=max(abs(part - 0.9) for row in found["matched"].values() for part in row["coverage_plain"]),
        compared="distance from 0.9 of the part of fresh noisy measurements, at places not measured, in 90 % intervals "
        "of the physics Gaussian process, at 25, 50 and 100 % of the budget; the plain one's is the reference",
        limit=0.05,
        details=kept,
    )


def main(arguments: list[str]) -> None:
    """Measure a trial with so many seeds, in all scenarios; a third number is the first seed, else that of figures."""
    name, seeds = arguments[0], int(arguments[1])
    first = int(arguments[2]) if len(arguments) > 2 else FIRST_SEED
    for scenario in SCENARIOS:
        print(json.dumps(measured(name, scenario, range(first, first + seeds))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

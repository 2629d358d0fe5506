"""What each acquisition of the Gaussian process is worth on recorded data: how many times sooner than chance.

Sooner at what: at the regret which half of the random runs have reached by the end of their budget. A regret fixed
beforehand tells nothing where none reaches it, which on recorded loops is so.

The policies are those of `conf/suite/acquisitions.yaml`. They are played on the recordings' environments here, without
journals, so that twenty seeds take minutes and not an hour; decisions are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
SEEDS, DRAWS = 20, 10_000
SHOWN = "expected_improvement"


@dataclass(frozen=True)
class Played:
    """Regret [steps] of one run, and the seconds that its measurements took [steps]."""

    regret: Floats
    seconds: Floats


def suite() -> dict[str, Any]:
    """The suite's own YAML: policies, steps and target."""
    from experiments.config.sources import conf_dir

    return dict(yaml.safe_load((conf_dir() / "suite" / "acquisitions.yaml").read_text()))


def truth_of(campaign: str) -> Floats:
    """The value of every place of a recording, NaN where its measurement fails."""
    import tempfile
    from pathlib import Path

    from experiments.benchmark.truth import true_values
    from experiments.config import build, compose

    settings = compose([f"campaign={campaign}"])
    parts = build(settings)
    with tempfile.TemporaryDirectory() as folder:
        return true_values(settings, parts, Path(folder))


def played(parts: Any, seed: int, steps: int, truth: Floats) -> Played:
    """One run of a policy; the regret is of the true values of the places it chose."""
    from agents.protocol import Transition
    from environments.environment import Environment
    from experiments.benchmark.statistics.regret import simple_regret
    from experiments.campaign.problem import problem_of

    instrument, agent = parts.instrument, parts.agent
    instrument.reset(seed, {})
    environment = Environment(instrument, parts.task)
    survey = [_measured(instrument, request, "survey") for request in environment.open(seed)]
    observation: Any = environment.surveyed(survey)
    agent.begin(problem_of(environment.brief(), environment.action_space), seed)
    found, seconds = np.full(steps, np.nan), np.zeros(steps)
    for step in range(steps):
        decision = agent.act(observation)
        came = [_measured(instrument, request, f"{step}") for request in environment.requests(decision.action)]
        done = environment.update(decision.action, came)
        observation, seconds[step] = done.observation, sum(m.cost.seconds for m in came if m)
        told = (done.value, done.accepted, done.reward, observation)
        agent.tell(Transition(step + 1, decision, *told, seconds=float(seconds[step])))
        found[step] = truth[decision.candidate]
    return Played(simple_regret(found, float(np.nanmax(truth)), float(np.nanmin(truth))), np.cumsum(seconds))


def _measured(instrument: Any, request: Any, id: str) -> Any:
    """What a recording holds, or None where it holds nothing."""
    import threading

    from instruments.errors import DataInvalid

    try:
        return instrument.acquire(request, id=id, stop=threading.Event())
    except DataInvalid:
        return None


def steps_to(target: float, runs: Sequence[Played]) -> Floats:
    """Steps after which the regret is at most the target, [seeds]; infinite where it never is."""
    reached = [np.flatnonzero(run.regret <= target) for run in runs]
    return np.array([float(at[0] + 1) if len(at) else np.inf for at in reached])


def accelerations(times: Mapping[str, Floats], budget: int) -> dict[str, list[float]]:
    """Of each policy over `random`: factor, and the ends of its 95 % interval by bootstrap of paired seeds.

    As the benchmark has it: a run of `random` that never reaches the target counts as if it did at the end, so that
    the factor is then a lower bound; a draw in which the policy's median run does not is 0.
    """
    from experiments.benchmark.statistics.comparison import acceleration_factor

    baseline = np.minimum(times["random"], budget)
    index = np.random.default_rng(0).integers(len(baseline), size=(DRAWS, len(baseline)))
    found = {}
    for policy, own in times.items():
        drawn = np.nan_to_num(acceleration_factor(own[index][..., None], baseline[index][..., None]), nan=0.0)
        value = np.nan_to_num(acceleration_factor(own[None, :, None], baseline[None, :, None]), nan=0.0)
        found[policy] = [float(value[0]), *np.quantile(drawn, [0.025, 0.975]).tolist()]
    return found


def compared(campaign: str, seeds: int = SEEDS) -> Measured:
    """All policies of the suite on one recording, from its first seed on."""
    from experiments.config import build, compose

    plan, truth = suite(), truth_of(campaign)
    runs = {}
    for policy, overrides in plan["policies"].items():
        parts = build(compose([f"campaign={campaign}", *overrides]))
        numbers = range(plan["first_seed"], plan["first_seed"] + seeds)
        runs[policy] = [played(parts, seed, plan["steps"], truth) for seed in numbers]
    target = float(np.median([run.regret[-1] for run in runs["random"]]))
    times = {policy: steps_to(target, each) for policy, each in runs.items()}
    return Measured(
        value=accelerations(times, plan["steps"])[SHOWN][0],
        reference=1.0,
        compared=f"median steps to the regret {target:.3f} of random's median run, random over {SHOWN}, {campaign}",
        details={
            "seeds": seeds,
            "target": target,
            "acceleration": accelerations(times, plan["steps"]),
            "median_steps": {policy: float(np.median(own)) for policy, own in times.items()},
            "area_under_regret": {p: float(np.mean([run.regret.mean() for run in each])) for p, each in runs.items()},
            "seconds": {p: float(np.mean([run.seconds[-1] for run in each])) for p, each in runs.items()},
        },
    )


@figure("acquisitions.beps_pto", "times")
def beps_pto() -> Measured:
    """Acceleration over chance of every acquisition on recorded hysteresis loops, half of them failed fits."""
    return compared("beps_pto")


@figure("acquisitions.cafm_bfo", "times")
def cafm_bfo() -> Measured:
    """Acceleration over chance of every acquisition on recorded current-voltage curves."""
    return compared("cafm_bfo")


@figure("acquisitions.eels_interface", "times")
def eels_interface() -> Measured:
    """Acceleration over chance of every acquisition on recorded core-loss spectra (extra io-em)."""
    return compared("eels_interface")

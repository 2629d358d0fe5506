"""What each acquisition of the Gaussian process is worth on recorded data: how many times sooner than chance.

Sooner at what: at the mean regret that both have reached by the end of their budget. A regret fixed beforehand tells
nothing where none reaches it, which on recorded loops is so, and medians jump where half of the runs never do.

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


def acceleration(own: Floats, random: Floats) -> Floats:
    """Steps [draws] that random needs over those that a policy needs, for their mean regrets [draws, steps].

    To the lower of what either has at the end: above 1 the policy is sooner there, below 1 random is.
    """
    level = np.maximum(own[:, -1], random[:, -1])[:, None] + 1e-12
    needed = [1.0 + np.argmax(curve <= level, axis=1) for curve in (random, own)]
    return np.asarray(needed[0] / needed[1])


def accelerations(runs: Mapping[str, Sequence[Played]]) -> dict[str, list[float]]:
    """Of each policy over `random`: factor, and the ends of its 95 % interval by bootstrap of paired seeds."""
    regrets = {policy: np.array([run.regret for run in each]) for policy, each in runs.items()}
    index = np.random.default_rng(0).integers(len(regrets["random"]), size=(DRAWS, len(regrets["random"])))
    drawn = {policy: np.array([own[rows].mean(0) for rows in index]) for policy, own in regrets.items()}
    found = {}
    for policy, own in regrets.items():
        value = acceleration(own.mean(0)[None], regrets["random"].mean(0)[None])
        interval = np.quantile(acceleration(drawn[policy], drawn["random"]), [0.025, 0.975])
        found[policy] = [float(value[0]), *interval.tolist()]
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
    found = accelerations(runs)
    return Measured(
        value=found[SHOWN][0],
        reference=1.0,
        compared=f"steps to the mean regret that both reach, random over {SHOWN}, {campaign}; random is 1",
        details={
            "seeds": seeds,
            "acceleration": found,
            "regret_at_the_end": {p: float(np.mean([run.regret[-1] for run in each])) for p, each in runs.items()},
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

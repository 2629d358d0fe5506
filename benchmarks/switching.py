"""Figure: how soon coercive voltage and imprint are known, for a triangle, an adaptive agent, and an oracle."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
SAMPLES = 100
FEWER = 30
BOUND_V, COVERAGE = 0.1, 0.9
POLICIES = ("triangular", "adaptive", "oracle")


@dataclass(frozen=True)
class Ended:
    """One episode: tip time, errors of coercive voltage and imprint at its end, whether it ran out of waveforms."""

    seconds: float
    error_V: tuple[float, float]
    exhausted: bool

    @property
    def within(self) -> bool:
        """Whether both errors are under the bound."""
        return max(abs(e) for e in self.error_V) <= BOUND_V


@figure("spm.identify_gap", "share")
def identify_gap() -> Measured:
    """Share of the gap in tip time, from the triangle to the oracle, that the adaptive agent closes; 100 samples."""
    ended = {policy: _run(policy, "matched", SAMPLES) for policy in POLICIES}
    seconds = {policy: np.array([e.seconds for e in episodes]) for policy, episodes in ended.items()}
    share = _share(seconds)
    covered = {policy: _covered(episodes) for policy, episodes in ended.items()}
    details = {
        "tip_seconds": {policy: float(s.mean()) for policy, s in seconds.items()},
        "tip_seconds_median": {policy: float(np.median(s)) for policy, s in seconds.items()},
        "coverage": covered,
        "exhausted": {policy: sum(e.exhausted for e in episodes) for policy, episodes in ended.items()},
        "one_sided_95_lower": _lower(seconds),
        "bound_V": BOUND_V,
        "samples": SAMPLES,
        "other_scenarios": {name: _other(name) for name in ("shifted", "misspecified")},
    }
    value = share if min(covered.values()) >= COVERAGE else 0.0
    compared = "share of the gap closed in tip time until both are within 0.1 V; 0 where any covers less than 90 %"
    return Measured(value, 1.0, compared, 0.5, True, threads=2, details=details)


def episode(policy: str, seed: int, scenario: str) -> Ended:
    """One sample identified by one policy through the environment, until the task says that it is known."""
    from environments.environment import Environment
    from environments.tasks.identify_switching import IdentifySwitching
    from instruments.embedded import Embedded
    from instruments.twins.spm.switching import Switching

    twin, task = Embedded(Switching()), IdentifySwitching(bound_V=BOUND_V)
    environment = Environment(twin, task, scenario={"name": scenario})
    observation, _ = environment.reset(seed=seed)
    truth = twin.truth()
    decide = _decider(policy, environment, seed, truth)
    seconds, steps, done = 0.0, 0, False
    while not done:
        action, tell = decide(observation)
        observation, reward, done, _, info = environment.step(action)
        tell(observation, reward, info)
        seconds, steps = seconds + info["seconds"], steps + 1
    coercive, imprint = (float(v) for v in observation["believed"][:2])
    return Ended(seconds, (coercive - truth["coercive_V"], imprint - truth["imprint_V"]), steps >= task.waveforms)


def _decider(
    policy: str, environment: Any, seed: int, truth: Any
) -> Callable[[Any], tuple[Floats, Callable[..., None]]]:
    if policy == "oracle":
        from benchmarks.switching_oracle import Oracle

        return Oracle(truth["parameters"], environment.task).decide
    from agents.protocol import Problem, Transition
    from agents.switching.adaptive import AdaptiveWaveform
    from agents.switching.triangular import Triangular

    agent = AdaptiveWaveform() if policy == "adaptive" else Triangular(particles=50)
    brief, space = environment.brief(), environment.action_space
    low, high = space.low.astype(float), space.high.astype(float)
    agent.begin(Problem(low, high, brief.objective, brief.value_name, brief.value_unit), seed)
    accepted: list[bool] = []

    def decide(observation: Any) -> tuple[Floats, Callable[..., None]]:
        decision = agent.act(observation)

        def tell(after: Any, reward: float, info: Any) -> None:
            accepted.append(info["accepted"])
            value = info.get("value", np.nan)
            agent.tell(Transition(len(accepted) - 1, decision, value, np.array(accepted), reward, after))

        return np.asarray(decision.action), tell

    return decide


def _run(policy: str, scenario: str, samples: int) -> list[Ended]:
    jobs = [(policy, seed, scenario) for seed in range(samples)]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return list(pool.map(_one, jobs, chunksize=5))


def _one(job: tuple[str, int, str]) -> Ended:
    return episode(*job)


def _covered(episodes: list[Ended]) -> float:
    return float(np.mean([e.within for e in episodes]))


def _share(seconds: dict[str, Floats]) -> float:
    slow, mine, best = (float(seconds[policy].mean()) for policy in POLICIES)
    return (slow - mine) / (slow - best) if slow > best else 0.0


def _lower(seconds: dict[str, Floats], rounds: int = 2000) -> float:
    """The 5 % quantile of the share over bootstrap samples of paired seeds."""
    rng = np.random.default_rng(0)
    count = len(seconds["oracle"])
    picks = rng.integers(count, size=(rounds, count))
    return float(np.quantile([_share({p: s[pick] for p, s in seconds.items()}) for pick in picks], 0.05))


def _other(scenario: str) -> dict[str, Any]:
    ended = {policy: _run(policy, scenario, FEWER) for policy in ("triangular", "adaptive")}
    return {
        policy: {
            "tip_seconds": float(np.mean([e.seconds for e in episodes])),
            "coverage": _covered(episodes),
            "median_error_V": float(np.median([max(map(abs, e.error_V)) for e in episodes])),
        }
        for policy, episodes in ended.items()
    }

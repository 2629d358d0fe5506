"""Does the probe get tuned: from 100 nm of defocus and astigmatism, in 60 frames, on 50 columns."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
_SEEDS, _GOOD, _WORKERS = 50, 0.8, 2


@dataclass(frozen=True)
class _Run:
    """Strehl ratio at the start, after every step, and the rms phase at the end."""

    start: float
    strehl: Floats
    rms_rad: float


@figure("stem.tune_seeds", "seeds")
def tune_seeds() -> Measured:
    """Of 50 columns, how many have a Strehl ratio of at least 0.8 after 60 frames of phase diversity."""
    runs = _all("matched", _SEEDS)
    ours, best = runs["agent"], runs["oracle"]
    return Measured(
        value=float(sum(run.strehl[-1] >= _GOOD for run in ours)),
        reference=float(sum(run.strehl[-1] >= _GOOD for run in best)),
        compared="phase diversity against an oracle that is told the aberrations before every step, same lenses",
        limit=45.0,
        limit_is_least=True,
        threads=_WORKERS,
        details={
            "seeds": _SEEDS,
            "largest_start": max(run.start for run in ours),
            "agent": _said(ours),
            "oracle": _said(best),
        },
    )


@figure("stem.tune_seeds_hard", "seeds")
def tune_seeds_hard() -> Measured:
    """The same from twice as far (shifted), of 10 columns; with worse lenses than believed (misspecified) beside it."""
    far, worse = _all("shifted", 10), _all("misspecified", 10)
    return Measured(
        value=float(sum(run.strehl[-1] >= _GOOD for run in far["agent"])),
        reference=float(sum(run.strehl[-1] >= _GOOD for run in far["oracle"])),
        compared="phase diversity against the oracle from 120 to 180 nm, twice the residual aberrations",
        threads=_WORKERS,
        details={
            "shifted": {name: _said(runs) for name, runs in far.items()},
            "misspecified": {name: _said(runs) for name, runs in worse.items()},
        },
    )


def _all(scenario: str, seeds: int) -> dict[str, list[_Run]]:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with ProcessPoolExecutor(_WORKERS) as pool:
        return {who: list(pool.map(partial(_episode, who, scenario), range(seeds))) for who in ("agent", "oracle")}


def _said(runs: list[_Run]) -> dict[str, Any]:
    last = np.array([run.strehl[-1] for run in runs])
    first = [int(np.argmax(run.strehl >= _GOOD)) + 2 for run in runs if np.any(run.strehl >= _GOOD)]
    return {
        "good": int(np.sum(last >= _GOOD)),
        "of": len(runs),
        "strehl_median": float(np.median(last)),
        "strehl_least": float(last.min()),
        "rms_phase_median_rad": float(np.median([run.rms_rad for run in runs])),
        "frames_to_good_median": float(np.median(first)) if first else None,
        "frames_to_good_most": max(first, default=None),
    }


def _episode(who: str, scenario: str, seed: int) -> _Run:
    from environments.environment import Environment
    from environments.tasks.tune_aberrations import TuneAberrations
    from instruments.embedded import Embedded
    from instruments.twins.stem.optical_bench import OpticalBench

    twin, task = Embedded(OpticalBench()), TuneAberrations()
    environment = Environment(twin, task, scenario={"name": scenario})
    observation, _ = environment.reset(seed=seed)
    start = float(twin.truth()["strehl"])
    policy = _agent(environment, seed) if who == "agent" else _Oracle(twin, task).step
    strehl, done = [], False
    while not done:
        observation, done = policy(environment, observation)
        strehl.append(float(twin.truth()["strehl"]))
    return _Run(start, np.array(strehl), float(twin.truth()["rms_phase_rad"]))


def _agent(environment: Any, seed: int) -> Callable[[Any, Any], tuple[Any, bool]]:
    from agents.protocol import Transition
    from agents.tuning.phase_diversity import PhaseDiversity
    from experiments.campaign.problem import problem_of

    agent, told = PhaseDiversity(), [0]
    agent.begin(problem_of(environment.brief(), environment.action_space), seed)

    def step(environment: Any, observation: Any) -> tuple[Any, bool]:
        decision = agent.act(observation)
        after, reward, ended, _, info = environment.step(decision.action.astype(np.float32))
        told[0] += 1
        accepted = np.ones(told[0], dtype=bool)
        agent.tell(Transition(told[0] - 1, decision, info.get("value", np.nan), accepted, reward, after, ended))
        return after, ended

    return step


class _Oracle:
    """Takes off, in steps as bounded as anybody's, what makes the phase least: it is told the aberrations."""

    def __init__(self, twin: Any, task: Any) -> None:
        from physics_priors.optics.aberrations import COUNT, INDEX
        from physics_priors.optics.quality import rms_basis

        self._twin, self._scale = twin, task.scale_nm
        basis = rms_basis(twin.core.column)
        mine = [INDEX[task.names[place]] + COUNT * part for place, part in task.parts]
        self._all, self._mine = basis, basis[:, mine]

    def step(self, environment: Any, observation: Any) -> tuple[Any, bool]:
        values = self._twin.truth()["aberrations_nm"]
        phase = self._all @ np.concatenate([values.real, values.imag])
        wanted = -np.linalg.lstsq(self._mine, phase, rcond=None)[0]
        action = np.concatenate([[1.0], np.clip(wanted / self._scale, -1.0, 1.0)])
        after, _, ended, _, _ = environment.step(action.astype(np.float32))
        return after, ended

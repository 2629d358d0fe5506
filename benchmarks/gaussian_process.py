"""What a decision of the Gaussian process costs on a large map, beside BoTorch's model scored on the same grid."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

SIDE = 256
EVERY = 25
"""Steps between two fits of the hyper-parameters, for us and for the reference."""


def field() -> NDArray[np.float64]:
    """A map [SIDE, SIDE] with a few bumps of different widths on a slow wave."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    wave = 0.3 * np.sin(5 * x + 2 * y)
    for cx, cy, width, height in rng.uniform([0, 0, 0.03, 0.4], [1, 1, 0.12, 1.2], size=(9, 4)):
        wave += height * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
    return np.asarray(wave, dtype=np.float64)


def told(agent: Any, measured: int) -> NDArray[np.float64]:
    """Tell an agent the values of `measured` places drawn at random; the values of all places, noise included."""
    from agents.protocol import Decision

    values = field().ravel() + 0.05 * np.random.default_rng(12).normal(size=SIDE * SIDE)
    actions, places = agent.problem.candidates, np.random.default_rng(13).permutation(SIDE * SIDE)[:measured]
    for step, place in enumerate(places):
        agent.tell(_transition(step, Decision(actions[place], "told", candidate=int(place)), values[place]))
    return values


def started(refit_every: int = EVERY) -> Any:
    """The agent at the beginning of a map of SIDE x SIDE places."""
    from agents.bayesian.gaussian_process import GaussianProcess
    from agents.protocol import Problem

    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    grid = np.stack([x.ravel(), y.ravel()], axis=-1)
    agent = GaussianProcess(features="position", refit_every=refit_every, seeds=2)
    agent.begin(Problem(np.full(2, -1.0), np.full(2, 1.0), "maximise", "height", "nm", candidates=grid), 0)
    return agent


def _transition(step: int, decision: Any, value: float) -> Any:
    from agents.protocol import Transition

    return Transition(step + 1, decision, float(value), np.ones(step + 1, bool), 0.0, {})


def decisions_ms(measured: int, count: int) -> tuple[NDArray[np.float64], float]:
    """Milliseconds of `count` decisions in a row, each with its value taken in, the first not counted; MiB kept."""
    agent = started()
    values = told(agent, measured)
    took = []
    for step in range(measured, measured + count + 1):
        began = time.perf_counter()
        decision = agent.act({})
        agent.tell(_transition(step, decision, float(values[decision.candidate])))
        took.append(time.perf_counter() - began)
    return 1e3 * np.array(took[1:]), agent.kept_bytes / 2**20


def reference_ms(measured: int) -> float:
    """Milliseconds that BoTorch's SingleTaskGP takes to be built on the data and scored on the grid, no fit."""
    import torch
    from botorch.acquisition import LogExpectedImprovement

    from agents.bayesian.hyperparameters import prior_medians
    from agents.bayesian.surrogate import build, one_thread

    rng, values = np.random.default_rng(13), field().ravel()
    y, x = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    grid, names = np.stack([x.ravel(), y.ravel()], axis=-1), ("position_0", "position_1")
    places = rng.permutation(SIDE * SIDE)[:measured]
    with one_thread(), torch.no_grad():
        began = time.perf_counter()
        model = build(grid[places], values[places], names, prior_medians(names)).eval()
        score = LogExpectedImprovement(model, best_f=float(values[places].max()))
        for start in range(0, SIDE * SIDE, 4096):
            score(torch.from_numpy(grid[start : start + 4096])[:, None, :])
        return 1e3 * (time.perf_counter() - began)


def _figure(measured: int, count: int, value: str, limit: float) -> Measured:
    took, kept_MiB = decisions_ms(measured, count)
    reference = reference_ms(measured)
    shown = float(np.median(took) if value == "median" else np.mean(took))
    return Measured(
        value=shown,
        reference=reference,
        compared=f"{value} decision on {SIDE * SIDE} candidates, {measured} measured, against BoTorch's SingleTaskGP "
        "with given hyper-parameters, built and scored with log expected improvement on the same candidates",
        limit=limit,
        threads=1,
        details={
            "decisions": count,
            "refits": count // EVERY,
            "mean_ms": float(took.mean()),
            "p99_ms": float(np.percentile(took, 99)),
            "kept_MiB": kept_MiB,
        },
    )


def regret_area(refit_every: int, seed: int) -> float:
    """Area under simple regret over 60 decisions on a map of 32 x 32 places, in ranges of the map."""
    from agents.bayesian.gaussian_process import GaussianProcess
    from agents.protocol import Problem

    part = np.random.default_rng([14, seed]).integers(0, 2, 2) * 96
    values = field()[part[0] : part[0] + 128 : 4, part[1] : part[1] + 128 : 4].ravel()
    noisy = values + 0.02 * np.ptp(values) * np.random.default_rng([15, seed]).normal(size=values.size)
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    agent = GaussianProcess(features="position", refit_every=refit_every)
    grid = np.stack([x.ravel(), y.ravel()], axis=-1)
    agent.begin(Problem(np.full(2, -1.0), np.full(2, 1.0), "maximise", "height", "nm", candidates=grid), seed)
    best, area = -np.inf, 0.0
    for step in range(60):
        decision = agent.act({})
        agent.tell(_transition(step, decision, float(noisy[decision.candidate])))
        best = max(best, float(float(values[decision.candidate])))
        area += (values.max() - best) / np.ptp(values)
    return float(area)


@figure("gp.schedule_regret", "ranges x steps")
def schedule_regret() -> Measured:
    """Area under regret with fits every 5 steps, over 24 seeds, against fits at every step."""
    areas = np.array([[regret_area(every, seed) for every in (5, 1)] for seed in range(24)])
    ours, reference = areas.mean(axis=0)
    return Measured(
        value=float(ours),
        reference=float(reference),
        compared="mean area under regret [ranges x steps], hyper-parameters fitted every 5 steps against at every step",
        limit=float(1.05 * reference),
        details={
            "seeds": len(areas),
            "sem_of_difference": float(np.std(areas[:, 0] - areas[:, 1]) / len(areas) ** 0.5),
        },
    )


@figure("gp.decision_500_ms", "ms")
def decision_500() -> Measured:
    """Median time of a decision on 65,536 candidates after 500 measurements."""
    return _figure(500, 20, "median", 60.0)


@figure("gp.decision_mean_ms", "ms")
def decision_mean() -> Measured:
    """Mean time of 50 decisions after 500 measurements, two fits of the hyper-parameters among them."""
    return _figure(500, 50, "mean", 200.0)


@figure("gp.decision_2000_ms", "ms")
def decision_2000() -> Measured:
    """Median time of a decision on 65,536 candidates after 2000 measurements."""
    return _figure(2000, 12, "median", 150.0)


@figure("gp.decision_10000_ms", "ms")
def decision_10000() -> Measured:
    """Median time of a decision on 65,536 candidates after 10,000 measurements, thinned to those that are kept."""
    agent = started(refit_every=9000)
    values = told(agent, 10_000)
    began = time.perf_counter()
    agent.act({})
    first = time.perf_counter() - began
    took = []
    for step in range(10_000, 10_009):
        began = time.perf_counter()
        decision = agent.act({})
        agent.tell(_transition(step, decision, float(values[decision.candidate])))
        took.append(time.perf_counter() - began)
    return Measured(
        value=1e3 * float(np.median(took[1:])),
        reference=1e3 * first,
        compared=f"median decision on {SIDE * SIDE} candidates, 10,000 measured, between two fits of the "
        "hyper-parameters, against the first one, which conditions on all that is kept; the fit itself not counted",
        details={"kept_MiB": agent.kept_bytes / 2**20, "decisions": len(took) - 1},
    )


@figure("gp.ask_6d_s", "s")
def ask_6d() -> Measured:
    """Median time of a decision over six continuous numbers after 60 measurements, fit and search included."""
    from agents.bayesian.continuous import ContinuousGaussianProcess
    from agents.protocol import Decision, Problem

    agent = ContinuousGaussianProcess()
    agent.begin(Problem(np.zeros(6), np.ones(6), "maximise", "height", "nm"), 0)
    rng = np.random.default_rng(16)
    for step, action in enumerate(rng.uniform(size=(60, 6))):
        value = float(np.exp(-4 * ((action - 0.4) ** 2).sum()) + 0.02 * rng.normal())
        agent.tell(_transition(step, Decision(action, "told"), value))
    agent.act({})
    took = [_timed(lambda: agent.act({})) for _ in range(15)]
    return Measured(
        value=float(np.median(took)),
        reference=float(np.median([_timed(lambda: _botorch_ask(agent)) for _ in range(3)])),
        compared="a decision in 6 dimensions with 60 points, against BoTorch's SingleTaskGP with its own defaults, "
        "fitted by fit_gpytorch_mll and searched from as many starts",
        limit=0.15,
        details={"p99_s": float(np.percentile(took, 99))},
    )


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _botorch_ask(agent: Any) -> None:
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    from agents.bayesian.surrogate import one_thread

    with one_thread():
        inputs, values = torch.from_numpy(agent.actions), torch.from_numpy(agent.values[:, None])
        model = SingleTaskGP(inputs, values)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        cube = torch.stack([torch.zeros(6), torch.ones(6)]).double()
        score = LogExpectedImprovement(model, best_f=values.max())
        optimize_acqf(score, cube, q=1, num_restarts=agent.restarts, raw_samples=agent.raw_samples)

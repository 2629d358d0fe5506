"""Laws that compete: how often the right one wins, and whether stated probabilities hold (physics.md section 9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
GRID = np.linspace(0.0, 2.5, 100)
OFF_JUMP = np.abs(GRID - 1.6) >= 0.15
SEEDS, STEPS, NOISE = 4, 15, 0.2
"""Values before laws are compared (places 0, 33, 66 and 99), decisions after them (3 of warm-up, 12), and the noise."""
LOOKS = (4, 7, 13, 19)
"""Values told when calibration is looked at."""
EDGES = np.array([0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0 + 1e-9])
FIRST, TRUTHS, TRIALS, DRAWS = 5000, 200, 20, 2000


def rivals() -> list[Any]:
    """The protocol's three laws: power and line, two lines, two powers."""
    from physics_priors.laws import PiecewisePower

    return [PiecewisePower(above="linear"), PiecewisePower(below="linear", above="linear"), PiecewisePower()]


@dataclass(frozen=True)
class Played:
    """One campaign, from 4 values told on: probabilities [told, H], median uncertainty and RMSE, [told] each."""

    probability: Floats
    uncertainty: Floats
    rmse: Floats


def played(agent: Any, truth: Floats, seed: int, noise: float) -> Played:
    """Of `truth` [100], 19 values, by an agent that begins with the protocol's four places or is led there."""
    from agents.protocol import Decision, Problem, Transition

    rng = np.random.default_rng([seed, 0xE5])
    agent.begin(Problem(np.zeros(1), np.full(1, 2.5), "map", "y", "", candidates=GRID[:, None]), seed)
    said, uncertainty, rmse = [], [], []
    for step in range(SEEDS + STEPS):
        row = (0, 33, 66, 99)[step] if step < SEEDS else None
        decision = agent.act({}) if row is None else Decision(GRID[[row]], "protocol", candidate=row)
        value = float(truth[decision.candidate] + noise * rng.normal())
        agent.tell(Transition(step + 1, decision, value, np.ones(step + 1, bool), 0.0, {}))
        if step + 1 >= SEEDS:
            prediction = agent.predict()
            uncertainty.append(float(np.median(prediction.std)))
            rmse.append(float(np.sqrt(np.mean((prediction.mean - truth)[OFF_JUMP] ** 2))))
            said.append(agent.beliefs()["probability"] if hasattr(agent, "beliefs") else [np.nan])
    return Played(np.array(said), np.array(uncertainty), np.array(rmse))


def drawn_truth(seed: int) -> tuple[int, Floats]:
    """Which of the four hypotheses holds, each as likely, and the truth [100], drawn from its prior.

    Without a law: a draw of the plain Gaussian process, with location and spread of one of the laws.
    """
    rng = np.random.default_rng([seed, 0x7A])
    laws, right = rivals(), int(rng.integers(4))
    law = laws[right] if right < len(laws) else laws[int(rng.integers(len(laws)))]
    values = law.mean(law.parameters.sample(rng.uniform(size=(1, len(law.parameters)))), GRID[:, None])[0]
    return right, values if right < len(laws) else _without_law(values.mean(), values.std(), rng)


def _without_law(location: float, scale: float, rng: np.random.Generator) -> Floats:
    from agents.bayesian.structured import LENGTHSCALE, SIGNAL

    lengthscale, signal = LENGTHSCALE.quantile(rng.uniform()), SIGNAL.quantile(rng.uniform())
    distance = np.sqrt(5.0) * np.abs(GRID[:, None] - GRID) / 2.5 / lengthscale
    covariance = (1 + distance + distance**2 / 3) * np.exp(-distance) + 1.0 + 1e-9 * np.eye(len(GRID))
    return np.asarray(location + scale * signal * np.linalg.cholesky(covariance) @ rng.normal(size=len(GRID)))


# Calibration


def calibration_error(probability: Floats, right: Floats) -> float:
    """Expected calibration error of stated probabilities [n] against whether that was right [n]."""
    bins = np.digitize(probability, EDGES) - 1
    count = np.bincount(bins, minlength=len(EDGES) - 1)
    off = np.bincount(bins, right - probability, minlength=len(EDGES) - 1)
    return float(np.abs(off).sum() / count.sum())


def reliability(probability: Floats, right: Floats) -> list[list[float]]:
    """For each bin that holds any: how many, the mean probability stated, and how often that was right."""
    bins = np.digitize(probability, EDGES) - 1
    each = [(probability[bins == i], right[bins == i]) for i in range(len(EDGES) - 1)]
    return [[float(len(p)), round(float(p.mean()), 4), round(float(r.mean()), 4)] for p, r in each if len(p)]


def calibrated(said: Floats, truths: NDArray[np.int64]) -> dict[str, Any]:
    """Of probabilities [n, H] where hypothesis `truths` [n] held: error, interval, what chance alone brings, scores."""
    right = np.eye(said.shape[1])[truths]
    rng = np.random.default_rng(0)
    index = rng.integers(len(said), size=(DRAWS, len(said)))
    drawn = [calibration_error(said[some].ravel(), right[some].ravel()) for some in index]
    chance = [calibration_error(said.ravel(), np.eye(said.shape[1])[_held(said, rng)].ravel()) for _ in range(DRAWS)]
    error = calibration_error(said.ravel(), right.ravel())
    brier = np.square(said - right).sum(1)
    return {
        "error": error,
        "interval_95": np.quantile(drawn, [0.025, 0.975]).tolist(),
        "error_of_perfect_probabilities": [float(np.mean(chance)), *np.quantile(chance, [0.025, 0.975]).tolist()],
        "brier": float(brier.mean()),
        "brier_interval_95": np.quantile(brier[index].mean(1), [0.025, 0.975]).tolist(),
        "brier_of_a_constant": 1.0 - 1.0 / said.shape[1],
        "right_is_likeliest": float(np.mean(said.argmax(1) == truths)),
        "log_score": float(-np.log(np.maximum((said * right).sum(1), 1e-12)).mean()),
        "reliability": reliability(said.ravel(), right.ravel()),
    }


def _held(said: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which hypothesis held, drawn from the probabilities [n, H] themselves."""
    return np.asarray((said.cumsum(1) < rng.uniform(size=(len(said), 1))).sum(1).clip(0, said.shape[1] - 1))


def drawn_campaigns(seeds: Sequence[int]) -> tuple[Floats, NDArray[np.int64]]:
    """Probabilities [n, values told, 4] in campaigns of truths that were drawn, and which hypothesis held [n]."""
    from agents.bayesian.competing_laws import CompetingLaws

    truths = [drawn_truth(seed) for seed in seeds]
    runs = [played(CompetingLaws(rivals()), truth, seed, NOISE) for seed, (_, truth) in zip(seeds, truths, strict=True)]
    return np.array([run.probability for run in runs]), np.array([right for right, _ in truths])


@figure("bayes.hypothesis_calibration", "fraction")
def calibration() -> Measured:
    """Expected calibration error of the probabilities of laws after 19 values, 200 truths drawn from the hypotheses."""
    said, truths = drawn_campaigns(range(FIRST, FIRST + TRUTHS))
    looks = {str(count): calibrated(said[:, count - SEEDS], truths) for count in LOOKS}
    last = looks[str(LOOKS[-1])]
    return Measured(
        value=last["error"],
        reference=last["error_of_perfect_probabilities"][0],
        compared="expected calibration error of the probabilities of three laws and none of them after 19 values, "
        "truths drawn from each equally often, against the error that perfect probabilities show by chance",
        limit=last["error_of_perfect_probabilities"][2],
        details={"truths": TRUTHS, "first_seed": FIRST, "after_values": looks},
    )


# The protocol and harder ones


def _powers(below: float, above: float) -> Floats:
    return np.where(GRID < 1.6, GRID**below, GRID**above)


def scenarios() -> dict[str, tuple[Floats, float, int]]:
    """Truth [100], noise, and which hypothesis holds; in the last two none of the laws does."""
    return {
        "protocol": (_powers(4.0, 2.5), NOISE, 2),
        "neighbouring exponents": (_powers(3.0, 2.5), NOISE, 2),
        "noise doubled": (_powers(4.0, 2.5), 2 * NOISE, 2),
        "none: a wave": (4.0 + 4.0 * np.sin(4.0 * GRID), NOISE, 3),
        "none: falls behind the jump": (np.where(GRID < 1.6, GRID**2, 8.0 * np.exp(1.6 - GRID)), NOISE, 3),
    }


def _compared(truth: Floats, noise: float, right: int, seeds: Sequence[int], made: Callable[[], Any]) -> dict[str, Any]:
    from agents.bayesian.gaussian_process import GaussianProcess

    ours = [played(made(), truth, seed, noise) for seed in seeds]
    plain = [
        played(GaussianProcess("integrated_variance", "position", seeds=SEEDS), truth, seed, noise) for seed in seeds
    ]
    last = np.array([run.probability[-1] for run in ours])
    won = int(np.sum(last.argmax(1) == right))
    return {
        "right_is_likeliest": won / len(seeds),
        "interval_95": list(_wilson(won, len(seeds))),
        "median_probability_of_right": float(np.median(last[:, right])),
        "mean_probability": last.mean(0).round(4).tolist(),
        "median_uncertainty": _course(ours, plain, "uncertainty"),
        "median_rmse_off_jump": _course(ours, plain, "rmse"),
    }


def _course(ours: Sequence[Played], plain: Sequence[Played], what: str) -> dict[str, list[float]]:
    """Medians over seeds at each number of values told in LOOKS."""
    at = [count - SEEDS for count in LOOKS]
    each = {"laws": ours, "plain": plain}
    return {who: np.median([getattr(r, what)[at] for r in runs], 0).round(4).tolist() for who, runs in each.items()}


def _wilson(won: int, of: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    found = binomtest(won, of).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


@figure("bayes.hypothesis_protocol", "fraction")
def protocol() -> Measured:
    """How often the right law is the likeliest in the protocol of hypothesis learning, 20 seeds; harder truths too."""
    from agents.bayesian.competing_laws import CompetingLaws

    seeds = range(FIRST, FIRST + TRIALS)
    average = partial(CompetingLaws, rivals())
    found = {name: _compared(*scenario, seeds, average) for name, scenario in scenarios().items()}
    for proposer in ("epsilon_greedy", "softmax"):
        made = partial(CompetingLaws, rivals(), proposer=proposer)
        found[f"protocol, {proposer}"] = _compared(*scenarios()["protocol"], seeds, made)
    return Measured(
        value=found["protocol"]["right_is_likeliest"],
        reference=0.25,
        compared="fraction of seeds in which the law that holds has the largest probability of four, after 4 given and "
        "15 chosen values; a guess is 0.25",
        limit=0.9,
        limit_is_least=True,
        details={"seeds": TRIALS, "first_seed": FIRST, "values_told": list(LOOKS), "scenarios": found},
    )

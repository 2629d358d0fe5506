"""Laws inside Gaussian processes: the reference problem of physics.md section 9, check 74."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.registry import Measured, figure

SEEDS, RANDOM, CHOSEN, NOISE = 20, 15, 6, 0.1
GRID = np.linspace(0.0, 3.0, 200)
TRUTH = np.where(GRID < 1.7, GRID**4.5, GRID**2.5)
OFF_JUMP = np.abs(GRID - 1.7) >= 0.15


def off_jump_rmse(agent: Any, seed: int) -> float:
    """RMSE away from the jump after 15 random points and 6 where the agent is least certain."""
    from agents.protocol import Decision, Problem, Transition

    rng = np.random.default_rng(seed)
    agent.begin(Problem(np.zeros(1), np.full(1, 3.0), "map", "y", "", candidates=GRID[:, None]), seed)
    for step in range(RANDOM + CHOSEN):
        row = int(rng.integers(len(GRID)))
        decision = Decision(GRID[[row]], "random", candidate=row) if step < RANDOM else agent.act({})
        value = float(TRUTH[decision.candidate] + NOISE * rng.normal())
        agent.tell(Transition(step + 1, decision, value, np.ones(step + 1, bool), 0.0, {}))
    return float(np.sqrt(np.mean((agent.predict().mean - TRUTH)[OFF_JUMP] ** 2)))


@figure("sgp.offjump_rmse", "units of y")
def structured_rmse() -> Measured:
    """Off-jump RMSE of the structured Gaussian process on its reference problem, median of 20 seeds (check 74)."""
    from agents.bayesian.competing_laws import CompetingLaws
    from agents.bayesian.gaussian_process import GaussianProcess
    from physics_priors.laws import PiecewisePower

    laws = [off_jump_rmse(CompetingLaws([PiecewisePower()], none=False), seed) for seed in range(SEEDS)]
    plain = [off_jump_rmse(GaussianProcess("integrated_variance", "position"), seed) for seed in range(SEEDS)]
    reference = float(np.median(plain))
    return Measured(
        value=float(np.median(laws)),
        reference=reference,
        compared="RMSE where |x - 1.7| >= 0.15, 15 random and 6 chosen points, law with unknown parameters against the "
        "plain Gaussian process of agent=gaussian_process, median of 20 seeds",
        limit=min(0.1, reference / 5),
        details={"worst": float(np.max(laws)), "worst_plain": float(np.max(plain)), "seeds": SEEDS},
    )

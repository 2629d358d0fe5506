"""What a clone of the planner is worth, trained on journals of its campaigns."""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.registry import Measured, figure
from benchmarks.training import _acting, _greedy, _interval, _planner, _returns

_CAMPAIGNS: Final = 100
_FIRST: Final = 1000
_SEEDS: Final = (0, 1, 2)
_ACTIONS: Final = {
    "numbers": (),
    "hops": ("physics.action=hops",),
    "masked_hops": ("physics.action=hops", "physics.mask=true"),
}


@figure("train.clone_score", "ratio")
def clone_score() -> Measured:
    """Return on move_dopant of a clone of the planner over the planner's own, choosing hops without a mask."""
    planner, greedy = _returns(_planner), _returns(_greedy)
    with TemporaryDirectory() as runs:
        _record(Path(runs))
        scores: dict[str, list[float]] = {}
        untrained: dict[str, list[float]] = {}
        intervals: dict[str, list[float]] = {}
        for name, more in _ACTIONS.items():
            found = [_cloned(runs, seed, more) for seed in _SEEDS]
            returns = [_returns(lambda policy=policy: _acting(policy)) for policy, _ in found]
            fresh = [_returns(lambda policy=policy: _acting(policy)) for _, policy in found]
            scores[name] = [float(r.mean() / planner.mean()) for r in returns]
            untrained[name] = [float(r.mean() / planner.mean()) for r in fresh]
            intervals[name] = _interval(sum(returns) / len(returns), planner)
    return Measured(
        value=statistics.median(scores["hops"]),
        reference=statistics.median(untrained["hops"]),
        compared=f"median over {len(_SEEDS)} trainings on {_CAMPAIGNS} campaigns of other seeds of the mean return "
        "over the planner's (LearningHops), against the same for the network before training; 100 samples of the "
        "default twin that are in no campaign",
        details={
            "scores": scores,
            "untrained": untrained,
            "interval_95_over_samples": intervals,
            "greedy_over_planner": float(greedy.mean() / planner.mean()),
            "planner_return": float(planner.mean()),
        },
    )


def _record(runs: Path) -> None:
    """Campaigns of the planner, one goal each."""
    from experiments.campaign import run
    from experiments.config import compose

    quiet = ["campaign=si_atom_move", "task=move_dopant", "tracking=off", "report=false", f"runs={runs}"]
    for seed in range(_FIRST, _FIRST + _CAMPAIGNS):
        run(compose([*quiet, f"seed={seed}"], []), durable=False)


def _cloned(runs: str, seed: int, more: tuple[str, ...]) -> tuple[Any, Any]:
    """The clone, and the same network before it learned."""
    from agents.reinforcement.policy import load
    from experiments.training import session
    from experiments.training.settings import build_training, compose_training

    data = f"data={runs}/si_atom_move-*"
    wanted = ["training=clone", data, f"runs={runs}/trained", f"seed={seed}", "tracking.enabled=false", "episodes=2"]
    settings = compose_training([*wanted, *more])
    lessons = session.recorded_lessons(settings, build_training(settings))[0]
    trainer = build_training(settings).trainer
    trainer.begin(lessons, seed)
    before = trainer.policy(lessons.signature, {}, settings.physics)
    folder = session.train(settings, lambda line: None).folder
    return load(str(folder / "policy.npz")), before

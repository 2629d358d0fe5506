"""A policy trained on atoms acts on images, which a finder looks at, beside the planner that is told the atoms."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Final

import numpy as np

from benchmarks.registry import Measured, figure

_SEED: Final = 2**41 + 10_000
_SAMPLES: Final = 40
_RETURN, _SECONDS, _ELECTRONS, _REACHED, _LOST, _LOOKS_S = range(6)
"""Of an episode: return, seconds and electrons with those of looks, whether it ended well, or the atom was lost."""
_AGENTS: Final = ("planner, atoms", "policy, atoms", "policy, images", "planner, images")


@figure("train.image_score", "ratio")
def image_score() -> Measured:
    """Return of the shipped policy on images, with a finder, over that of the planner that is told the atoms."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        episodes = np.array(list(pool.map(_episodes, range(_SEED, _SEED + _SAMPLES))))
    found = {name: episodes[:, i] for i, name in enumerate(_AGENTS)}
    planner, seen = found["planner, atoms"], found["policy, images"]
    return Measured(
        value=float(seen[:, _RETURN].mean() / planner[:, _RETURN].mean()),
        reference=float(found["policy, atoms"][:, _RETURN].mean() / planner[:, _RETURN].mean()),
        compared="shipped:move_dopant on frames of 20 x 20 pixels of 40 us (survey 128 x 128), atoms found by "
        f"least squares, against the same policy told the atoms; {_SAMPLES} samples of the default twin",
        limit=0.75,
        limit_is_least=True,
        threads=2,
        details={"interval_95_over_samples": _interval(seen[:, _RETURN], planner[:, _RETURN]), "agents": _told(found)},
    )


def _told(found: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {
            "return": float(episodes[:, _RETURN].mean()),
            "seconds": float(episodes[:, _SECONDS].mean()),
            "megaelectrons": float(episodes[:, _ELECTRONS].mean()) / 1e6,
            "seconds_of_survey": float(episodes[:, _LOOKS_S].mean()),
            "reached": float(episodes[:, _REACHED].mean()),
            "lost": float(episodes[:, _LOST].mean()),
        }
        for name, episodes in found.items()
    }


def _interval(one: Any, other: Any) -> list[float]:
    rows = np.random.default_rng(0).integers(0, len(one), size=(4000, len(one)))
    return [float(v) for v in np.quantile(one[rows].mean(1) / other[rows].mean(1), [0.025, 0.975])]


def _episodes(seed: int) -> list[list[float]]:
    """One sample under every agent."""
    return [_episode(name, seed) for name in _AGENTS]


def _episode(name: str, seed: int) -> list[float]:
    from agents.planning.learning_hops import LearningHops
    from agents.reinforcement.trained import TrainedPolicy
    from benchmarks.episodes import begun, episode

    agent: Any = TrainedPolicy("shipped:move_dopant") if name.startswith("policy") else LearningHops()
    env = _environment(images=name.endswith("images"))
    observation, surveyed = begun(agent, env, seed)
    turns = list(episode(agent, env, observation))
    last, costs = turns[-1].told, [surveyed, *(turn.info for turn in turns)]
    seconds, electrons = (sum(float(cost[name]) for cost in costs) for name in ("seconds", "electrons"))
    reached = last.terminated and last.value < 0.5
    lost = last.terminated and not np.isfinite(last.value)
    total = sum(turn.told.reward for turn in turns)
    return [total, seconds, electrons, float(reached), float(lost), float(surveyed["seconds"])]


def _environment(images: bool) -> Any:
    """The default twin that tells atoms, or that is looked at as `campaign=si_atom_move_seen` does, to one site."""
    from environments.environment import Environment
    from experiments.config.composing import build, compose

    settings = compose([f"campaign={'si_atom_move_seen' if images else 'si_atom_move'}", "task.goals=1"])
    parts = build(settings)
    return Environment(parts.instrument, parts.task, scenario=settings.scenario)

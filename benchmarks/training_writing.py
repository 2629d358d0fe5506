"""Trained policies that write, beside the human heuristics: a hundred lines of vacancies, a hundred pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.protocol import Agent
from agents.reinforcement.trained import TrainedPolicy
from benchmarks import planning_writing as writing
from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
_SEED: Final = 64_000
"""As in the planners' figures: the same targets, which no policy was trained or tried on."""


@figure("train.vacancies_ratio", "ratio")
def vacancies_ratio() -> Measured:
    """Seconds of shipped:write_vacancies over those of blind dwells, one-sided 95 % bound, for 100 lines."""
    found = _played("write_vacancies", writing._LINES, writing._line)
    own, blind = found["trained"], found["blind"]
    gain = own[:, 1] - blind[:, 1]
    return _measured(
        found,
        "blind",
        writing._LINE_TOLD,
        "upper bound against the ratio itself; the policy chooses between looks and watched dwells, the baseline "
        "dwells blindly, longer while looks find too little written",
        {"fidelity_gain": float(gain.mean()), "fidelity_gain_bound_95": writing._least_gain(gain)},
    )


@figure("train.domains_ratio", "ratio")
def domains_ratio() -> Measured:
    """Seconds of shipped:write_domains over those of a raster to the same agreement, bound, for 100 pictures."""
    found = _played("write_domains", writing._PICTURES, writing._picture)
    reached = {name: float((rows[:, 1] >= writing._GOAL).mean()) for name, rows in found.items()}
    return _measured(
        found,
        "raster",
        writing._PICTURE_TOLD,
        f"upper bound against the ratio itself; both until an agreement of {writing._GOAL:g} is seen, scans included; "
        "the policy chooses bias, sign and speed, the raster writes lines of one bias and does not look",
        {"reached": reached},
    )


def _played(
    name: str, others: Mapping[str, Callable[[], Agent]], play: Callable[[Agent, int], list[float]]
) -> dict[str, Floats]:
    """What each tells of every target, the shipped policy first."""
    agents = {"trained": lambda: TrainedPolicy(f"shipped:{name}"), **others}
    seeds = range(_SEED, _SEED + writing.TARGETS)
    return {agent: np.array([play(make(), seed) for seed in seeds]) for agent, make in agents.items()}


def _measured(
    found: Mapping[str, Floats], other: str, told: tuple[str, ...], compared: str, more: Mapping[str, Any]
) -> Measured:
    """Seconds, and the ratios of all else that costs; the planner is in the details."""
    own, base = found["trained"], found[other]
    ratios = {name: writing._ratio_bound(own[:, k], base[:, k]) for k, name in enumerate(told) if k != 1}
    seconds = ratios.pop("seconds")
    bounds = {f"{name}_ratio": value[0] for name, value in ratios.items()}
    bounds |= {f"{name}_ratio_bound_95": value[1] for name, value in ratios.items()}
    means = {name: dict(zip(told, rows.mean(0).tolist(), strict=True)) for name, rows in found.items()}
    return Measured(
        value=seconds[1],
        reference=seconds[0],
        compared=compared,
        limit=1.0,
        details={**bounds, **more, "policies": means, "targets": writing.TARGETS},
    )

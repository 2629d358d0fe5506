"""The trials of physics priors: a world, what is wanted in it, and the budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.physics_recordings import conduction
from benchmarks.physics_worlds import Scenario, World, fading, order, oscillator, switching


@dataclass(frozen=True)
class Trial:
    """A world, what is wanted, how many measurements, how many of them before the first model, and how many worlds
    the figures play.
    """

    world: Callable[[Scenario, np.random.Generator], World]
    objective: Literal["maximise", "map"]
    budget: int
    seeds: int = 4
    worlds: int = 100


TRIALS = {
    # a sharp peak is found or not: few worlds make up all of the regret, so that more of them are needed
    "oscillator": Trial(oscillator, "maximise", 16, worlds=300),
    "fading": Trial(fading, "maximise", 16),
    "switching": Trial(switching, "map", 16),
    "order": Trial(order, "map", 16),
    "conduction": Trial(conduction, "map", 16),
}

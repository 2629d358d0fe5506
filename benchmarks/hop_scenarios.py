"""Worlds in which planners move silicon: drawn as `conf/planning/NAME.yaml` says, the same for every policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.protocol import Agent
from benchmarks.episodes import begun, episode
from environments.environment import Environment
from environments.tasks.move_dopant import MoveDopant
from experiments.config.sources import conf_dir
from instruments.embedded import Embedded
from instruments.twins.stem.microscope import StemMicroscope
from instruments.twins.stem.samples.graphene import Graphene
from instruments.twins.stem.world import EJECTED, FOLDED, KNOCKED
from physics_priors.beam.hop import HopLaw
from physics_priors.hops.laws import FluxHops, GaussianHops, HopRates

Floats = NDArray[np.float64]
GOALS: Final = 10
_TRIES: Final = 2000
_SHOWN: Final = 18
"""Atoms of a look, for policies that see them."""
_SHEET: Final = Graphene(5.0, 5.0, silicon=1)
Make = Callable[["Sample"], Agent]


@dataclass(frozen=True)
class Hops:
    """A scenario: `scenario` is the twin's, `rate_factor` and `aim` the ranges that laws are drawn from."""

    scenario: str
    rate_factor: tuple[float, float]
    aim: tuple[float, float] | None
    twin: Mapping[str, Any]

    def law(self, uniforms: Floats) -> HopRates:
        """The law of one sample, of two uniforms."""
        low, high = self.rate_factor
        factor = low * (high / low) ** float(uniforms[0])
        if self.aim is None:
            return FluxHops(barn=factor * FluxHops().barn)
        law, (near, far) = HopLaw(), self.aim
        return GaussianHops(((factor * law.largest_rate_s, near + (far - near) * float(uniforms[1]), 0.0, law.width),))


@dataclass(frozen=True)
class Sample:
    """One sample under one microscope; `instrument` is begun anew by every policy."""

    core: StemMicroscope
    instrument: Embedded
    scenario: str
    seed: int


@dataclass(frozen=True)
class Tour:
    """What a policy did on one sample: seconds, goals reached, actions, and carbon atoms lost to the beam."""

    seconds: float
    reached: int
    actions: int
    lost: int
    folded: int


def hops_of(name: str) -> Hops:
    """A scenario of `conf/planning`."""
    from omegaconf import OmegaConf

    read = OmegaConf.to_container(OmegaConf.load(conf_dir() / "planning" / f"{name}.yaml"))
    assert isinstance(read, dict)
    own = {str(key): value for key, value in read.items()}
    aim = own["aim"] if own["aim"] is None else tuple(own["aim"])
    return Hops(**{**own, "rate_factor": tuple(own["rate_factor"]), "aim": aim})


def samples(hops: Hops, count: int, seed: int) -> list[Sample]:
    """Samples whose laws cover the ranges evenly: one in every count-th part of each (Latin hypercube)."""
    rng = np.random.default_rng([seed, 7])
    ranks = np.stack([rng.permutation(count) for _ in range(2)], axis=-1)
    uniforms = (ranks + rng.uniform(size=(count, 2))) / count
    cores = [StemMicroscope(sample=_SHEET, law=hops.law(row), **hops.twin) for row in uniforms]
    return [Sample(core, Embedded(core), hops.scenario, seed + i) for i, core in enumerate(cores)]


def tour(make: Make, sample: Sample) -> Tour:
    """One policy on one sample: `GOALS` sites, one after the other."""
    env = Environment(
        sample.instrument, MoveDopant(goals=GOALS, tries=_TRIES, atoms_shown=_SHOWN), scenario={"name": sample.scenario}
    )
    agent = make(sample)
    observation, _ = begun(agent, env, sample.seed)
    turns = [turn.told for turn in episode(agent, env, observation)]
    kinds = np.asarray(sample.instrument.truth()["events"])[:, 2].astype(np.int64)
    lost = int(np.isin(kinds, (EJECTED, KNOCKED)).sum())
    reached = round(GOALS * float(turns[-1].observation["progress"][1]))
    return Tour(sum(told.seconds for told in turns), reached, len(turns), lost, int((kinds == FOLDED).sum()))

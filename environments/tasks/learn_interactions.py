"""Learn interactions: which member of an alloy library, and which patch of it, to image next.

The library's record (composition, anneal, cooling) is the static context: the images of the brief, "fraction" and
"temperature_K", say what every candidate's composition and frozen-in temperature are. Members are frozen: another patch
of the same member tells as much as the first, the same patch again tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from environments.lattice_images import Look
from environments.lattice_task import Conditions, LatticeImages, State
from instruments.batch import RequestBatch
from physics_priors.bounds import Bounds
from physics_priors.ising.alloy_prior import AlloyPrior
from physics_priors.ising.library import Record


@dataclass(frozen=True)
class LearnInteractions(LatticeImages):
    """The task on a library; `record` is what the notebook says of its members."""

    record: Record = field(default_factory=Record)
    look: Look = field(default_factory=Look)
    images: Annotated[int, Bounds("images", 1, 1000)] = 8
    prior: AlloyPrior = field(default_factory=AlloyPrior)
    """By whose account an image is rewarded."""

    name = "learn_interactions"

    def __post_init__(self) -> None:
        if self.look.bins != self.prior.bins:
            raise ValueError("learn_interactions needs look.kind=triangular and look.shells=2")

    def conditions(self) -> Conditions:
        members = self.record.members
        values = np.array([[m.fraction, m.frozen_K(self.record.barrier_eV)] for m in members])
        return Conditions.of(values, self.look.patches[0] * self.look.patches[1])

    def set_sample(self, state: State, pick: NDArray[np.int64]) -> RequestBatch:
        names = np.empty(len(pick), object)
        names[:] = [self.record.members[m].name for m in state.plan.condition[pick]]
        shared = {"temperature_K": None, "field_T": None, "settle_s": 0.0}
        return RequestBatch("SetSample", len(pick), {"member": names}, shared)

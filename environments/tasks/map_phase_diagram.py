"""Map a phase diagram: at which temperature and in which field to look at a layer that orders while one waits.

The layer orders antiferromagnetically below a temperature that the field lowers; where is that boundary? An image gives
the couplings over kT, so that an image far from the boundary tells of it too, and one deep inside a phase tells little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from environments.lattice_images import Look
from environments.lattice_task import Conditions, LatticeImages, State
from instruments.batch import RequestBatch
from instruments.capabilities import Capabilities
from instruments.errors import OutOfReach
from physics_priors.bounds import NOT_NEGATIVE_S, Bounds
from physics_priors.ising.layer_prior import FieldPrior

_LOOK = Look(patches=(1, 1), pixels=(64, 64), dwell_s=1e-3, kind="square", shells=1)


@dataclass(frozen=True)
class MapPhaseDiagram(LatticeImages):
    """The task: a grid of temperatures and fields to choose from, each as often as one likes."""

    temperatures_K: tuple[Annotated[float, Bounds("K", 1.0, 4000.0)], ...] = (60, 90, 120, 150, 180, 220, 260, 300, 360)
    fields_T: tuple[Annotated[float, Bounds("T", 0.0, 50.0)], ...] = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
    settle_s: Annotated[float, NOT_NEGATIVE_S] = 2.0
    look: Look = _LOOK
    images: Annotated[int, Bounds("images", 1, 1000)] = 8
    prior: FieldPrior = field(default_factory=FieldPrior)
    """By whose account an image is rewarded."""

    name = "map_phase_diagram"

    def __post_init__(self) -> None:
        for name in ("temperatures_K", "fields_T"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        if self.look.bins != self.prior.bins:
            raise ValueError("map_phase_diagram needs look.kind=square and look.shells=1")

    def check(self, capabilities: Capabilities) -> None:
        super().check(capabilities)
        for name, values in (("temperature_K", self.temperatures_K), ("field_T", self.fields_T)):
            allowed = capabilities.limits.get(name)
            if allowed is not None and not all(allowed.contains(v) for v in values):
                raise OutOfReach(f"{capabilities.name}: {name} of {min(values):g} to {max(values):g} leaves {allowed}")

    def conditions(self) -> Conditions:
        grid = np.array([(t, b) for t in self.temperatures_K for b in self.fields_T])
        return Conditions.of(grid, self.look.patches[0] * self.look.patches[1])

    def set_sample(self, state: State, pick: NDArray[np.int64]) -> RequestBatch:
        temperature_K, field_T = state.plan.values[pick].T
        each = {"temperature_K": temperature_K.copy(), "field_T": field_T.copy()}
        return RequestBatch("SetSample", len(pick), each, {"member": None, "settle_s": self.settle_s})

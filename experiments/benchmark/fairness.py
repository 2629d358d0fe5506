"""Cheating is detected: reaching for truth, asking for a place twice, overrunning a budget or a deadline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.config import CampaignSettings

if TYPE_CHECKING:
    from experiments.benchmark.cell import Trace


class Tripwire:
    """An instrument that notes who asks it for truth, and gives none.

    It stands in front of the twin for the campaign, and takes the place of the twin's own `truth`, for who finds the
    twin in the memory of the process. What it cannot see is a policy that goes on from there to the twin's inside;
    policies that are not trusted run in a process of their own (`agents.external`).
    """

    touched: ClassVar[list[str]] = []
    """What was asked for since the last one was set; of all in the process, since earlier ones may still be found."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.touched.clear()
        inner.truth = self.truth

    def __getattr__(self, name: str) -> Any:
        if name in ("core", "_world"):
            self.touched.append(name)
            raise AttributeError(f"the benchmark does not give away {name}")
        return getattr(self._inner, name)

    def truth(self) -> Mapping[str, Any]:
        """Nothing; and the cell is marked."""
        self.touched.append("truth")
        raise PermissionError("the truth is not for policies")

    def faults(self) -> list[str]:
        """One line for every way in which truth was asked for."""
        return [f"reached for truth ({name})" for name in dict.fromkeys(self.touched)]


def faults_of(candidates: NDArray[np.int64], tripwire: Tripwire, settings: CampaignSettings, trace: Trace) -> list[str]:
    """One line for everything that a policy must not do."""
    faults = tripwire.faults()
    repeated = len(candidates) - len(np.unique(candidates))
    if repeated:
        faults.append(f"asked for {repeated} places twice")
    if settings.budget.seconds is not None and trace.seconds[-1] > settings.budget.seconds:
        faults.append(f"spent {trace.seconds[-1]:.4g} s of {settings.budget.seconds:.4g}")
    if settings.deadline_s is not None:
        late = int(np.sum(trace.decide_s > settings.deadline_s))
        if late:
            faults.append(f"overran the deadline of {settings.deadline_s:g} s {late} times")
    return faults

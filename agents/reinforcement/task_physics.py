"""What physics knows of a task: one small module a task, found by the observations and the length of actions.

`hop_actions` moves a dopant, `vacancy_actions` writes vacancies, `domain_actions` writes domains. To add a task, write
a module with the names of `TaskPhysics` and list it in `_MODULES`. Observations have a leading axis of B rows; with a
belief, what `shown` gives is among them. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError

Floats = NDArray[np.float64]
Observations = Mapping[str, NDArray[Any]]
PRIVATE: Final = "_"
"""What is shown under a name that begins so is for the module alone."""
_MODULES: Final = ("hop_actions", "vacancy_actions", "domain_actions")


class TaskPhysics(Protocol):
    """A module of these names; `size` is the length of the task's actions."""

    TASK: str
    OBSERVED: frozenset[str]
    """Observations that it is recognised by, and needs."""
    SIZES: tuple[int, ...]
    CHOICES: int

    def chosen(self, observation: Observations, choices: NDArray[Any], size: int) -> Floats:
        """Actions [B, size] of choices [B]."""
        ...

    def allowed(self, observation: Observations, size: int) -> NDArray[np.bool_]:
        """Which choices [B, n] make sense; at least one in each row."""
        ...

    def log_prior(self, observation: Observations, size: int) -> Floats:
        """Log of what the law says that each choice [B, n] brings, up to a constant."""
        ...

    def greedy(self, observation: Observations, size: int) -> Floats:
        """Actions [B, size] of a simple rule, which residuals are added to."""
        ...

    def value(self, observation: Observations) -> Floats:
        """What the rest of the episode is worth [B] by the law."""
        ...

    def first_belief(self, observation: Observations) -> Floats:
        """Sufficient statistics [B, k] before anything was done."""
        ...

    def learned(
        self, statistics: Floats, before: Observations, actions: NDArray[Any], after: Observations, electrons: Floats
    ) -> Floats:
        """The statistics [B, k] after actions [B, size] that cost electrons [B]; those given stay as they are."""
        ...

    def shown(self, statistics: Floats) -> dict[str, Floats]:
        """Observations by name: "belief" [B, 2], mean and spread of the law's main parameter, and what is private."""
        ...


def known() -> tuple[TaskPhysics, ...]:
    """The modules there are."""
    return tuple(cast(TaskPhysics, import_module(f"{__package__}.{name}")) for name in _MODULES)


def of_task(observed: Collection[str], size: int | None = None) -> TaskPhysics:
    """The module for observations of such names, and actions of such a length where it is given; AgentError: none."""
    for module in known():
        if set(observed) >= module.OBSERVED and size in (None, *module.SIZES):
            return module
    names = ", ".join(module.TASK for module in known())
    raise AgentError(f"nothing is known of the physics of a task that shows {_said(observed)}: there is {names}")


def _said(observed: Collection[str]) -> str:
    return ", ".join(sorted(observed)) or "nothing"

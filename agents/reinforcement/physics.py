"""What of physics goes into a policy: what its outputs mean, which are allowed and favoured, a belief, a potential.

Each is switched on by itself. All but the potential is kept in the policy's file and applied wherever it acts; a
potential matters in training only (A. Y. Ng et al., 1999: the best policy stays the best). What is known of a task is
in a module of its own, see `task_physics`.

Domain randomisation is no switch of the learner: the twins draw every sample's hidden numbers anew, and have settings
that hold them fixed (say, `instrument.core.hop_spread=0`).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError
from agents.reinforcement.task_physics import of_task
from physics_priors.bounds import Bounds

Floats = NDArray[np.float64]
Observations = Mapping[str, NDArray[Any]]
_CHOICES = ("choices", "hops")


@dataclass(frozen=True)
class Physics:
    """`plain`: outputs are the task's actions. `grid`: choices among `levels` values of each number.

    For tasks whose physics is known: `residual`, outputs times `scale` are added to a simple rule's action; `choices`
    (for move_dopant also called `hops`), the few actions that make sense.
    """

    action: Literal["plain", "grid", "residual", "choices", "hops"] = "plain"
    levels: Annotated[int, Bounds("values", 2, 100)] = 5
    scale: Annotated[float, Bounds("", 0.0, 2.0)] = 0.5
    mask: bool = False
    """Only choices that physics allows (say, neighbours that are there and nearer to the target)."""
    potential: Annotated[float, Bounds("", 0.0, 100.0)] = 0.0
    """Weight of the shaping by what the law says that the rest of the episode is worth; 0: none."""
    prior: Annotated[float, Bounds("", 0.0, 100.0)] = 0.0
    """Weight of the law's log probabilities of the choices, which are added to the network's outputs; 0: none. A
    network that puts nothing out, as it nearly does before training, chooses by the law."""
    belief: bool = False
    """The posterior of the law's main parameter is among what the network sees; the other ingredients use its mean."""
    hide: tuple[str, ...] = ()
    """Observations that the network does not see, for large ones of which the choices are made."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "hide", tuple(self.hide))
        if self.mask and not self.chooses:
            raise ValueError("physics.mask=true wants physics.action=choices: nothing else has choices to mask")
        if self.prior and not self.chooses:
            raise ValueError("physics.prior wants physics.action=choices: a law favours choices, not numbers")

    @property
    def chooses(self) -> bool:
        """Whether outputs are choices that the task's physics names."""
        return self.action in _CHOICES

    def outputs(
        self, low: Floats, high: Floats, choices: int | None, observed: Collection[str] = ()
    ) -> tuple[Floats, Floats, int | None]:
        """Bounds [d], or the number of choices, of what a learner puts out for a task of such actions.

        `observed` are the names of its observations; AgentError where what is asked for is not known of it.
        """
        if self.potential or self.belief:
            of_task(observed, len(low))
        if self.action == "plain":
            return low, high, choices
        if choices is not None or not np.isfinite([*low, *high]).all():
            raise AgentError(f"physics.action={self.action} wants a task whose actions are bounded numbers")
        if self.action == "grid":
            if self.levels ** len(low) > 10_000:
                raise AgentError(f"physics.levels={self.levels} makes {self.levels ** len(low)} choices: lower it")
            return np.zeros(1), np.array([self.levels ** len(low) - 1.0]), self.levels ** len(low)
        task = of_task(observed, len(low))
        if self.action == "hops" and task.TASK != "move_dopant":
            raise AgentError(f"physics.action=hops is for the task move_dopant: say choices for {task.TASK}")
        if self.chooses:
            return np.zeros(1), np.array([task.CHOICES - 1.0]), task.CHOICES
        return -np.ones(len(low)), np.ones(len(low)), None

    def actions(self, observation: Observations, put_out: NDArray[Any], low: Floats, high: Floats) -> NDArray[Any]:
        """The task's actions [B, d], within [low, high], of what was put out, [B, d] or choices [B]."""
        if self.action == "grid":
            axes = [np.linspace(a, b, self.levels) for a, b in zip(low, high, strict=True)]
            return np.array(list(itertools.product(*axes)))[np.asarray(put_out, dtype=np.int64)]
        if self.action == "plain":
            return put_out
        task, size = of_task(observation, len(low)), len(low)
        if self.chooses:
            return np.clip(task.chosen(observation, put_out, size), low, high)
        return np.clip(task.greedy(observation, size) + self.scale * np.asarray(put_out), low, high)

    def allowed(self, observation: Observations, size: int | None = None) -> NDArray[np.bool_] | None:
        """Which choices [B, n] may be taken for actions of a length; None where any may."""
        if not self.mask:
            return None
        task = of_task(observation, size)
        return task.allowed(observation, size or task.SIZES[0])

    def favoured(self, observation: Observations, size: int | None = None) -> Floats | None:
        """What is added to the outputs [B, n] before one is chosen; None: nothing."""
        if not self.prior:
            return None
        task = of_task(observation, size)
        return self.prior * task.log_prior(observation, size or task.SIZES[0])

    def shaping(self, observation: Observations) -> Floats:
        """The potential [B]."""
        return self.potential * of_task(observation).value(observation)

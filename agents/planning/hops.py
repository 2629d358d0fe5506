"""What agents that move a dopant share: reading the observation, choosing the neighbour, aiming at it.

The observation is that of the task `move_dopant`: the ways to the neighbours in units of the beam's reach, the target
from the dopant in bonds. Lengths here are in nm, the bond being known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_border import NO_BORDER
from agents.planning.hop_glare import NO_GLARE
from agents.protocol import AgentError, Observation
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
_NEEDED: Final = ("neighbours", "target", "last")
_NONE: Final = 1e-3
_REACH_NM: Final = 0.2
"""The task's default, for want of neighbours to measure it by."""


@dataclass(frozen=True)
class Situation:
    """neighbours_nm [n, 2] and target_nm [2] from the dopant, of the neighbours that are there; reach_nm of actions.

    There may be none, with vacancies all around. `room_nm` [axis, side]: how far the border of the field is;
    `glare_nm` [m, 2]: where the trace ended dwells in vain; `others_nm` [a, 2]: other silicon, which no way shall pass.
    """

    neighbours_nm: Floats
    target_nm: Floats
    reach_nm: float
    room_nm: Floats = field(default_factory=NO_BORDER.copy)
    glare_nm: Floats = field(default_factory=NO_GLARE.copy)
    others_nm: Floats = field(default_factory=lambda: np.empty((0, 2)))

    @property
    def wanted(self) -> int:
        """The neighbour that is nearest to the target: on a honeycomb no other way is shorter.

        -1 where there is none.
        """
        if not len(self.neighbours_nm):
            return -1
        return int(np.argmin(np.hypot(*(self.neighbours_nm - self.target_nm).T)))

    @property
    def wanted_nm(self) -> Floats:
        """The way [2] to it; where there is none, a bond towards the target."""
        if len(self.neighbours_nm):
            return np.asarray(self.neighbours_nm[self.wanted])
        return BOND_NM * self.target_nm / max(float(np.hypot(*self.target_nm)), _NONE)

    def action(self, beam_nm: Floats, dwell: float) -> Floats:
        """The action that parks the beam at a place from the dopant."""
        place = np.clip(np.asarray(beam_nm) / self.reach_nm, -1.0, 1.0)
        return np.array([place[0], place[1], dwell], dtype=np.float64)


def situation(observation: Observation) -> Situation:
    """The situation of an observation; AgentError where it is of another task."""
    if absent := [name for name in _NEEDED if name not in observation]:
        raise AgentError(f"moving a dopant needs the observation {absent[0]!r}: use it with the task move_dopant")
    ways = np.asarray(observation["neighbours"], dtype=np.float64).reshape(-1, 2)
    ways = ways[np.hypot(*ways.T) > _NONE]
    reach_nm = BOND_NM / float(np.median(np.hypot(*ways.T))) if len(ways) else _REACH_NM
    return Situation(ways * reach_nm, BOND_NM * np.asarray(observation["target"], dtype=np.float64), reach_nm)


def hopped_to(before: Situation, after: Situation, moved: bool) -> int:
    """Which neighbour the dopant went to, -1 where it stayed or went elsewhere."""
    if not moved or not len(before.neighbours_nm):
        return -1
    way = before.target_nm - after.target_nm
    away = np.hypot(*(before.neighbours_nm - way).T)
    nearest = int(np.argmin(away))
    return nearest if away[nearest] < 0.5 * BOND_NM else -1


def figures_of(now: Situation) -> dict[str, float]:
    """What has to be remembered of a situation until its outcome is told."""
    figures = {"target_x_nm": float(now.target_nm[0]), "target_y_nm": float(now.target_nm[1])}
    for number, (x, y) in enumerate(now.neighbours_nm):
        figures |= {f"neighbour_{number}_x_nm": float(x), f"neighbour_{number}_y_nm": float(y)}
    return figures


def situation_of(figures: Mapping[str, float]) -> Situation | None:
    """The situation of a decision; None where another agent or a person took it."""
    if "target_x_nm" not in figures or "x_nm" not in figures:
        return None
    there = [n for n in range(3) if f"neighbour_{n}_x_nm" in figures]
    near = [(figures[f"neighbour_{n}_x_nm"], figures[f"neighbour_{n}_y_nm"]) for n in there]
    target = np.array([figures["target_x_nm"], figures["target_y_nm"]])
    return Situation(np.array(near, dtype=np.float64).reshape(-1, 2), target, 1.0)


def went_to(before: Situation, observation: Observation, distance_bonds: float) -> int:
    """Which neighbour the dopant went to; -1 where that cannot be told. `distance_bonds` is what is left to the target.

    A target changes when it is reached: then it was a neighbour, and the dopant went there.
    """
    if distance_bonds < 0.5:
        return before.wanted
    return hopped_to(before, situation(observation), True)


def way_of(before: Situation, observation: Observation, distance_bonds: float) -> Floats:
    """The way [2] nm that the dopant went."""
    return before.target_nm if distance_bonds < 0.5 else before.target_nm - situation(observation).target_nm

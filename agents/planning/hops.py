"""What agents that move a dopant share: reading the observation, choosing the neighbour, aiming at it.

The observation is that of the task `move_dopant`: the ways to the neighbours in units of the beam's reach, the target
from the dopant in bonds. Lengths here are in nm, the bond being known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Observation
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
_NEEDED: Final = ("neighbours", "target", "last")
_NONE: Final = 1e-3


@dataclass(frozen=True)
class Situation:
    """neighbours_nm [n, 2] and target_nm [2] from the dopant, of the neighbours that are there; reach_nm of actions."""

    neighbours_nm: Floats
    target_nm: Floats
    reach_nm: float

    @property
    def wanted(self) -> int:
        """The neighbour that is nearest to the target: on a honeycomb no other way is shorter."""
        return int(np.argmin(np.hypot(*(self.neighbours_nm - self.target_nm).T)))

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
    if not len(ways):
        ways = np.array([[1.0, 0.0]])
    reach_nm = BOND_NM / float(np.median(np.hypot(*ways.T)))
    return Situation(ways * reach_nm, BOND_NM * np.asarray(observation["target"], dtype=np.float64), reach_nm)


def hopped_to(before: Situation, after: Situation, moved: bool) -> int:
    """Which neighbour the dopant went to, -1 where it stayed or went elsewhere."""
    if not moved:
        return -1
    way = before.target_nm - after.target_nm
    away = np.hypot(*(before.neighbours_nm - way).T)
    nearest = int(np.argmin(away))
    return nearest if away[nearest] < 0.5 * BOND_NM else -1

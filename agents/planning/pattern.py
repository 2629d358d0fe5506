"""What agents that arrange dopants share: reading the observation, assigning targets, and the view of each atom.

The observation is that of the task `arrange_dopants`. A view is the observation that one atom on its way to one target
would be in the task `move_dopant`, so that whatever moves one atom moves each of several. Lengths here are in nm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from agents.planning.hop_lattice import bonds, distances, patch
from agents.planning.hops import situation
from agents.protocol import AgentError, Decision, Observation, Problem
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_NEEDED: Final = ("dopants", "neighbours", "targets", "last")
_FARTHER: Final = 1.15
"""Hops for every bond of a straight way, on average over directions, where the way leaves the patch."""
_SHORT_FIRST: Final = 1e-3
"""Weight of the root of a way: of two assignments as long as each other, that which leaves an atom where it is."""
FILLED: Final = 0.5
"""[bonds]"""


@dataclass(frozen=True)
class Pattern:
    """dopants_nm [k, 2], targets_nm [t, 2], neighbours [k, 6] in units of the reach; which was dwelt on last, for how
    many seconds, whether it moved, and whether one is out of sight."""

    dopants_nm: Floats
    targets_nm: Floats
    neighbours: Floats
    shown: Floats
    seconds: float
    moved: bool
    which: int
    unsure: bool

    @staticmethod
    def of(observation: Observation, problem: Problem) -> Pattern:
        """AgentError where the observation is of another task."""
        if absent := [name for name in _NEEDED if name not in observation]:
            raise AgentError(f"arranging needs the observation {absent[0]!r}: use it with the task arrange_dopants")
        if problem.extent_nm is None:
            raise AgentError("arranging needs a problem that says how large the field is (extent_nm)")
        x0, x1, y0, y1 = problem.extent_nm
        low, size = np.array([x0, y0]), np.array([x1 - x0, y1 - y0])
        seen = {name: np.asarray(observation[name], dtype=np.float64) for name in _NEEDED}
        place, target = (seen[name].reshape(-1, 2) for name in ("dopants", "targets"))
        seconds, moved, which, unsure = seen["last"].tolist()
        near = seen["neighbours"].reshape(len(place), -1)
        places = low + 0.5 * (1.0 + place) * size, low + 0.5 * (1.0 + target) * size
        return Pattern(*places, near, place, seconds, moved > 0, round(which), unsure > 0)

    @property
    def count(self) -> int:
        """How many dopants there are."""
        return len(self.dopants_nm)

    def view(self, atom: int, target: int) -> Observation:
        """What an atom on its way to a target sees; `last` is of the last action, whichever atom it was about."""
        way = (self.targets_nm[target] - self.dopants_nm[atom]) / BOND_NM
        last = np.array([self.seconds, float(self.moved)])
        return {"dopant": self.shown[atom], "neighbours": self.neighbours[atom], "target": way, "last": last}

    def others_nm(self, atom: int) -> Floats:
        """The other dopants [k - 1, 2] from one."""
        return np.asarray(np.delete(self.dopants_nm, atom, axis=0) - self.dopants_nm[atom])

    def away(self) -> Floats:
        """Straight from every dopant to every target [k, t], in bonds."""
        ways = self.targets_nm[None] - self.dopants_nm[:, None]
        return np.asarray(np.linalg.norm(ways, axis=-1) / BOND_NM)

    def hops(self) -> Floats:
        """From every dopant to every target [k, t], in hops of a whole lattice."""
        views = [situation(self.view(atom, 0)) for atom in range(self.count)]
        ways = self.targets_nm[None] - self.dopants_nm[:, None]
        return np.array([hops_to(way, bonds(now.neighbours_nm)) for way, now in zip(ways, views, strict=True)])


def hops_to(ways_nm: Floats, bonds_nm: Floats) -> Floats:
    """Hops [n] to the sites at the ends of ways [n, 2] from a dopant; beyond the patch, about how many."""
    sites = patch().whole @ bonds_nm
    away = np.linalg.norm(ways_nm[:, None] - sites, axis=-1)
    nearest, beyond = away.argmin(1), away.min(1) / BOND_NM
    return np.asarray(_own_hops()[nearest] + np.where(beyond > FILLED, _FARTHER * beyond, 0.0))


@lru_cache(maxsize=1)
def _own_hops() -> Floats:
    """From the middle of the patch to every site."""
    return distances(0, np.empty(0, dtype=np.int64))


def assigned(hops: Floats) -> Ints:
    """The target [k] of every dopant, so that the sum of hops [k, k] is least."""
    cost = hops + _SHORT_FIRST * np.sqrt(hops)
    return np.asarray(linear_sum_assignment(cost)[1], dtype=np.int64)


def for_atom(atom: int, count: int, action: Floats) -> Floats:
    """The action (which, x, y, dwell) about one of `count` dopants."""
    return np.concatenate([[(2.0 * atom + 1.0) / count - 1.0], action])


def checked_problem(problem: Problem, name: str) -> None:
    """AgentError where actions are not those of the task."""
    if np.shape(problem.low) != (4,):
        raise AgentError(f"{name} needs actions (which, x, y, dwell), not of shape {np.shape(problem.low)}")


def waiting(count: int) -> Decision:
    """What is said while a dopant is out of sight: the task looks for it, whatever is asked."""
    return Decision(for_atom(0, count, np.array([0.0, 0.0, -1.0])), "a dopant is out of sight: the field is looked at")

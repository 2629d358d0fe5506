"""What is known of moving a dopant, for many rows at once: whom to aim at, what else may be tried, how far it is.

Observations are those of the task `move_dopant` with a leading axis of B rows. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError
from physics_priors.beam.hop import HopLaw

Floats = NDArray[np.float64]
Observations = Mapping[str, NDArray[Any]]
AIM: Final = HopLaw().aim
DWELLS: Final = np.array([0.0, 0.5, 1.0])
"""Of the task's logarithmic range, -1 to 1: what can be chosen."""
NEIGHBOURS: Final = 3
_NONE: Final = 1e-3


def ways(observation: Observations) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Ways to the neighbours [B, 3, 2] in units of the reach, nearest to the target first; which are there [B, 3];
    and how far the dopant would be from the target after each hop, less how far it is now [B, 3] in bonds.

    AgentError where the observation is of another task.
    """
    if absent := [name for name in ("neighbours", "target") if name not in observation]:
        raise AgentError(f"moving a dopant needs the observation {absent[0]!r}: use it with the task move_dopant")
    found = np.asarray(observation["neighbours"], dtype=np.float64).reshape(-1, NEIGHBOURS, 2)
    target = np.asarray(observation["target"], dtype=np.float64)
    length = np.hypot(found[..., 0], found[..., 1])
    there = length > _NONE
    bond = np.where(there, length, 0.0).sum(1) / np.maximum(there.sum(1), 1)
    after = target[:, None] - found / np.maximum(bond, _NONE)[:, None, None]
    gained = np.where(there, np.hypot(after[..., 0], after[..., 1]), np.inf) - np.hypot(*target.T)[:, None]
    order = np.argsort(gained, axis=1, kind="stable")
    sorted_ways = np.take_along_axis(found, order[..., None], axis=1)
    return sorted_ways, np.take_along_axis(there, order, axis=1), np.take_along_axis(gained, order, axis=1)


def greedy(observation: Observations) -> Floats:
    """Actions [B, 3] of the published human prior: short of the neighbour nearest to the target, the longest dwell."""
    way = ways(observation)[0][:, 0]
    return np.column_stack([np.clip(AIM * way, -1.0, 1.0), np.ones(len(way))])


def chosen(observation: Observations, choices: NDArray[Any]) -> Floats:
    """Actions [B, 3] of choices [B]: which neighbour, nearest to the target first, times how long."""
    rank, dwell = np.divmod(np.asarray(choices, dtype=np.int64), len(DWELLS))
    way = np.take_along_axis(ways(observation)[0], rank[:, None, None], axis=1)[:, 0]
    return np.column_stack([np.clip(AIM * way, -1.0, 1.0), DWELLS[dwell]])


def allowed(observation: Observations) -> NDArray[np.bool_]:
    """Choices [B, 9] that aim at a neighbour which is there and nearer to the target; at least the nearest's."""
    _, there, gained = ways(observation)
    good = there & (gained < 0.0)
    good[:, 0] = True
    return np.repeat(good, len(DWELLS), axis=1)


def value(observation: Observations) -> Floats:
    """What the rest of the way is worth [B] to a planner that knows the published law: a hop takes 1 / rate on average.

    With the task's default discount of 0.9967 and price of 1e-3 a second, and as many hops as bonds.
    """
    bonds = np.hypot(*np.asarray(observation["target"], dtype=np.float64).T)
    seconds = bonds / HopLaw().largest_rate_s
    return np.asarray(0.9967**seconds - 1e-3 * seconds)

"""What is known of moving a dopant, for many rows at once: whom to aim at, what else may be tried, how far it is.

Observations are those of the task `move_dopant` with a leading axis of B rows. A choice is a neighbour, nearest to the
target first, times a dwell. The belief is about the largest rate of hops: a gamma distribution, exact for dwells that
end with the hop. Imports no torch.
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
TASK: Final = "move_dopant"
OBSERVED: Final = frozenset({"neighbours", "target"})
SIZES: Final = (3,)
LAW: Final = HopLaw()
AIM: Final = LAW.aim
DWELLS: Final = np.array([0.0, 0.5, 1.0])
"""Of the task's logarithmic range, -1 to 1: what can be chosen."""
NEIGHBOURS: Final = 3
CHOICES: Final = NEIGHBOURS * len(DWELLS)
PRIOR_SHAPE: Final = 1.0
"""Of the gamma prior of the rate, whose mean is the published one."""
_LONGEST_S, _DECADES = 15.0, 100.0
_NONE: Final = 1e-3
_LEAST: Final = 1e-2


def ways(observation: Observations) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Ways to the neighbours [B, 3, 2] in units of the reach, nearest to the target first; which are there [B, 3];
    and how far the dopant would be from the target after each hop, less how far it is now [B, 3] in bonds.

    AgentError where the observation is of another task.
    """
    if absent := [name for name in ("neighbours", "target") if name not in observation]:
        raise AgentError(f"moving a dopant needs the observation {absent[0]!r}: use it with the task move_dopant")
    found, bond, there = _neighbours(observation)
    target = np.asarray(observation["target"], dtype=np.float64)
    after = target[:, None] - found / bond[:, None, None]
    gained = np.where(there, np.hypot(after[..., 0], after[..., 1]), np.inf) - np.hypot(*target.T)[:, None]
    order = np.argsort(gained, axis=1, kind="stable")
    sorted_ways = np.take_along_axis(found, order[..., None], axis=1)
    return sorted_ways, np.take_along_axis(there, order, axis=1), np.take_along_axis(gained, order, axis=1)


def greedy(observation: Observations, size: int = 3) -> Floats:
    """Actions [B, 3] of the published human prior: short of the neighbour nearest to the target, the longest dwell."""
    way = ways(observation)[0][:, 0]
    return np.column_stack([np.clip(AIM * way, -1.0, 1.0), np.ones(len(way))])


def chosen(observation: Observations, choices: NDArray[Any], size: int = 3) -> Floats:
    """Actions [B, 3] of choices [B]: which neighbour, nearest to the target first, times how long."""
    rank, dwell = np.divmod(np.asarray(choices, dtype=np.int64), len(DWELLS))
    way = np.take_along_axis(ways(observation)[0], rank[:, None, None], axis=1)[:, 0]
    return np.column_stack([np.clip(AIM * way, -1.0, 1.0), DWELLS[dwell]])


def allowed(observation: Observations, size: int = 3) -> NDArray[np.bool_]:
    """Choices [B, 9] that aim at a neighbour which is there and nearer to the target; at least the nearest's."""
    _, there, gained = ways(observation)
    good = there & (gained < 0.0)
    good[:, 0] = True
    return np.repeat(good, len(DWELLS), axis=1)


def log_prior(observation: Observations, size: int = 3) -> Floats:
    """Log [B, 9] of the bonds that each choice is expected to bring nearer: chance of the hop times its gain."""
    _, there, gained = ways(observation)
    seconds = _LONGEST_S * _DECADES ** (0.5 * (DWELLS - 1.0))
    chance = -np.expm1(-_rate_s(observation)[:, None] * seconds)
    gain = np.where(there, np.maximum(-gained, 0.0), 0.0)
    brought = np.maximum(gain[:, :, None] * chance[:, None], _LEAST)
    return np.asarray(np.log(brought).reshape(len(gained), -1))


def value(observation: Observations) -> Floats:
    """What the rest of the way is worth [B] to a planner that knows the law: a hop takes 1 / rate on average.

    With the task's default discount of 0.9967 and price of 1e-3 a second, and as many hops as bonds.
    """
    bonds = np.hypot(*np.asarray(observation["target"], dtype=np.float64).T)
    seconds = bonds / _rate_s(observation)
    return np.asarray(0.9967**seconds - 1e-3 * seconds)


def first_belief(observation: Observations) -> Floats:
    """Shape and rate [s] of the gamma distribution of the largest rate, [B, 2]."""
    return np.tile([PRIOR_SHAPE, PRIOR_SHAPE / LAW.largest_rate_s], (len(observation["target"]), 1))


def learned(
    statistics: Floats, before: Observations, actions: NDArray[Any], after: Observations, electrons: Floats
) -> Floats:
    """A hop counts as one, and the dwell with its seconds times what the law says of where the beam stood."""
    last = np.asarray(after["last"], dtype=np.float64)
    found, bond, there = _neighbours(before)
    away = (np.asarray(actions, dtype=np.float64)[:, None, :2] - LAW.aim * found) / bond[:, None, None]
    share = np.where(there, np.exp(-np.square(away).sum(-1) / (2.0 * LAW.width**2)), 0.0).sum(1)
    return np.asarray(statistics + np.column_stack([last[:, 1], last[:, 0] * share]))


def shown(statistics: Floats) -> dict[str, Floats]:
    """belief [B, 2]: log of the mean rate over the published one, and its relative spread."""
    shape, rate = statistics.T
    return {"belief": np.column_stack([np.log(shape / rate / LAW.largest_rate_s), 1.0 / np.sqrt(shape)])}


def _rate_s(observation: Observations) -> Floats:
    """The largest rate [B]: what is believed, else the published one."""
    believed = observation.get("belief")
    if believed is None:
        return np.full(len(observation["target"]), LAW.largest_rate_s)
    return np.asarray(LAW.largest_rate_s * np.exp(np.asarray(believed, dtype=np.float64)[:, 0]))


def _neighbours(observation: Observations) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Ways [B, 3, 2] to them in units of the reach, the length of a bond [B] in the same, and which are there."""
    found = np.asarray(observation["neighbours"], dtype=np.float64).reshape(-1, NEIGHBOURS, 2)
    length = np.hypot(found[..., 0], found[..., 1])
    there = length > _NONE
    bond = np.where(there, length, 0.0).sum(1) / np.maximum(there.sum(1), 1)
    return found, np.maximum(bond, _NONE), there

"""The way of a dopant through a lattice with vacancies: hops, and carbons that the beam makes jump into vacancies.

A* (P. E. Hart, N. J. Nilsson and B. Raphael, IEEE Trans. Syst. Sci. Cybern. 4, 100, 1968) over where the dopant is and
which sites are vacant, with the hops of a whole lattice as the bound. A vacancy is filled by the carbon beside it when
the beam stands on that one, which has to be within reach: a next-nearest neighbour of the dopant, since on a nearest
one the dopant itself would hop. Only vacancies beside the dopant are filled, but where nothing else can be done: then
those one site farther out are, from across the hexagon.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_lattice import BESIDE, UNIT, Floats, patch

_MOST: Final = 3000
"""States that are looked at."""


class Step(NamedTuple):
    """hop: the site that the dopant goes to, -1 for none. carbon: the site whose carbon shall jump, -1 for none."""

    hop: int
    carbon: int


NOWHERE: Final = Step(-1, -1)
State = tuple[int, frozenset[int]]


def search(
    start: int, target: int, vacant: frozenset[int], filling: float, bound: Floats, toll: Floats | None = None
) -> tuple[float, Step]:
    """What the cheapest way costs in hops, and its first step; `bound` [S] are hops to the target in a whole lattice.

    A hop to a site costs its toll [S] besides. Infinite where none was found.
    """
    tolls = np.zeros(len(bound)) if toll is None else toll
    order = count()
    queue: list[tuple[float, int, float, State, Step]] = []
    heappush(queue, (float(bound[start]), next(order), 0.0, (start, vacant), NOWHERE))
    done: set[State] = set()
    while queue and len(done) < _MOST:
        _, _, spent, state, first = heappop(queue)
        if state[0] == target:
            return spent, first
        if state in done:
            continue
        done.add(state)
        for price, after, step in _steps(state, filling):
            if after not in done:
                total = spent + price + (float(tolls[step.hop]) if step.hop >= 0 else 0.0)
                entry = first if first != NOWHERE else step
                heappush(queue, (total + float(bound[after[0]]), next(order), total, after, entry))
    return float("inf"), NOWHERE


def _steps(state: State, filling: float) -> Iterator[tuple[float, State, Step]]:
    site, vacant = state
    nearest, next_nearest, across = _around()
    hops = [n for n in nearest[site] if n not in vacant]
    for n in hops:
        yield BESIDE if not vacant.isdisjoint(nearest[n]) else 1.0, (n, vacant), Step(n, -1)
    jumps = _jumps(next_nearest[site], nearest[site], vacant)
    for c, v in jumps or (() if hops else _jumps(across[site], next_nearest[site], vacant)):
        yield filling, (site, vacant - {v} | {c}), Step(-1, c)


def _jumps(carbons: list[int], wanted: list[int], vacant: frozenset[int]) -> list[tuple[int, int]]:
    """Which carbons can jump into which of the vacancies at wanted sites."""
    nearest = _around()[0]
    return [(c, v) for c in carbons if c not in vacant for v in nearest[c] if v in vacant and v in wanted]


@lru_cache(maxsize=1)
def _around() -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
    """Nearest and next-nearest neighbours of every site of the patch, and the sites across its hexagons."""
    whole, links = patch()
    nearest: list[list[int]] = [[] for _ in range(len(whole))]
    for one, other in links.tolist():
        nearest[one].append(other)
    beyond = [sorted({m for n in near for m in nearest[n]} - {own}) for own, near in enumerate(nearest)]
    places = whole @ UNIT
    across = [np.flatnonzero(np.abs(np.hypot(*(places - own).T) - 2.0) < 0.01).tolist() for own in places]
    return nearest, beyond, across


def vacant_near(vacant: NDArray[np.int64], sites: Floats, target: int, reach: float) -> frozenset[int]:
    """Those vacancies that are within `reach` of the dopant or of the target."""
    kept = [int(v) for v in vacant if v > 0 and min(np.hypot(*sites[v]), np.hypot(*(sites[v] - sites[target]))) < reach]
    return frozenset(kept)

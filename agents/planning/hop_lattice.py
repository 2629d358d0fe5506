"""The honeycomb around a dopant: ideal bonds from the neighbours that are seen, sites, and ways between them.

A site is a whole number of each of the three bonds of the dopant's site, c1 w1 + c2 w2 + c3 w3, whose sum is 0 on its
own sublattice and 1 on the other; the patch holds those within some ten bonds.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_ORDER: Final = 7
_REACH: Final = 11.5
_NEAR: Final = 0.4
"""[bonds] An atom as near to a site stands on it."""
BESIDE: Final = 2.0
"""What a hop costs to a carbon that may jump into a vacancy instead, in hops."""
UNIT: Final = np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
"""Three bonds, in bonds."""


class Patch(NamedTuple):
    """whole [S, 3], the dopant's site first and its three neighbours next; links [E, 2] between sites, both ways."""

    whole: Ints
    links: Ints


def bonds(neighbours_nm: Floats, known_nm: Floats | None = None) -> Floats:
    """The three ideal bonds [3, 2] of a site from those of its neighbours [n, 2] that are seen.

    Where none is, those `known_nm` from before.
    """
    if not len(neighbours_nm):
        return BOND_NM * UNIT if known_nm is None else known_nm
    turned = neighbours_nm[:, 0] + 1j * neighbours_nm[:, 1]
    heading = np.angle(np.sum((turned / np.abs(turned)) ** 3)) / 3.0
    angles = heading + 2.0 * np.pi * np.arange(3) / 3.0
    return BOND_NM * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def placed(ways_nm: Floats, bonds_nm: Floats, within: float = _NEAR) -> Ints:
    """Which site of the patch each of some ways [n, 2] from the dopant ends at, -1 for none."""
    sites = patch().whole @ bonds_nm
    away = np.hypot(*np.moveaxis(np.reshape(ways_nm, (-1, 1, 2)) - sites, -1, 0))
    nearest = away.argmin(axis=1)
    return np.where(away.min(axis=1) < within * BOND_NM, nearest, -1)


def distances(target: int, vacant: Ints, toll: Floats | float = 0.0) -> Floats:
    """Hops [S] from every site of the patch to one of them by sites that are not vacant; infinite where there are none.

    A hop to a site beside a vacancy counts `BESIDE`, and one to a site with a toll [S] that much more.
    """
    _, links = patch()
    price = np.where(np.isin(np.arange(len(patch().whole)), links[np.isin(links[:, 0], vacant), 1]), BESIDE, 1.0)
    price = price + toll
    free = links[~np.isin(links, vacant).any(axis=1)]
    graph: Any = csr_array((price[free[:, 0]], free.T), shape=(len(price), len(price)))
    return np.asarray(dijkstra(graph, indices=np.array([target]))[0])


@lru_cache(maxsize=1)
def patch() -> Patch:
    """The sites around a dopant."""
    span = range(-_ORDER, _ORDER + 1)
    found = [c for c in product(span, span, span) if sum(c) in (0, 1)]
    ways = np.array(found) @ UNIT
    unique: dict[tuple[float, float], tuple[int, ...]] = {}
    for c, (x, y) in sorted(zip(found, ways.tolist(), strict=True), key=lambda row: (np.hypot(*row[1]), row[0])):
        if np.hypot(x, y) <= _REACH:
            unique.setdefault((round(x, 3) + 0.0, round(y, 3) + 0.0), c)
    whole, places = np.array(list(unique.values())), np.array(list(unique))
    own = [0, *(int(np.flatnonzero((np.abs(places - way) < 0.01).all(1))[0]) for way in UNIT)]
    order = np.concatenate([own, np.setdiff1d(np.arange(len(whole)), own)])
    whole, places = whole[order], places[order]
    away = np.hypot(*np.moveaxis(places[:, None] - places, -1, 0))
    return Patch(whole, np.argwhere(np.abs(away - 1.0) < 0.01))

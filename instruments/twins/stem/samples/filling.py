"""Chance in a sample: which sites carry a dopant or stay empty, for many worlds at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.errors import DataInvalid
from instruments.keys import Keys
from instruments.twins.stem.samples.sites import NOWHERE, Ints, Sites


def replaced(species: Ints, chosen: Ints, element: int) -> Ints:
    """Species [B, N] with the sites `chosen` [B, n] set to an element, 0 for none."""
    after = species.copy()
    np.put_along_axis(after, chosen, element, axis=1)
    return after


def choose(
    sites: Sites, keys: Keys, free: NDArray[np.bool_], count: int, shells: int
) -> tuple[Ints, NDArray[np.bool_]]:
    """`count` random sites [B, count] out of the free ones [B, N], and what is free after that.

    Within `shells` bonds of a chosen site none other is chosen. DataInvalid where there is no room.
    """
    draw = random.uniform(keys, len(sites)) if count else np.empty((len(keys), len(sites)))
    rows, free = np.arange(len(keys)), free.copy()
    chosen = np.empty((len(keys), count), dtype=np.int64)
    for number in range(count):
        if not free.any(axis=1).all():
            raise DataInvalid(f"{sites.name}: no room for {count} of them: make the sample larger, or ask for fewer")
        chosen[:, number] = np.argmin(np.where(free, draw, 2.0), axis=1)
        near = chosen[:, number, None]
        for _ in range(shells):
            near = _with_neighbours(sites, near)
        np.put_along_axis(free, near, False, axis=1)
        free[rows, chosen[:, number]] = False
    return chosen, free


def choose_each(sites: Sites, keys: Keys, free: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Every free site with the same chance, independently: a random alloy, [B, N]."""
    return free & (random.uniform(keys, len(sites)) < share)


def inside(sites: Sites, keys: Keys, margin_nm: float, kind: str | None = None) -> NDArray[np.bool_]:
    """Sites [B, N], of one kind where it is given, that lie at least a margin from the borders of the extent."""
    half = np.array(sites.extent_nm) / 2 - margin_nm
    deep: NDArray[np.bool_] = np.all(np.abs(sites.positions_nm[:, :2]) <= half, axis=1)
    if kind is not None:
        deep = deep & (sites.kind == sites.kinds.index(kind))
    return np.repeat(deep[None], len(keys), axis=0)


def _with_neighbours(sites: Sites, chosen: Ints) -> Ints:
    """The sites and their neighbours, [B, n (1 + K)]; a missing neighbour repeats the site."""
    near = sites.neighbours[chosen]
    near = np.where(near == NOWHERE, chosen[..., None], near)
    return np.concatenate([chosen[..., None], near], axis=-1).reshape(len(chosen), -1)

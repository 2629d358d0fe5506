"""Histograms of local configurations modulo symmetry, and the statistical distance between them.

s = arccos sum sqrt(p q) (L. Vlcek et al., ACS Nano 11, 10313, 2017). Two histograms of the same thing are s^2 =
(k - 1) (1 / N1 + 1 / N2) / 4 apart on average, for N independent sites and k bins: the noise floor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.lattice import Floats, Ints, Lattice


def by_likes(lattice: Lattice, spins: NDArray[np.int8], shells: int = 1) -> Ints:
    """Counts [..., 2, z1 + 1, ...] of (own spin, neighbours up in shell 1, 2, ...) over sites that have all of them."""
    tables = [_neighbour_table(lattice, shell + 1) for shell in range(shells)]
    whole = np.all([(table >= 0).all(1) for table in tables], axis=0)
    up = (np.asarray(spins) == 1).astype(np.int64)
    index, size = up[..., whole], 2
    for table in tables:
        near = up[..., table[whole]].sum(-1)
        index, size = index * (table.shape[1] + 1) + near, size * (table.shape[1] + 1)
    shape = (2, *(table.shape[1] + 1 for table in tables))
    return _counted(index, size).reshape(*up.shape[:-1], *shape)


def by_rings(lattice: Lattice, spins: NDArray[np.int8]) -> Ints:
    """Counts [..., 2 C] of (own spin, pattern of the ring of neighbours up to rotation and reflection).

    C is 6 on a square lattice's ring of four neighbours and 13 on a triangular one's ring of six.
    """
    table = _neighbour_table(lattice, 1)
    whole = (table >= 0).all(1)
    ring = _around(lattice, table[whole], np.flatnonzero(whole))
    classes = ring_classes(ring.shape[1])
    up = (np.asarray(spins) == 1).astype(np.int64)
    pattern = (up[..., ring] << np.arange(ring.shape[1])).sum(-1)
    number = int(classes.max()) + 1
    return _counted(up[..., whole] * number + classes[pattern], 2 * number)


def ring_classes(size: int) -> Ints:
    """[2^size] number of the class, up to rotation and reflection, of every ring of bits."""
    bits = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
    turned = [np.roll(way, turn, axis=1) for way in (bits, bits[:, ::-1]) for turn in range(size)]
    smallest = np.min([(t << np.arange(size)).sum(1) for t in turned], axis=0)
    return np.unique(smallest, return_inverse=True)[1].astype(np.int64)


def distance(p: NDArray[np.generic], q: NDArray[np.generic]) -> float:
    """The statistical distance [rad] of two histograms of any shape; raises LatticeError where one is empty."""
    a, b = (np.ravel(np.asarray(x, np.float64)) for x in (p, q))
    if a.shape != b.shape or a.sum() <= 0 or b.sum() <= 0 or min(a.min(), b.min()) < 0:
        raise LatticeError("histograms must have the same bins, no negative counts, and something in them")
    # 2 arcsin of half the chord: arccos would lose its digits where the two are close
    chord = np.linalg.norm(np.sqrt(a / a.sum()) - np.sqrt(b / b.sum()))
    return float(2 * np.arcsin(min(float(chord) / 2, 1.0)))


def noise_floor(bins: int, first: float, second: float = np.inf) -> float:
    """Expected s^2 of two histograms of the same thing from independent samples; infinite: known exactly."""
    return (bins - 1) * (1 / first + 1 / second) / 4


def reweighted(counts: NDArray[np.generic], phi: Floats, change: Floats) -> tuple[Floats, float]:
    """Mean histogram at theta + change from samples at theta, and the effective number of samples left.

    counts [S, ...] and phi [S, K] are of S configurations; raises LatticeError where hardly one carries the weight.
    """
    log = np.asarray(phi, np.float64) @ np.asarray(change, np.float64)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    effective = float(1 / np.square(weight).sum())
    if effective < 2 and len(weight) > 2:
        raise LatticeError("the samples do not reach so far: simulate nearer to the parameters that are asked for")
    return np.tensordot(weight, np.asarray(counts, np.float64), axes=1), effective


def loss(observed: Sequence[NDArray[np.generic]], predicted: Sequence[NDArray[np.generic]]) -> float:
    """Sum of s^2 over images, weighted by their numbers of sites."""
    sites = np.array([np.sum(o) for o in observed], np.float64)
    squares = np.array([distance(o, p) ** 2 for o, p in zip(observed, predicted, strict=True)])
    return float(sites @ squares / sites.sum())


def _neighbour_table(lattice: Lattice, shell: int) -> Ints:
    """[N, z] partners in a shell, padded with -1."""
    bonds = lattice.shell(shell)[0]
    both = np.concatenate([bonds, bonds[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    place = np.arange(len(both)) - np.searchsorted(both[:, 0], both[:, 0])
    table = np.full((len(lattice), int(place.max(initial=-1)) + 1), -1, np.int64)
    table[both[:, 0], place] = both[:, 1]
    return table


def _around(lattice: Lattice, table: Ints, sites: Ints) -> Ints:
    """The partners [n, z] of sites in the order of their angle; across periodic edges the nearest image counts."""
    away = lattice.positions[table] - lattice.positions[sites][:, None]
    if lattice.periodic and lattice.shape is not None:
        away = _nearest_image(away, lattice)
    order = np.argsort(np.arctan2(away[..., 1], away[..., 0]), axis=1)
    return np.take_along_axis(table, order, axis=1)


def _nearest_image(away: Floats, lattice: Lattice) -> Floats:
    rows, columns = lattice.shape or (1, 1)
    across = np.array([columns, 0.0])
    down = np.array([0.0, rows]) if lattice.kind == "square" else np.array([rows / 2, rows * np.sqrt(0.75)])
    shifts = np.array([i * across + j * down for i in (-1, 0, 1) for j in (-1, 0, 1)])
    images = away[..., None, :] + shifts
    best = np.square(images).sum(-1).argmin(-1)
    return np.take_along_axis(images, best[..., None, None], axis=-2)[..., 0, :]


def _counted(index: Ints, size: int) -> Ints:
    flat = index.reshape(-1, index.shape[-1])
    rows = np.arange(len(flat))[:, None] * size
    return np.bincount((flat + rows).ravel(), minlength=len(flat) * size).reshape(*index.shape[:-1], size)
